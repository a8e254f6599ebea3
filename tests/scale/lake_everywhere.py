"""Puts every warehouse of a test on a lake of its own, so that tests of the working file are tests of the lake too.

``pytest -p tests.scale.lake_everywhere`` and workers of the fault tests, with the server in ``LIFTOS_TEST_LAKE``.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import psycopg2
from psycopg2 import errors

from liftos_pipeline.warehouse.lake import Lake
from liftos_pipeline.warehouse.store import Warehouse

_BARE = Warehouse.__init__


def lake_at(home: Path) -> Lake:
    """The lake of a home: a database named after its path, made if it is not there."""
    server = os.environ["LIFTOS_TEST_LAKE"]
    name = "home_" + hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    except (errors.DuplicateDatabase, errors.UniqueViolation):
        pass
    finally:
        connection.close()
    return Lake(f"{server}/{name}", str(home / "warehouse" / "data"))


def _on_a_lake(self: Warehouse, home: Path, source_mode: str, lake: Lake | None = None) -> None:
    _BARE(self, home, source_mode, lake or lake_at(home))


Warehouse.__init__ = _on_a_lake  # type: ignore[method-assign]
