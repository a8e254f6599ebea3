"""External systems handed to assets. Connection settings go here; queries do not."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtCliResource

from liftos_pipeline.defs.dbt_project import DBT_PROJECT
from liftos_pipeline.ingest import Home, open_home
from liftos_pipeline.settings import load_settings


class HomeResource(dg.ConfigurableResource):
    """The home that the settings of this process name."""

    def open(self) -> Home:
        return open_home(load_settings())


def as_of_days(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """As-of days of this run, oldest first, each checked to have ended."""
    days = sorted(date.fromisoformat(key) for key in context.partition_keys)
    settings = load_settings()
    for day in days:
        settings.check_as_of(day, datetime.now(UTC))
    return days


class LockedDbt(DbtCliResource):
    """dbt through ``liftos-dbt``, without the second connection that dagster-dbt would open beside it to look up
    relations: nothing here asks for that, and the file is locked while dbt works."""

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        return None


def dbt_resource() -> DbtCliResource:
    """dbt under its own lock: ``liftos-dbt`` takes it, this process holds neither lock nor connection."""
    settings = load_settings()
    os.environ["LIFTOS_HOME"] = str(settings.home)
    os.environ["LIFTOS_LOOK_BACK_DAYS"] = str(settings.liftos_look_back_days)
    return LockedDbt(
        project_dir=os.fspath(DBT_PROJECT.project_dir),
        profiles_dir=os.fspath(DBT_PROJECT.project_dir),
        dbt_executable=str(Path(sys.executable).parent / "liftos-dbt"),
    )
