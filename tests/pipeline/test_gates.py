"""A day that is corrupted in the warehouse turns its check red and stops what depends on it; repaired, it is green."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from liftos_pipeline.run import RunOutcome, outcome_of
from tests.pipeline.conftest import FIRST, LAST
from tests.pipeline.homes import SCENARIO

PANEL, ROWS = dg.AssetKey(["quality", "panel"]), dg.AssetKey(["causal", "causal_marketing_data"])
DAMAGED = "damaged"
EARLIER = "2026-05-12"


@pytest.fixture
def home(quiet_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(quiet_home / "warehouse", tmp_path / "warehouse")
    for name, value in {**SCENARIO, "LIFTOS_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def execute(statement: str, home: Path) -> list[tuple]:
    with duckdb.connect(str(home / "warehouse" / "liftos.duckdb")) as connection:
        return connection.execute(statement).fetchall()


@cache
def judged() -> dg.JobDefinition:
    """The panel's checks and the rows behind them; which home they look into is settled when they run."""
    from liftos_pipeline.definitions import defs

    whole = defs()
    selection = dg.AssetSelection.assets(PANEL, ROWS)
    job = dg.define_asset_job("judged", selection=selection, executor_def=dg.in_process_executor)
    return dg.Definitions.merge(whole, dg.Definitions(jobs=[job])).resolve_job_def("judged")


def run(day: str) -> tuple[RunOutcome, dict[str, dg.AssetCheckEvaluation], bool]:
    """How the run ended, the panel's checks, and whether the rows behind them were made anew."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = judged().execute_in_process(instance=instance, partition_key=day, raise_on_error=False)
    checks = {
        check.check_name: check for check in result.get_asset_check_evaluations() if check.asset_key == PANEL
    }
    made = any(event.asset_key == ROWS for event in result.get_asset_materialization_events())
    return outcome_of(result.run_id, result), checks, made


def emptied(day: str) -> str:
    """A day of one Meta account that was pulled and holds nothing."""
    account = "(SELECT min(account_id) FROM raw.meta_insights_daily)"
    return f"raw.meta_insights_daily WHERE date_day = DATE '{day}' AND account_id = {account}"


def test_a_corrupted_newest_day_stops_the_run_until_it_is_repaired(home: Path) -> None:
    execute(f"CREATE TABLE {DAMAGED} AS SELECT * FROM {emptied(LAST)}", home)
    execute(f"DELETE FROM {emptied(LAST)}", home)
    (account,) = execute(f"SELECT DISTINCT account_id FROM {DAMAGED}", home)[0]
    ended, checks, made = run(LAST)
    assert (ended.exit_code, made) == (1, False)
    red = {name for name, check in checks.items() if not check.passed and check.severity.value == "ERROR"}
    assert red == {"density", "newest_day"}
    (offenders,) = json.loads(json.dumps(checks["newest_day"].metadata["offenders"].value))
    assert offenders == [{"platform": "meta", "account_id": account, "date_day": LAST, "why": "empty"}]
    (message,) = ended.messages
    assert message.startswith("check newest_day of quality/panel stopped the run: expected every account's")
    assert f"found panel: 1 faults of accounts on {LAST}. Run `liftos run --date {LAST}`" in message
    execute(f"INSERT INTO raw.meta_insights_daily SELECT * FROM {DAMAGED}", home)
    ended, checks, made = run(LAST)
    assert (ended.exit_code, ended.messages, made) == (0, (), True)
    assert {name for name, check in checks.items() if not check.passed} == set()


def test_older_days_refuse_their_platform_and_let_the_others_through(home: Path) -> None:
    execute(f"DELETE FROM {emptied(FIRST)}", home)
    earlier = emptied(EARLIER).replace(" WHERE", " SET spend = spend * 0.5 WHERE")
    execute(f"UPDATE {earlier} AND level = 'ad'", home)
    ended, checks, made = run(LAST)
    assert (ended.exit_code, ended.messages, made) == (0, (), True)
    red = {name for name, check in checks.items() if not check.passed and check.severity.value == "ERROR"}
    assert red == {"density", "reconciliation"}
    assert f"meta: 1 of 240 account-days empty, the newest {FIRST}" in str(
        checks["density"].metadata["seen"].value
    )
    assert f"'date_day': '{EARLIER}'" in str(checks["reconciliation"].metadata["offenders"].value)
