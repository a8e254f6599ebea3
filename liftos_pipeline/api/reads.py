"""Reads of what the home has published, by as-of day. Answers are kept until something is published anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from liftos_pipeline.api import quality
from liftos_pipeline.api.limits import Slots
from liftos_pipeline.api.models import PageOut, QualityOut
from liftos_pipeline.schema import Table
from liftos_pipeline.schema.decisions import ATTRIBUTION, EFFECT_PATHS, VERDICTS
from liftos_pipeline.schema.ops import AS_OF_RUN
from liftos_pipeline.schema.results import EFFECT_ESTIMATES, GATES
from liftos_pipeline.warehouse.public import PublicDatabase

_KEPT = 500
_KEPT_BYTES = 64 * 1024**2
AT_ONCE = 64
_JSON_COLUMNS = frozenset({"diagnostics", "gates_failed", "offenders", "settings"})

AsOf = Annotated[date | None, Query(description="As-of day; the newest if not given.")]
Text = Annotated[str | None, Query(max_length=300)]
Limit = Annotated[int, Query(ge=1, le=10_000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]


@dataclass(frozen=True)
class Page:
    """Which rows of a table are asked for. ``as_of`` None is the newest day."""

    table: Table
    wanted: tuple[tuple[str, object], ...]
    as_of: date | None
    limit: int
    offset: int


class Shelf:
    """Written answers of one published file."""

    def __init__(self, database: PublicDatabase) -> None:
        self._database = database
        self._slots = Slots(AT_ONCE)
        self._lock = Lock()
        self._kept: OrderedDict[object, bytes] = OrderedDict()
        self._bytes = 0
        self._version = ""

    async def answered(self, page: Page, make: Callable[[PublicDatabase, Page], dict[str, object]]) -> Response:
        """The answer, from memory where the same was asked of the same file."""
        with self._slots.taken():
            version = self._database.version()
            found = self._find(version, page)
            if found is None:
                found = await run_in_threadpool(lambda: orjson.dumps(make(self._database, page)))
                self._keep(version, page, found)
        return Response(found, media_type="application/json")

    def _find(self, version: str, key: object) -> bytes | None:
        with self._lock:
            if version != self._version:
                self._kept.clear()
                self._version, self._bytes = version, 0
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, version: str, key: object, answer: bytes) -> None:
        with self._lock:
            if version != self._version or key in self._kept:
                return
            self._kept[key] = answer
            self._bytes += len(answer)
            while self._kept and (len(self._kept) > _KEPT or self._bytes > _KEPT_BYTES):
                self._bytes -= len(self._kept.popitem(last=False)[1])


def rows_of(database: PublicDatabase, page: Page) -> dict[str, object]:
    """One page of a result table, in the order of its key."""
    as_of = page.as_of or database.newest(page.table.full_name)
    return _listed(database, page, as_of, {**dict(page.wanted), "as_of": as_of}, ", ".join(page.table.key))


def runs_of(database: PublicDatabase, page: Page) -> dict[str, object]:
    """Runs, the newest first; of all as-of days unless one is named."""
    wanted = dict(page.wanted) if page.as_of is None else {"as_of": page.as_of}
    return _listed(database, page, page.as_of, wanted, "finished_at DESC, as_of DESC, run_id")


def quality_of(database: PublicDatabase, page: Page) -> dict[str, object]:
    """Gates, and the scores of every platform."""
    found = quality.scores(database, as_of=page.as_of)
    is_there = not isinstance(found, str)
    return {
        **rows_of(database, page),
        "scores": found if is_there else None,
        "scores_reason": None if is_there else found,
    }


def _listed(
    database: PublicDatabase, page: Page, as_of: date | None, wanted: Mapping[str, object], order: str
) -> dict[str, object]:
    where = " AND ".join(f"{name} = ${name}" for name in wanted) or "true"
    source = f"FROM {{home}}.{page.table.full_name} WHERE {where}"
    total = database.rows(f"SELECT count(*) AS total {source}", wanted)[0]["total"]
    rows = database.rows(f"SELECT * {source} ORDER BY {order} LIMIT {page.limit} OFFSET {page.offset}", wanted)
    items = [{name: _plain(name, value) for name, value in row.items()} for row in rows]
    return {"as_of": as_of, "total": total, "limit": page.limit, "offset": page.offset, "items": items}


def _plain(name: str, value: object) -> object:
    if value is None or not isinstance(value, str):
        return value
    if name == "warnings":
        return value.splitlines()
    return orjson.loads(value) if name in _JSON_COLUMNS else value


def reads(database: PublicDatabase, problems: dict) -> APIRouter:
    """``GET`` of effects, paths, attribution, verdicts, quality and runs."""
    router = APIRouter(prefix="/api/v1", tags=["published results"], responses=problems)
    shelf = Shelf(database)

    async def page(
        table: Table, as_of: date | None, limit: int, offset: int, **wanted: str | bool | None
    ) -> Response:
        named = tuple((name, value) for name, value in wanted.items() if value is not None)
        return await shelf.answered(Page(table, named, as_of, limit, offset), rows_of)

    @router.get("/effects", response_model=PageOut)
    async def effects(
        as_of: AsOf = None,
        platform: Text = None,
        treatment_type: Text = None,
        design: Text = None,
        outcome: Text = None,
        method: Text = None,
        role: Annotated[Text, Query(description="primary, comparison or naive.")] = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """Effects per treated unit-day, with counts, diagnostics and what is refused."""
        analysis = {"platform": platform, "treatment_type": treatment_type, "design": design, "outcome": outcome}
        return await page(EFFECT_ESTIMATES, as_of, limit, offset, **analysis, method=method, role=role)

    @router.get("/paths", response_model=PageOut)
    async def paths(
        as_of: AsOf = None,
        platform: Text = None,
        treatment_type: Text = None,
        design: Text = None,
        outcome: Text = None,
        method: Text = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """Effects by weeks since the start, with bands."""
        analysis = {"platform": platform, "treatment_type": treatment_type, "design": design, "outcome": outcome}
        return await page(EFFECT_PATHS, as_of, limit, offset, **analysis, method=method)

    @router.get("/verdicts", response_model=PageOut)
    async def verdicts(
        as_of: AsOf = None,
        platform: Text = None,
        treatment_type: Text = None,
        verdict: Annotated[Text, Query(description="report, widen, direction_only or refuse.")] = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """What may be done with each effect, by the policy, and why."""
        wanted = {"platform": platform, "treatment_type": treatment_type, "verdict": verdict}
        return await page(VERDICTS, as_of, limit, offset, **wanted)

    @router.get("/attribution", response_model=PageOut)
    async def attribution(
        as_of: AsOf = None,
        platform: Text = None,
        treatment_type: Text = None,
        scope: Annotated[Text, Query(description="treatment, campaign or channel.")] = None,
        unit_id: Text = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """Incremental outcomes beside what the platforms reported, over the same unit-days."""
        wanted = {"platform": platform, "treatment_type": treatment_type, "scope": scope, "unit_id": unit_id}
        return await page(ATTRIBUTION, as_of, limit, offset, **wanted)

    @router.get("/quality", response_model=QualityOut)
    async def gates(
        as_of: AsOf = None,
        gate: Text = None,
        passed: bool | None = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """What every check saw, and the scores of the data."""
        wanted = tuple((name, value) for name, value in (("gate", gate), ("passed", passed)) if value is not None)
        return await shelf.answered(Page(GATES, wanted, as_of, limit, offset), quality_of)

    @router.get("/runs", response_model=PageOut)
    async def runs(as_of: AsOf = None, limit: Limit = 100, offset: Offset = 0) -> Response:
        """Runs of the pipeline, the newest first: what they computed, by which settings and code."""
        return await shelf.answered(Page(AS_OF_RUN, (), as_of, limit, offset), runs_of)

    return router
