"""FRED of a simulated world: observations by vintage (with a key), and the graph download (without)."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from liftos_pipeline.platforms.wire import SIMULATED, Refusal, Request, Response, as_json
from liftos_pipeline.simulator import World

_FOREVER = date(9999, 12, 31)
_LARGEST_PAGE = 100_000
_MISSING_EVERY = 61
"""One in so many market days has no value, as on holidays."""


def answer(request: Request) -> Response:
    """Answer ``/fred/series/observations``."""
    query = request.query
    if query.get("api_key") != SIMULATED:
        raise _refuse("The value for variable api_key is not registered.")
    if request.path != "/fred/series/observations":
        raise Refusal(as_json({"error_code": 404, "error_message": "Not Found."}, 404))
    if query.get("file_type") != "json":
        raise _refuse("This server knows file_type json only.")
    series = query.get("series_id", "")
    if series not in request.world.accounts()["fred"]:
        raise _refuse("The series does not exist.")
    today = request.today
    known_from = min(_date(query, "realtime_start", today), today)
    known_to = _date(query, "realtime_end", today)
    first, last = _date(query, "observation_start", date(1776, 7, 4)), _date(query, "observation_end", _FOREVER)
    offset, limit = _whole(query, "offset", 0, 0), _whole(query, "limit", _LARGEST_PAGE, 1)
    rows = [
        {
            "realtime_start": max(start, known_from).isoformat(),
            "realtime_end": min(end if end < today else _FOREVER, known_to).isoformat(),
            "date": day.isoformat(),
            "value": value,
        }
        for day, start, end, value in _series(request, series)
        if first <= day <= last and start <= known_to and end >= known_from
    ]
    head = {"realtime_start": known_from.isoformat(), "realtime_end": known_to.isoformat(), "count": len(rows)}
    return as_json({**head, "offset": offset, "limit": limit, "observations": rows[offset : offset + limit]})


def download(request: Request) -> Response:
    """Answer ``/graph/fredgraph.csv``: today's view, no vintages."""
    series = request.query.get("id", "")
    if request.path != "/graph/fredgraph.csv" or series not in request.world.accounts()["fred"]:
        return Response(404, b"<html><body>Not found</body></html>", "text/html")
    first, last = _date(request.query, "cosd", date(1776, 7, 4)), _date(request.query, "coed", _FOREVER)
    newest = {day: value for day, _, _, value in _series(request, series) if first <= day <= last}
    lines = [f"observation_date,{series}", *(f"{day},{value}" for day, value in sorted(newest.items()))]
    return Response(200, ("\n".join(lines) + "\n").encode(), "application/csv")


def _refuse(message: str) -> Refusal:
    return Refusal(as_json({"error_code": 400, "error_message": f"Bad Request.  {message}"}, 400))


def _date(query: dict[str, str], name: str, default: date) -> date:
    text = query.get(name)
    try:
        return default if not text else date.fromisoformat(text)
    except ValueError:
        raise _refuse(f"Variable {name} is not a valid date string (YYYY-MM-DD).") from None


def _whole(query: dict[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= _LARGEST_PAGE:
        raise _refuse(f"Variable {name} is not between {least} and {_LARGEST_PAGE}.")
    return int(text)


def _series(request: Request, series: str) -> list[tuple[date, date, date, str]]:
    """Date, realtime start and end, value as text, of what was published by the clock; the newest vintage of a
    date comes last."""
    return [row for row in _vintages(request.world, series) if row[1] <= request.today]


@lru_cache(maxsize=16)
def _vintages(world: World, series: str) -> list[tuple[date, date, date, str]]:
    columns = (
        world.macro[name].to_pylist() for name in ("series_id", "date", "realtime_start", "realtime_end", "value")
    )
    found = []
    for name, day, start, end, value in zip(*columns, strict=True):
        if name == series:
            is_missing = series == "VIXCLS" and day.toordinal() % _MISSING_EVERY == 0
            found.append((day, start, end, "." if is_missing else repr(value)))
    return found
