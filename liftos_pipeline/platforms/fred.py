"""FRED of a simulated world: observations by vintage (with a key), and the graph download (without)."""

from __future__ import annotations

from datetime import date, timedelta

from liftos_pipeline.platforms.wire import SIMULATED, Request, Response, as_json

_FOREVER = date(9999, 12, 31)
_MISSING_EVERY = 61
"""One in so many market days has no value, as on holidays."""


def answer(request: Request) -> Response:
    """Answer ``/fred/series/observations``."""
    query = request.query
    if query.get("api_key") != SIMULATED:
        return as_json(
            {"error_code": 400, "error_message": "Bad Request. The value for variable api_key is not registered."},
            400,
        )
    if request.path != "/fred/series/observations":
        return as_json({"error_code": 404, "error_message": "Not Found."}, 404)
    first = date.fromisoformat(query.get("observation_start", "1776-07-04"))
    today = (request.clock - timedelta(microseconds=1)).date()
    rows = [
        {
            "realtime_start": start.isoformat(),
            "realtime_end": (end if end < today else _FOREVER).isoformat(),
            "date": day.isoformat(),
            "value": value,
        }
        for day, start, end, value in _series(request, query.get("series_id", ""))
        if day >= first
    ]
    if not rows:
        return as_json({"error_code": 400, "error_message": "Bad Request. The series does not exist."}, 400)
    offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", 100_000)), 100_000)
    head = {"realtime_start": "1776-07-04", "realtime_end": "9999-12-31", "count": len(rows)}
    return as_json({**head, "offset": offset, "limit": limit, "observations": rows[offset : offset + limit]})


def download(request: Request) -> Response:
    """Answer ``/graph/fredgraph.csv``: today's view, no vintages."""
    series = request.query.get("id", "")
    newest = {
        day: value for day, _, end, value in _series(request, series) if end == _FOREVER or end >= _today(request)
    }
    if not newest:
        return Response(404, b"<html><body>Not found</body></html>", "text/html")
    lines = [f"observation_date,{series}", *(f"{day},{value}" for day, value in sorted(newest.items()))]
    return Response(200, ("\n".join(lines) + "\n").encode(), "application/csv")


def _today(request: Request) -> date:
    return (request.clock - timedelta(microseconds=1)).date()


def _series(request: Request, series: str) -> list[tuple[date, date, date, str]]:
    """Date, realtime start and end, value as text, of what was published by the clock."""
    macro = request.world.macro
    columns = (
        macro[name].to_pylist() for name in ("series_id", "date", "realtime_start", "realtime_end", "value")
    )
    found = []
    for name, day, start, end, value in zip(*columns, strict=True):
        if name == series and start <= _today(request):
            missing = series == "VIXCLS" and day.toordinal() % _MISSING_EVERY == 0
            found.append((day, start, end, "." if missing else repr(value)))
    return found
