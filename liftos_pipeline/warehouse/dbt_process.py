"""Console script ``liftos-dbt``: dbt with the warehouse's exclusive lock held by dbt's own process.

A parent that is killed leaves this process to finish under its lock, or to die and free it. Everything slow that
needs no database (imports) happens before the lock.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

from liftos_pipeline.settings import load_settings
from liftos_pipeline.warehouse.disk import memory_limit
from liftos_pipeline.warehouse.lake import Lake, load_extensions
from liftos_pipeline.warehouse.store import warehouse_of

_NEEDS_NO_DATABASE = {"parse", "list", "ls", "deps", "clean", "init"}


def main() -> None:
    """Run dbt on the project in the current folder, in the home: paths of the profile are relative to it."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"dbt-core {version('dbt-core')}\n")
        return
    from dbt.cli.main import cli

    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    for name in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR"):
        os.environ.setdefault(name, os.fspath(Path.cwd()))
    if _NEEDS_NO_DATABASE & set(sys.argv[1:]):
        cli(prog_name="dbt")
    home = Path(os.environ.get("LIFTOS_HOME", ".liftos")).expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    warehouse = warehouse_of(load_settings())
    os.environ["LIFTOS_DBT_MEMORY"] = memory_limit()
    if warehouse.lake is not None:
        _name(warehouse.lake)
    with warehouse.lock():
        cli(prog_name="dbt")


def _name(lake: Lake) -> None:
    """Tell the profile ``lake`` where it is, and have the extensions where dbt finds them."""
    import duckdb

    with duckdb.connect() as connection:
        load_extensions(connection)
    os.environ["LIFTOS_DBT_TARGET"] = "lake"
    os.environ["LIFTOS_LAKE_CATALOG"] = lake.catalog
    os.environ["LIFTOS_LAKE_DATA"] = lake.data
