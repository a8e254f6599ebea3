"""The WSGI application: finds the platform of a path, the clock of a request and the world behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from liftos_pipeline.platforms import fred, google_ads, klaviyo, meta
from liftos_pipeline.platforms.wire import Refusal, Request, Response, as_json
from liftos_pipeline.simulator import World, generate
from liftos_pipeline.simulator.scenario import Scenario

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SIMULATED_ORIGIN = "http://platforms.local"
CLOCK_HEADER = "X-Liftos-Clock"
HORIZON_DAYS = 1_100
WORLD_STEP_DAYS = 60
"""Worlds are drawn in lengths of whole steps, so that few are drawn while the clock moves on."""

_ROUTES: tuple[tuple[str, tuple[str, ...], Callable[[Request], Response]], ...] = (
    ("/v26.0/", ("GET", "POST"), meta.answer),
    ("/v26/", ("POST",), google_ads.answer),
    ("/token", ("POST",), google_ads.token),
    ("/api/", ("GET",), klaviyo.answer),
    ("/fred/", ("GET",), fred.answer),
    ("/graph/", ("GET",), fred.download),
)


def simulated_app(scenario: Scenario, seed: int) -> WSGIApplication:
    """Server of one simulated world, which grows to the clock of each request.

    A request carries its clock in ``X-Liftos-Clock`` (ISO 8601, UTC if it names no zone); without it the wall
    clock counts.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            response = _respond(environ, scenario, seed)
        except Refusal as refusal:
            response = refusal.response
        status = HTTPStatus(response.status)
        headers = [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [response.body]

    return application


@lru_cache(maxsize=4)
def _world(scenario: Scenario, seed: int, n_days: int) -> World:
    return generate(scenario, seed, n_days)


def world_at(scenario: Scenario, seed: int, clock: datetime) -> World:
    """World that has reached the clock, at most ``HORIZON_DAYS`` long; drawn once per length.

    Parameters
    ----------
    scenario : Scenario
    seed : int
    clock : datetime
        With a time zone; every day that has begun before it is there.
    """
    begun = ((clock - timedelta(microseconds=1)).date() - scenario.start).days + 1
    steps = max(1, -(-begun // WORLD_STEP_DAYS))
    return _world(scenario, seed, min(HORIZON_DAYS, steps * WORLD_STEP_DAYS))


def _respond(environ: WSGIEnvironment, scenario: Scenario, seed: int) -> Response:
    clock = _clock(environ.get("HTTP_X_LIFTOS_CLOCK"))
    length = int(environ.get("CONTENT_LENGTH") or 0)
    request = Request(
        method=environ["REQUEST_METHOD"],
        origin=f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', 'platforms.local')}",
        path=environ["PATH_INFO"],
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
        headers={
            name[5:].replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        },
        body=environ["wsgi.input"].read(length) if length else b"",
        clock=clock,
        world=world_at(scenario, seed, clock),
    )
    for prefix, methods, handler in _ROUTES:
        if request.path.startswith(prefix):
            if request.method not in methods:
                return as_json({"error": {"message": f"{request.method} is not supported here", "code": 405}}, 405)
            return handler(request)
    return as_json({"error": {"message": f"Unknown path {request.path}", "code": 404}}, 404)


def _clock(header: str | None) -> datetime:
    if header is None:
        return datetime.now(UTC)
    try:
        clock = datetime.fromisoformat(header)
    except ValueError:
        message = f"{CLOCK_HEADER} must be ISO 8601, not {header!r}"
        raise Refusal(as_json({"error": {"message": message, "code": 400}}, 400)) from None
    return clock.astimezone(UTC) if clock.tzinfo else clock.replace(tzinfo=UTC)
