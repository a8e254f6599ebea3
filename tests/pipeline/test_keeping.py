"""A filled home is backed up by the command and restored elsewhere; what is old is deleted from it, and results stay."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from liftos_pipeline.cli import app
from liftos_pipeline.settings import Settings
from liftos_pipeline.tidy import tidy_home
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.publish import publish
from tests.pipeline.conftest import FIRST, LAST
from tests.pipeline.homes import differences


@dg.op
def breaks() -> None:
    raise RuntimeError("the disk is full")


@dg.job
def broken() -> None:
    breaks()


def call(home: Path, *arguments: str) -> dict:
    done = CliRunner().invoke(app, [*arguments, "--json"], env={"LIFTOS_HOME": str(home)})
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def restored(quiet_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    copied = call(quiet_home, "backup", str(folder / "copy"))
    put_back = call(folder / "new", "restore", str(folder / "copy"))
    assert (copied["files"], copied["bytes"]) == (put_back["files"], put_back["bytes"])
    publish(
        Warehouse(folder / "new", "simulated")
    )  # so that what is compared comes out of the restored working file
    return folder / "new"


def test_every_table_is_the_same(quiet_home: Path, restored: Path) -> None:
    assert differences(quiet_home, restored) == {}


def test_the_user_interface_knows_what_was_run(restored: Path) -> None:
    with dg.DagsterInstance.from_config(str(restored / "dagster")) as instance:
        assert instance.get_materialized_partitions(dg.AssetKey(["causal", "verdicts"])) == {FIRST, LAST}


def test_what_is_old_goes_and_results_stay(quiet_home: Path, restored: Path) -> None:
    settings = Settings(liftos_home=restored)
    with dg.DagsterInstance.from_config(str(restored / "dagster")) as instance:
        failed = broken.execute_in_process(instance=instance, raise_on_error=False)
        succeeded = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    (restored / "logs").mkdir()
    (restored / "logs" / "old.log").write_text("long ago")
    assert tidy_home(settings, days=1) == {"logs": 0, "failed runs": 0, "raw pages": 0}
    n_pages = (
        sqlite3.connect(restored / "archive" / "pages.sqlite")
        .execute("SELECT count(*) FROM page_body")
        .fetchone()[0]
    )
    found = tidy_home(settings, days=0, pages_days=0)
    assert (found["failed runs"], found["raw pages"]) == (1, n_pages) and found["logs"] >= 1 and n_pages > 100
    with dg.DagsterInstance.from_config(str(restored / "dagster")) as instance:
        assert not instance.has_run(failed.run_id)
        assert [run.run_id for run in instance.get_runs()] == [run.run_id for run in succeeded]
        assert instance.get_materialized_partitions(dg.AssetKey(["causal", "verdicts"])) == {FIRST, LAST}
    assert differences(quiet_home, restored) == {}
