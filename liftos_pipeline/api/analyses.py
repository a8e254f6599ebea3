"""The two requests that compute: they read a body within its limits and have a worker answer it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from liftos_pipeline.api.limits import Slots
from liftos_pipeline.api.models import AnalysisOut, CounterfactualOut
from liftos_pipeline.api.problems import MEDIA_TYPE, Problem, internal
from liftos_pipeline.api.workers import Workers, out_of_time
from liftos_pipeline.causal import ESTIMATORS

LOWEST_LEVEL, HIGHEST_LEVEL = 0.5, 0.9999
_SERVER_ERROR = 500

_METHODS = ", ".join(ESTIMATORS)
Method = Annotated[str, Query(description=f"One of {_METHODS}.")]
MethodOrNot = Annotated[
    str | None, Query(description=f"One of {_METHODS}; else did, or doubly_robust without periods.")
]
Seed = Annotated[int, Query(ge=0, le=2**32 - 1, description="Seed of everything random.")]
Level = Annotated[
    float | None,
    Query(ge=LOWEST_LEVEL, le=HIGHEST_LEVEL, description="Level of intervals; the setting's if not given."),
]


@dataclass(frozen=True, eq=False)
class Desk:
    """What an analysis needs of the service."""

    workers: Workers
    slots: Slots
    seconds: float
    level: float
    database: Path

    async def answered(self, request: Request, task: str, call: Mapping[str, object]) -> Response:
        """The worker's answer to the body of a request, all within the time limit."""
        with self.slots.taken():
            started = time.monotonic()
            try:
                async with asyncio.timeout(self.seconds):
                    body = await request.body()
            except TimeoutError:
                raise out_of_time() from None
            left = self.seconds - (time.monotonic() - started)
            asked = {"task": task, "database": str(self.database), **call}
            status, content = await run_in_threadpool(self.workers.ask, asked, body, left)
        if status == _SERVER_ERROR:
            facts = request.state.facts
            facts |= orjson.loads(content)
            raise internal(str(facts["request_id"]))
        return Response(content, status, media_type="application/json" if status < 400 else MEDIA_TYPE)


def analyses(desk: Desk, problems: dict) -> APIRouter:
    """``POST /analyze`` and ``POST /counterfactual``."""
    router = APIRouter(prefix="/api/v1/causal", tags=["analyses"], responses=problems)

    @router.post("/analyze", response_model=AnalysisOut, openapi_extra=_body("DataIn"))
    async def analyze(
        request: Request,
        method: Method = "doubly_robust",
        confidence_level: Level = None,
        seed: Seed = 0,
    ) -> Response:
        """Estimate one effect from records, rows or a published table.

        An estimate that must not be used has the status ``refused`` and the reason.
        """
        _check(method)
        call = {"method": method, "level": confidence_level or desk.level, "seed": seed}
        return await desk.answered(request, "analyze", call)

    @router.post("/counterfactual", response_model=CounterfactualOut, openapi_extra=_body("CounterfactualIn"))
    async def counterfactual(
        request: Request,
        method: MethodOrNot = None,
        confidence_level: Level = None,
        seed: Seed = 0,
    ) -> Response:
        """What the outcome would have been without the treatment, or under another dose of it."""
        if method is not None:
            _check(method)
        call = {"method": method, "level": confidence_level or desk.level, "seed": seed}
        return await desk.answered(request, "counterfactual", call)

    return router


def _check(method: str) -> None:
    if method not in ESTIMATORS:
        raise Problem(
            400,
            "unknown-method",
            "No such method",
            f"expected one of {', '.join(ESTIMATORS)}; found {method[:80]!r}.",
            methods=list(ESTIMATORS),
        )


def _body(model: str) -> dict:
    """What the body is, for the document: it is read whole by a worker, not by the framework."""
    records = {"type": "array", "items": {"$ref": "#/components/schemas/Record"}}
    schema = {"anyOf": [{"$ref": f"#/components/schemas/{model}"}, records]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
