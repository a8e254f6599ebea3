"""A few hundred of the requests of ``make fuzz``: none is answered by a server error."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from tests import service, service_fuzz


def test_requests_from_the_document_are_never_server_errors() -> None:
    found = service_fuzz.from_document(service.shared().app, 100)
    assert found[200] > 8
    assert found[422] > 10
    assert max(found) < 500


def test_broken_panels_are_never_server_errors() -> None:
    found = service_fuzz.from_panels(service.shared(), 100)
    assert found[200] > 8
    assert found.keys() <= {200, 422}


def test_a_server_error_is_noticed() -> None:
    app = FastAPI()

    @app.get("/half")
    def half(number: int) -> float:
        return 1 / (number // 2)

    with pytest.raises(service_fuzz.ServerErrors, match="500"):
        service_fuzz.from_document(_without_raising(app), 200)


def _without_raising(app: FastAPI) -> FastAPI:
    @app.exception_handler(ZeroDivisionError)
    def answered(*_: object):  # type: ignore[no-untyped-def]
        from starlette.responses import Response

        return Response("", 500)

    return app
