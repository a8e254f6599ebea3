"""The WSGI application: finds the platform of a path, the clock of a request and the world behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qsl

from liftos_pipeline.platforms import fred, google_ads, klaviyo, meta
from liftos_pipeline.platforms.wire import Request, Response, as_json
from liftos_pipeline.simulator import World, generate
from liftos_pipeline.simulator.scenario import Scenario

SIMULATED_ORIGIN = "http://platforms.local"
CLOCK_HEADER = "X-Liftos-Clock"
HORIZON_DAYS = 730

Application = Callable[[dict, Callable], Iterable[bytes]]

_ROUTES: tuple[tuple[str, Callable[[Request], Response]], ...] = (
    ("/v26.0/", meta.answer),
    ("/v26/", google_ads.answer),
    ("/token", google_ads.token),
    ("/api/", klaviyo.answer),
    ("/fred/", fred.answer),
    ("/graph/", fred.download),
)


def simulated_app(scenario: Scenario, seed: int) -> Application:
    """Server of one simulated world, which grows to the clock of each request.

    A request carries its clock in ``X-Liftos-Clock`` (ISO 8601); without it the wall clock counts.
    """

    def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
        response = _respond(environ, scenario, seed)
        status = HTTPStatus(response.status)
        headers = [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [response.body]

    return application


@lru_cache(maxsize=4)
def _world(scenario: Scenario, seed: int, n_days: int) -> World:
    return generate(scenario, seed, n_days)


def world_at(scenario: Scenario, seed: int, clock: datetime) -> World:
    """World that has reached the clock; lengths are rounded up so that few worlds are drawn."""
    needed = (clock.date() - scenario.start).days + 1
    return _world(scenario, seed, min(HORIZON_DAYS, max(60, -(-needed // 60) * 60)))


def _respond(environ: dict, scenario: Scenario, seed: int) -> Response:
    header = environ.get("HTTP_X_LIFTOS_CLOCK")
    clock = datetime.fromisoformat(header).astimezone(UTC) if header else datetime.now(UTC)
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
    for prefix, handler in _ROUTES:
        if request.path.startswith(prefix):
            return handler(request)
    return as_json({"error": {"message": f"Unknown path {request.path}", "code": 404}}, 404)
