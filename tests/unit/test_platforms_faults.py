"""The fault plan: every fault is in the register, comes as the seed says, heals, and is handled as its row says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from liftos_pipeline.errors import LiftosError, PlatformError
from liftos_pipeline.ingest import FAULTS_FILE, open_home
from liftos_pipeline.platforms import (
    FAULTS,
    INJECTIONS,
    SIMULATED_ORIGIN,
    FaultPlan,
    serve,
    simulated_app,
    world_at,
)
from liftos_pipeline.platforms.fault_wire import Injection
from liftos_pipeline.schema import Window
from liftos_pipeline.settings import Settings
from liftos_pipeline.simulator.scenario import scenario_named
from liftos_pipeline.sources import SOURCES
from tests.replies import HASH_KEY, utc

SEED = 3
SCENARIO = replace(
    scenario_named("small_rollout"),
    campaigns_per_platform=3,
    accounts_per_platform=1,
    lists=2,
    subscribers_per_list=6,
    base_hazard=0.3,
)
CLOCK = utc(2026, 2, 11)
LAST = date(2026, 2, 10)
APP = simulated_app(SCENARIO, SEED)
WORLD = world_at(SCENARIO, SEED, CLOCK)
STREAMS = [
    *(("meta", name) for name in ("insights_daily", "campaigns", "account")),
    *(("google_ads", name) for name in ("daily", "campaign_budgets", "customer")),
    *(("klaviyo", name) for name in ("events", "lists", "account")),
    ("fred", "observations"),
]
MOST_RUNS = 30


def fetch(source: str, stream: str, app: object, origin: str = SIMULATED_ORIGIN) -> Window:
    settings = Settings().as_simulated(WORLD.accounts(), origin)
    transport = None if app is None else httpx.WSGITransport(app)
    connection = SOURCES[source].connect(
        settings, clock=CLOCK, transport=transport, hash_key=HASH_KEY, sleep=lambda _: None
    )
    try:
        account = WORLD.accounts()[source][0]
        found = SOURCES[source].stream(stream)
        return found.fetch(connection, account, LAST - timedelta(days=1), LAST, CLOCK)
    finally:
        connection.close()


def content(window: Window) -> list[str]:
    """Rows as the warehouse takes them: equal ones are one."""
    return sorted({str(row) for row in window.rows.to_pylist()})


@pytest.fixture(scope="module")
def undisturbed() -> dict[tuple[str, str], list[str]]:
    return {(source, stream): content(fetch(source, stream, APP)) for source, stream in STREAMS}


def plan_of(*names: str) -> FaultPlan:
    """A plan that gives these faults wherever it can."""
    return FaultPlan(SEED, 1.0, injections=[INJECTIONS[name] for name in names])


def runs_until_well(plan: FaultPlan, source: str, stream: str) -> tuple[Window, list[PlatformError]]:
    """Pull until a run ends; its window and the errors before it."""
    errors: list[PlatformError] = []
    for _ in range(MOST_RUNS):
        try:
            return fetch(source, stream, plan.around(APP)), errors
        except PlatformError as error:
            errors.append(error)
    raise AssertionError(f"{source}.{stream} does not heal: {errors[-1]}")


def of_kind(kind: str) -> list[str]:
    return [name for name, injection in INJECTIONS.items() if injection.kind == kind]


def test_the_register_has_the_28_faults() -> None:
    assert [fault.number for fault in FAULTS] == list(range(1, 29))
    assert all(bool(fault.injections) != bool(fault.otherwise) for fault in FAULTS)
    assert {fault.number for fault in FAULTS if not fault.injections} == {13, 17, 18, 22, 27}
    assert all(name == injection.name for name, injection in INJECTIONS.items())


@pytest.mark.parametrize("name", sorted(set(of_kind("passing")) - {"reset", "silence", "job_failed", "job_stuck"}))
def test_a_passing_fault_heals_within_the_run(name: str, undisturbed: dict) -> None:
    plan = plan_of(name)
    for source, stream in STREAMS:
        assert content(fetch(source, stream, plan.around(APP))) == undisturbed[source, stream]
    assert plan.injected[name] >= 1


@pytest.mark.parametrize("name", ["job_failed", "job_stuck"])
def test_a_job_that_does_not_end_is_started_again(name: str, undisturbed: dict) -> None:
    plan = plan_of("too_much_data", name)
    assert content(fetch("meta", "insights_daily", plan.around(APP))) == undisturbed["meta", "insights_daily"]
    assert plan.injected["too_much_data"] == 2
    assert plan.injected[name] >= 1


@pytest.mark.parametrize("name", sorted(set(of_kind("standing")) - {"two_contents"}))
def test_a_standing_fault_ends_runs_and_then_heals(name: str, undisturbed: dict) -> None:
    plan = plan_of(name)
    for source, stream in STREAMS:
        before = plan.injected[name]
        window, errors = runs_until_well(plan, source, stream)
        assert content(window) == undisturbed[source, stream]
        assert bool(errors) == (plan.injected[name] > before)
    assert plan.injected[name] >= 1


@pytest.mark.parametrize("name", of_kind("harmless"))
def test_a_harmless_fault_changes_no_row(name: str, undisturbed: dict) -> None:
    plan = plan_of(name)
    for source, stream in STREAMS:
        assert content(fetch(source, stream, plan.around(APP))) == undisturbed[source, stream]
    assert plan.injected[name] >= 1


@pytest.mark.parametrize("name", of_kind("content"))
def test_a_wrong_content_is_taken_or_refused_and_gone_when_asked_again(name: str, undisturbed: dict) -> None:
    plan = plan_of(name)
    changed = 0
    for source, stream in STREAMS:
        window, errors = runs_until_well(plan, source, stream)
        changed += bool(errors) or content(window) != undisturbed[source, stream]
        assert content(runs_until_well(plan, source, stream)[0]) == undisturbed[source, stream]
    assert plan.injected[name] >= 1
    assert changed >= 1


def test_two_contents_both_reach_the_warehouse() -> None:
    for source, stream in (("meta", "insights_daily"), ("google_ads", "daily"), ("meta", "campaigns")):
        rows = fetch(source, stream, plan_of("two_contents").around(APP)).rows
        keys = [tuple(row.values()) for row in rows.select(SOURCES[source].stream(stream).table.key).to_pylist()]
        assert len(set(keys)) < len(keys)


@pytest.mark.parametrize("name", ["cut_short", "reset", "silence", "server_error"])
def test_faults_of_a_real_connection_heal_too(name: str, undisturbed: dict) -> None:
    plan = FaultPlan(SEED, 1.0, injections=[INJECTIONS[name]], hold_s=0.01)
    with serve(plan.around(APP)) as url:
        assert content(fetch("meta", "campaigns", None, url)) == undisturbed["meta", "campaigns"]
    assert plan.injected[name] >= 1


def test_the_seed_decides() -> None:
    def given(seed: int) -> dict[str, int]:
        plan = FaultPlan(seed, 0.5)
        for source, stream in STREAMS:
            runs_until_well(plan, source, stream)
        return dict(plan.injected)

    assert given(1) == given(1) != given(2)


def test_a_rate_of_zero_is_no_plan(undisturbed: dict) -> None:
    plan = FaultPlan(SEED, 0.0)
    assert content(fetch("meta", "campaigns", plan.around(APP))) == undisturbed["meta", "campaigns"]
    assert not plan.injected


def test_the_rate_is_the_share_of_requests() -> None:
    plan = FaultPlan(SEED, 0.25, injections=[Injection("none", "passing", "", lambda exchange, rng: None)])
    fates = [plan._fate(environ(number))[1] for number in range(4000)]
    assert sum(fate is not None for fate in fates) / 4000 == pytest.approx(0.25, abs=0.03)


def environ(number: int) -> dict:
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/v26.0/act_1/ads", "QUERY_STRING": f"n={number}"}


def test_what_healed_stays_healed_in_another_process(tmp_path: Path) -> None:
    record = tmp_path / "home" / FAULTS_FILE
    injections = [INJECTIONS["expired"]]
    with pytest.raises(PlatformError, match="META_ACCESS_TOKEN"):
        fetch("meta", "account", FaultPlan(SEED, 1.0, record, injections).around(APP))
    left = FaultPlan(SEED, 1.0, record, injections)
    window, errors = runs_until_well(left, "meta", "account")
    assert len(errors) + 1 == len(record.read_text().splitlines())
    record.write_text(record.read_text() + '{"fault": "cut by a ki')
    again = FaultPlan(SEED, 1.0, record, injections)
    assert content(fetch("meta", "account", again.around(APP))) == content(window)
    assert not again.injected


def test_a_home_with_a_fault_seed_shows_its_faults(tmp_path: Path) -> None:
    settings = Settings(
        liftos_home=tmp_path, liftos_scenario="small_rollout", liftos_fault_seed=1, liftos_fault_rate=1
    )
    home = open_home(settings)
    with httpx.Client(transport=home.transport, base_url=SIMULATED_ORIGIN) as client:
        answers = [client.get("/v26.0/act_1/campaigns", params={"n": n}).content for n in range(5)]
    assert len(set(answers)) > 1
    assert len((tmp_path / FAULTS_FILE).read_text().splitlines()) == 5


def test_no_fault_is_put_before_a_real_platform(tmp_path: Path) -> None:
    settings = Settings(liftos_home=tmp_path, liftos_fault_seed=1, klaviyo_private_api_key="pk_1")
    with pytest.raises(LiftosError, match="LIFTOS_FAULT_SEED in a live home"):
        open_home(settings)


def test_days_of_a_changed_zone_are_that_zone_s() -> None:
    plan = plan_of("other_time_zone")
    rows = fetch("klaviyo", "events", plan.around(APP)).rows.to_pylist()
    shifted = {row["event_id"]: (row["occurred_at"], row["date_day"]) for row in rows}
    assert any(day != at.date() for at, day in shifted.values())
    assert all(isinstance(at, datetime) for at, _ in shifted.values())


def test_another_server_is_never_asked() -> None:
    hosts = set()

    def watched(environ: dict, start_response: Callable) -> object:
        hosts.add(environ["HTTP_HOST"])
        return plan.around(APP)(environ, start_response)

    plan = plan_of("foreign_link")
    with pytest.raises(PlatformError, match=r"page 0 of meta\.campaigns"):
        fetch("meta", "campaigns", watched)
    assert plan.injected["foreign_link"] == 1
    assert hosts == {"platforms.local"}
