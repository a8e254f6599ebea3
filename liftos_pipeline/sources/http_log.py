"""Keeps keys out of httpx's own log: some platforms take theirs as a query parameter."""

from __future__ import annotations

import logging

import httpx


class _WithoutQueries(logging.Filter):
    """httpx logs whole addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(a.copy_with(query=None) if isinstance(a, httpx.URL) else a for a in record.args)
        return True


def log_no_queries() -> None:
    """Take the queries out of the addresses that httpx logs."""
    logger = logging.getLogger("httpx")
    if not any(isinstance(known, _WithoutQueries) for known in logger.filters):
        logger.addFilter(_WithoutQueries())
