"""What goes wrong as RFC 9457 problems: what was expected, what was found, the way out. Never an internal error's text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from starlette.responses import Response

from liftos_pipeline.errors import LiftosError, WarehouseError

MEDIA_TYPE = "application/problem+json"
_KIND = "urn:liftos:problem:"
_SHOWN = 20
"""Errors of single fields that one answer lists."""
_LONGEST = 300


class Problem(Exception):
    """An answer that is no success.

    Parameters
    ----------
    status : int
        HTTP status.
    kind : str
        What a program tells problems apart by; ``type`` of the answer ends with it.
    more : mapping
        Further members of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {"type": _KIND + kind, "title": title, "status": status, "detail": detail, **more}

    def response(self) -> Response:
        return Response(orjson.dumps(self.body), self.status, self.headers, MEDIA_TYPE)


def from_error(error: LiftosError, status: int | None = None) -> Problem:
    """A wrong call is 422, a warehouse that cannot be read 503."""
    is_ours = isinstance(error, WarehouseError)
    kind, title = (
        ("not-available", "The home cannot be read")
        if is_ours
        else ("wrong-call", "The call cannot be carried out")
    )
    return Problem(
        status or (503 if is_ours else 422),
        kind,
        title,
        str(error),
        expected=error.expected,
        found=error.found,
        way_out=error.way_out,
    )


def invalid(errors: Sequence[Mapping[str, object]]) -> Problem:
    """Fields that are not as the interface says, each with its place; what was sent is not repeated.

    Parameters
    ----------
    errors : sequence of mapping
        ``errors()`` of pydantic: ``loc`` and ``msg``.
    """
    listed = [
        {"field": _place(error["loc"]), "message": str(error["msg"])[:_LONGEST]} for error in errors[:_SHOWN]
    ]
    count = len(errors)
    first = listed[0]
    more = f" (and {count - 1} more)" if count > 1 else ""
    return Problem(
        422, "invalid-data", "Data are not valid", f"{first['field']}: {first['message']}{more}", errors=listed
    )


def wrong_field(field: str, message: str) -> Problem:
    """One field that is not as it must be."""
    return invalid([{"loc": (field,), "msg": message}])


def internal(request_id: str) -> Problem:
    """An error of ours; the log has it under the request's id."""
    return Problem(
        500, "internal", "Internal error", "The log of the service has the reason.", request_id=request_id
    )


def _place(loc: object) -> str:
    parts = loc if isinstance(loc, tuple | list) else (loc,)
    return ".".join(str(part)[:_LONGEST] for part in parts) or "body"
