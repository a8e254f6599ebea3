"""From raw pages to effects: every table of the journey is there, and every treatment has its answer."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from liftos_pipeline.schema import RAW_TABLES, RESULT_TABLES
from tests.pipeline.conftest import FIRST, LAST

ABSENT = (
    *("raw.meta_ad_studies", "raw.google_ads_experiments", "raw.google_ads_experiment_arms"),
    "raw.meta_insights_geo_daily",
)
"""What a world without experiments and regions has no rows of."""
MARTS = ("mart.marketing_panel", "mart.ad_performance_daily", "mart.subscriber_survival")


@pytest.fixture(scope="module")
def public(quiet_home: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(quiet_home / "liftos.duckdb"), read_only=True)


@pytest.mark.parametrize("name", [*(t.full_name for t in (*RAW_TABLES, *RESULT_TABLES)), *MARTS, "raw.api_page"])
def test_every_table_of_the_journey_has_rows(public: duckdb.DuckDBPyConnection, name: str) -> None:
    assert public.execute(f"SELECT count(*) > 0 FROM {name}").fetchall() == [(name not in ABSENT,)]


def test_a_world_without_experiments_and_regions_was_asked_for_them(public: duckdb.DuckDBPyConnection) -> None:
    asked = public.execute(
        "SELECT stream, sum(rows_in) FROM ops.load_receipt WHERE stream IN "
        "('ad_studies', 'experiments', 'experiment_arms', 'insights_geo_daily') GROUP BY ALL ORDER BY 1"
    ).fetchall()
    assert asked == [("ad_studies", 0), ("experiment_arms", 0), ("experiments", 0), ("insights_geo_daily", 0)]
    assert public.execute("SELECT count(*) FROM mart.experiments").fetchall() == [(0,)]


def test_the_public_database_holds_no_page_bodies(public: duckdb.DuckDBPyConnection) -> None:
    blobs = public.execute("SELECT table_name FROM duckdb_columns() WHERE data_type = 'BLOB'").fetchall()
    assert blobs == []


def test_effects_cover_every_treatment_that_the_world_contains(public: duckdb.DuckDBPyConnection) -> None:
    missing = public.execute(
        "SELECT DISTINCT platform, treatment_type FROM truth.treatments "
        "EXCEPT SELECT platform, treatment_type FROM causal.effect_estimates WHERE as_of = ?",
        [LAST],
    ).fetchall()
    assert missing == []


def test_every_effect_has_an_interval_or_its_reason(public: duckdb.DuckDBPyConnection) -> None:
    silent = public.execute(
        "SELECT platform, treatment_type, method FROM causal.effect_estimates "
        "WHERE (ci_low IS NULL OR ci_high IS NULL) AND refused IS NULL AND undefined IS NULL"
    ).fetchall()
    assert silent == []


def test_every_logged_treatment_of_the_world_is_found_on_its_day(public: duckdb.DuckDBPyConnection) -> None:
    """Meta and Google log their changes; Klaviyo's last change of volume needs the send after it to show."""
    lost = public.execute(
        "SELECT t.unit_id, t.treatment_type, t.started_on FROM truth.treatments t "
        "ANTI JOIN (SELECT * FROM causal.treatments WHERE as_of = $day AND evidence <> 'detected') c "
        "USING (unit_id, treatment_type, started_on) "
        "WHERE t.started_on BETWEEN $day::DATE - 118 AND $day::DATE - CASE WHEN t.platform = 'klaviyo' THEN 7 ELSE 0 END",
        {"day": LAST},
    ).fetchall()
    assert lost == []


def test_the_panel_equals_the_simulated_world(public: duckdb.DuckDBPyConnection) -> None:
    """Spend is never restated: its total is the world's to the cent, whatever the platform's unit."""
    from liftos_pipeline.simulator import SCENARIOS, generate

    world = generate(SCENARIOS["small_rollout"], 0, 151)
    rows = public.execute(
        "SELECT platform, sum(spend) FROM mart.marketing_panel WHERE unit_type = 'campaign' GROUP BY ALL"
    ).fetchall()
    first = 151 - 120
    truth = {name: round(float(world.ads(name).spend[first:151].sum()), 2) for name in ("meta", "google_ads")}
    assert {name: round(float(total), 2) for name, total in rows} == truth


def test_results_say_where_they_come_from(public: duckdb.DuckDBPyConnection) -> None:
    for table in RESULT_TABLES:
        modes = public.execute(f"SELECT DISTINCT source_mode, seed FROM {table.full_name}").fetchall()
        assert modes == [("simulated", 0)], table.full_name


def test_certificates_of_every_platform_outcome_and_method_are_kept_per_as_of_day(
    public: duckdb.DuckDBPyConnection,
) -> None:
    from liftos_pipeline.stages.certificates import METHODS
    from liftos_pipeline.stages.roles import PRIMARY_OUTCOMES, ROLES

    counts = public.execute(
        "SELECT as_of::VARCHAR, count(*) FROM causal.certificates GROUP BY ALL ORDER BY 1"
    ).fetchall()
    assert counts == [(day, len(ROLES) * len(PRIMARY_OUTCOMES) * len(METHODS)) for day in (FIRST, LAST)]
    silent = public.execute(
        "SELECT * FROM causal.certificates WHERE (size IS NULL OR status <> 'cleared') AND reason IS NULL"
    ).fetchall()
    assert silent == []


def test_effects_carry_the_certificate_of_their_platform_outcome_and_method(
    public: duckdb.DuckDBPyConnection,
) -> None:
    lost = public.execute(
        "SELECT e.platform, e.outcome, e.method FROM causal.effect_estimates e "
        "JOIN causal.certificates c USING (as_of, platform, outcome, method) "
        "WHERE e.estimate IS NOT NULL AND (e.certificate IS DISTINCT FROM c.status "
        "OR e.certified_size IS DISTINCT FROM c.size "
        "OR json_extract_string(e.diagnostics, '$.certificate.status') IS DISTINCT FROM c.status)"
    ).fetchall()
    assert lost == []
    carried = public.execute(
        "SELECT count(certificate) FROM causal.effect_estimates WHERE estimate IS NOT NULL"
    ).fetchall()
    assert carried[0][0] > 0


def test_no_effect_of_a_blocked_method_is_released(public: duckdb.DuckDBPyConnection) -> None:
    released = public.execute(
        "SELECT count(*) FROM causal.effect_estimates WHERE certificate = 'blocked' AND refused IS NULL"
    ).fetchall()
    assert released == [(0,)]


def test_certificates_are_a_gate(public: duckdb.DuckDBPyConnection) -> None:
    wrong = public.execute(
        "SELECT subject FROM (SELECT as_of, platform || '.' || outcome AS subject, bool_or(status = 'blocked') AS is_bad "
        "FROM causal.certificates GROUP BY ALL) c "
        "LEFT JOIN (SELECT * FROM quality.gates WHERE gate = 'certificate') g USING (as_of, subject) "
        "WHERE g.passed IS DISTINCT FROM NOT c.is_bad"
    ).fetchall()
    assert wrong == []
