"""Faults of whole answers: limits, outages, broken bodies, refused credentials, failed jobs. Rows are not touched here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

import orjson

from liftos_pipeline.platforms.fault_wire import Answer, Exchange, Injection, refusal

_META_RATE_CODES = (4, 17, 32, 613, 80000, 80004)
_HTML = b"<!DOCTYPE html><html><body>We will be right back.</body></html>"
_HOURS = "36000"
_PASSING = (1, 3)
_OUTLASTS_A_RUN = (7, 9)
_RUNS = (1, 2)


def _limited(exchange: Exchange, wait: str) -> Answer:
    answer = refusal(exchange, 429, "RESOURCE_TEMPORARILY_EXHAUSTED", "Too many calls.", 4)
    return replace(answer, headers={"Retry-After": wait})


def _limit_in_seconds(exchange: Exchange, rng: Random) -> Answer:
    return _limited(exchange, str(rng.randint(0, 2)))


def _limit_as_date(exchange: Exchange, rng: Random) -> Answer:
    moment = datetime.now(UTC) + timedelta(seconds=rng.randint(0, 2))
    return _limited(exchange, format_datetime(moment, usegmt=True))


def _limit_as_400(exchange: Exchange, rng: Random) -> Answer | None:
    if exchange.platform != "meta":
        return None
    return refusal(exchange, 400, "", "(#17) User request limit reached", rng.choice(_META_RATE_CODES), 2446079)


def _limit_for_hours(exchange: Exchange, rng: Random) -> Answer:  # noqa: ARG001
    return _limited(exchange, _HOURS)


def _daily_quota(exchange: Exchange, rng: Random) -> Answer | None:  # noqa: ARG001
    if exchange.platform not in ("google_ads", "klaviyo") or exchange.is_token:
        return None
    answer = refusal(exchange, 429, "RESOURCE_EXHAUSTED", "The daily quota is used up.", 0)
    return replace(answer, headers={"Retry-After": _HOURS})


def _server_error(exchange: Exchange, rng: Random) -> Answer:
    status = rng.choice((500, 502, 503, 504))
    if rng.random() < 0.5:
        return Answer(_HTML, status, content_type="text/html")
    return refusal(exchange, status, "INTERNAL", "An unexpected error has occurred.", rng.choice((1, 2)))


def _error_with_200(exchange: Exchange, rng: Random) -> Answer | None:  # noqa: ARG001
    if exchange.is_token or exchange.platform == "fred":
        return None
    answer = refusal(exchange, 500, "INTERNAL", "Please retry your request later.", 2)
    return replace(answer, status=200)


def _outage(exchange: Exchange, rng: Random) -> Answer:  # noqa: ARG001
    return Answer(_HTML, 503, content_type="text/html")


def _echo(exchange: Exchange, rng: Random) -> Answer:  # noqa: ARG001
    secret = exchange.headers.get("authorization") or exchange.query.get("api_key", "")
    return refusal(exchange, 500, "INTERNAL", f"Failed for access_token={secret}", 1)


def _cut_short(exchange: Exchange, rng: Random) -> Answer | None:
    kept = rng.randrange(1, max(2, len(exchange.content) - 1))
    if exchange.has_socket:
        return Answer(exchange.content[:kept], breaks="cut")
    return None if exchange.path.startswith("/graph/") else Answer(exchange.content[:kept])


def _reset(exchange: Exchange, rng: Random) -> Answer | None:  # noqa: ARG001
    return Answer(b"", breaks="reset") if exchange.has_socket else None


def _silence(exchange: Exchange, rng: Random) -> Answer | None:  # noqa: ARG001
    return Answer(b"", breaks="silence") if exchange.has_socket else None


def _html(exchange: Exchange, rng: Random) -> Answer:  # noqa: ARG001
    return Answer(_HTML, content_type="text/html")


def _broken_json(exchange: Exchange, rng: Random) -> Answer:  # noqa: ARG001
    return Answer(rng.choice((b'{"data":[{"id":"1",}]}', b"", b'{"data":[]', b'{"data":["\xff"]}')))


def _nan_literal(exchange: Exchange, rng: Random) -> Answer:  # noqa: ARG001
    return Answer(b'{"data":[{"spend":NaN}],"results":[{"value":Infinity}]}')


def _expired(exchange: Exchange, rng: Random) -> Answer:  # noqa: ARG001
    if exchange.is_token:
        return Answer(b'{"error":"invalid_grant","error_description":"Token has been expired or revoked."}', 400)
    if exchange.platform == "fred":
        return refusal(exchange, 400, "", "Bad Request.  The value for variable api_key is not registered.", 0)
    return refusal(exchange, 400 if exchange.platform == "meta" else 401, "UNAUTHENTICATED", "Expired.", 190, 463)


def _scope_missing(exchange: Exchange, rng: Random) -> Answer | None:
    if exchange.is_token or exchange.platform == "fred":
        return None
    return refusal(
        exchange, 403, "USER_PERMISSION_DENIED", "No permission to read this.", rng.choice((10, 200, 294))
    )


def _version_gone(exchange: Exchange, rng: Random) -> Answer | None:
    if exchange.is_token or exchange.platform == "fred":
        return None
    if exchange.platform == "google_ads" and rng.random() < 0.5:
        return Answer(b"", 404, content_type="text/html")
    message = "This version of the interface is gone; the revision is no longer supported."
    status = 410 if exchange.platform == "klaviyo" else 400
    return refusal(exchange, status, "UNSUPPORTED_VERSION", message, 2635)


def _too_much_data(exchange: Exchange, rng: Random) -> Answer | None:
    """Only spans of several days: a single day is never too much."""
    if not exchange.is_insights or exchange.method != "GET" or "time_range" not in exchange.query:
        return None
    span = orjson.loads(exchange.query["time_range"])
    if span["since"] == span["until"] or "after" in exchange.query:
        return None
    subcode = rng.choice((0, 1487534))
    return refusal(
        exchange, 400, "", "Please reduce the amount of data you're asking for, then retry.", 100, subcode
    )


def _job(exchange: Exchange, status: str, percent: int) -> Answer | None:
    payload = exchange.payload()
    if not isinstance(payload, dict) or payload.get("async_status") != "Job Completed":
        return None
    told = {"async_status": status, "async_percent_completion": percent}
    return Answer(orjson.dumps({**payload, **told, "error_message": "The job did not finish."}))


def _job_failed(exchange: Exchange, rng: Random) -> Answer | None:
    return _job(exchange, rng.choice(("Job Failed", "Job Skipped")), rng.randint(0, 99))


def _job_stuck(exchange: Exchange, rng: Random) -> Answer | None:
    return _job(exchange, rng.choice(("Job Running", "Job Started", "Job Not Started", "Job Completed")), 99)


LIMITS = (
    Injection("limit_in_seconds", "passing", "HTTP 429 with Retry-After in seconds", _limit_in_seconds, _PASSING),
    Injection("limit_as_date", "passing", "HTTP 429 with Retry-After as a date", _limit_as_date, _PASSING),
    Injection("limit_as_400", "passing", "Meta's limits as HTTP 400", _limit_as_400, _PASSING),
    Injection("limit_for_hours", "standing", "HTTP 429 that asks for ten hours", _limit_for_hours, _RUNS),
)
QUOTAS = (Injection("daily_quota", "standing", "the day's requests are used up", _daily_quota, _RUNS),)
OUTAGES = (
    Injection("server_error", "passing", "HTTP 500 to 504", _server_error, _PASSING),
    Injection("error_with_200", "passing", "an error body with status 200", _error_with_200, _PASSING),
    Injection("outage", "standing", "HTTP 503 for longer than a run", _outage, _OUTLASTS_A_RUN),
    Injection("cut_short", "passing", "a body that ends too soon", _cut_short, _PASSING),
    Injection("reset", "passing", "a connection that is reset", _reset, _PASSING),
    Injection("silence", "passing", "no answer at all", _silence, (1, 1)),
)
BODIES = (
    Injection("html", "passing", "HTML with status 200", _html, _PASSING),
    Injection("broken_json", "passing", "a body that is no JSON", _broken_json, _PASSING),
    Injection("nan_literal", "passing", "NaN and Infinity in JSON", _nan_literal, _PASSING),
    Injection("html_for_long", "standing", "HTML for longer than a run", _html, _OUTLASTS_A_RUN),
)
CREDENTIALS = (
    Injection("expired", "standing", "a token that has expired", _expired, _RUNS),
    Injection("scope_missing", "standing", "a permission that was taken away", _scope_missing, _RUNS),
)
VERSIONS = (Injection("version_gone", "standing", "an interface version that has ended", _version_gone, _RUNS),)
JOBS = (
    Injection("too_much_data", "passing", "a span that Meta finds too large", _too_much_data, _RUNS, is_rare=True),
    Injection(
        "job_failed", "passing", "an insights job that fails or is skipped", _job_failed, _RUNS, is_rare=True
    ),
    Injection("job_stuck", "passing", "an insights job that does not get on", _job_stuck, _PASSING, is_rare=True),
)
SECRETS = (Injection("echo", "passing", "an error that repeats the credentials", _echo, _PASSING),)
