"""When the results of a day may start, with pulls that several workers took."""

from __future__ import annotations

import dagster as dg
import pytest

from liftos_pipeline.defs.workers import pull_jobs, ready_days
from liftos_pipeline.run import dagster_home
from liftos_pipeline.settings import Settings

ONE, TWO = ("2026-05-30", "2026-05-30"), ("2026-05-31", "2026-05-31")
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


def pulled(*days, **ended) -> dict:
    """Newest runs of all platforms for some days; ``ended`` names the status of the first day's where it is another."""
    runs = {}
    for number, (job, day) in enumerate((job, day) for day in days for job in pull_jobs):
        status = ended.get(job.name, SUCCESS) if day == days[0] else SUCCESS
        runs[job.name, day] = dg.DagsterRun(job.name, run_id=f"{number:08d}-rest", status=status)
    return runs


def test_days_are_ready_in_order_once_every_platform_was_pulled():
    assert [days for days, _ in ready_days(pulled(TWO, ONE))] == [ONE, TWO]
    assert ready_days({}) == []


@pytest.mark.parametrize("job", [job.name for job in pull_jobs])
def test_later_days_wait_for_a_pull_that_is_missing_or_failed(job):
    assert ready_days(pulled(ONE, TWO, **{job: FAILURE})) == []
    assert [days for days, _ in ready_days(pulled(TWO, ONE, **{job: FAILURE}))] == [ONE]
    runs = pulled(ONE, TWO)
    del runs[job, ONE]
    assert ready_days(runs) == []


def test_a_new_pull_of_the_same_days_names_new_results():
    first, again = pulled(ONE), pulled(ONE)
    again["pull_meta", ONE] = dg.DagsterRun("pull_meta", run_id="99999999-rest", status=SUCCESS)
    assert ready_days(first)[0][1] != ready_days(again)[0][1]


def test_a_home_of_its_own_keeps_its_runs_in_files(tmp_path):
    assert "storage" not in (dagster_home(Settings(liftos_home=tmp_path)) / "dagster.yaml").read_text()
