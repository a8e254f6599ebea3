"""The bundled server on a real port of this machine, for what an in-process transport cannot show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


@contextmanager
def serve(application: WSGIApplication) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 while the context is open.

    Yields
    ------
    str
        Base address, such as ``http://127.0.0.1:40021``.
    """
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Addresses may carry tokens: nothing is logged."""

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Silent)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
