"""Puts the service together: settings, layers, routes, the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from liftos_pipeline import __version__
from liftos_pipeline.api.analyses import Desk, analyses
from liftos_pipeline.api.limits import BodyLimit, RequestLog, Slots
from liftos_pipeline.api.models import CounterfactualIn, DataIn, ProblemOut
from liftos_pipeline.api.problems import MEDIA_TYPE, Problem, from_error, invalid
from liftos_pipeline.api.reads import reads
from liftos_pipeline.api.security import Guard
from liftos_pipeline.api.workers import Workers
from liftos_pipeline.errors import LiftosError, NotPublished
from liftos_pipeline.schema.results import EFFECT_ESTIMATES
from liftos_pipeline.settings import Settings, load_settings
from liftos_pipeline.warehouse.public import RUN_FIRST, PublicDatabase

_DESCRIPTION = (
    "What did our marketing really cause? Effects, verdicts and attribution that a home has published, and analyses of "
    "data that are sent. Problems are RFC 9457; an estimate that must not be used has the status refused and the reason."
)
_STATUSES = (400, 401, 403, 404, 413, 422, 429, 500, 503, 504)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application.

    Parameters
    ----------
    settings : Settings, optional
        Of the home; read from the environment and ``liftos.toml`` if not given.

    Raises
    ------
    LiftosError
        Settings that are not valid.

    Examples
    --------
    >>> app = create_app()  # uvicorn liftos_pipeline.api.app:create_app --factory
    """
    settings = settings or load_settings()
    keys = settings.api_keys()
    path = settings.home / "liftos.duckdb"
    database = PublicDatabase(path)
    workers = Workers()
    desk = Desk(
        workers=workers,
        slots=Slots(settings.liftos_api_max_analyses),
        seconds=settings.liftos_api_time_limit_s,
        level=settings.liftos_confidence_level,
        database=path,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        workers.warm()
        yield
        workers.close()

    app = FastAPI(
        title="LiftOS pipeline",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    problems = {status: _documented(status) for status in _STATUSES}
    app.include_router(analyses(desk, problems))
    app.include_router(reads(database, problems))
    _add_health(app, database, problems)
    _add_problems(app)
    _add_document(app)
    app.add_middleware(BodyLimit, max_bytes=int(settings.liftos_api_max_body_mb * 1e6))
    app.add_middleware(Guard, keys=keys)
    app.add_middleware(RequestLog)
    return app


def _add_health(app: FastAPI, database: PublicDatabase, problems: dict) -> None:
    @app.get("/health", tags=["state"])
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok", "version": __version__}

    @app.get("/ready", tags=["state"], responses={503: problems[503]})
    async def ready() -> Response:
        """The home has results to read."""
        newest = await run_in_threadpool(database.newest, EFFECT_ESTIMATES.full_name)
        if newest is None:
            raise NotPublished("published effects", "none yet", RUN_FIRST)
        return Response(orjson.dumps({"status": "ready", "as_of": newest}), media_type="application/json")


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(LiftosError)
    async def wrong(_: Request, error: LiftosError) -> Response:
        return from_error(error).response()

    @app.exception_handler(RequestValidationError)
    async def not_valid(_: Request, error: RequestValidationError) -> Response:
        return invalid(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        title = HTTPStatus(error.status_code).phrase
        found = Problem(
            error.status_code, "http", title, "See /openapi.json for what there is.", headers=error.headers
        )
        return found.response()


def _documented(status: int) -> dict:
    return {
        "description": HTTPStatus(status).phrase,
        "model": ProblemOut,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
    }


def _add_document(app: FastAPI) -> None:
    """The document with the bodies that workers read, and without FastAPI's own form of errors."""

    def document() -> dict:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schemas = found["components"]["schemas"]
            for model in (DataIn, CounterfactualIn):
                own = model.model_json_schema(ref_template="#/components/schemas/{model}", mode="validation")
                schemas |= own.pop("$defs", {})
                schemas[model.__name__] = own
            for operation in (operation for path in found["paths"].values() for operation in path.values()):
                for answer in operation["responses"].values():
                    if MEDIA_TYPE in answer.get("content", {}):
                        answer["content"].pop("application/json", None)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
