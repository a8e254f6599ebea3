"""From effects to verdicts, net returns and attribution: figures by hand, and a reason wherever there is none."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from liftos_pipeline.schema.results import ATTRIBUTION, PROVENANCE, VERDICTS
from liftos_pipeline.stages.attribution import attribute
from liftos_pipeline.stages.effects import COVARIANCES, name_of
from liftos_pipeline.stages.money import Joint, LiftStudy
from liftos_pipeline.stages.verdicts import verdict_rows

BUDGET, CREATIVE = "budget_change", "creative_change"
NOTHING = pd.DataFrame()
STUDY = {"meta": LiftStudy(0.5, 0.1)}
NORMAL = 1.959963984540054


def effect(kind: str, outcome: str, estimate: float, std_error: float, **more: object) -> dict[str, object]:
    """A published row of a primary method; ``covariances`` by name."""
    covariances = more.pop("covariances", {})
    widening = more.pop("widening", None)
    facts: dict[str, object] = {"degrees_of_freedom": None, "e_value_limit": 2.0, COVARIANCES: covariances}
    if widening is not None:
        facts["certificate"] = {"status": "widened", "widening": widening}
    label = "secondary" if outcome == "spend" else "effect_on_reported"
    half = NORMAL * std_error * (widening or 1.0)
    return {
        "platform": "meta",
        "treatment_type": kind,
        "design": "landmarked",
        "outcome": outcome,
        "label": label,
        "method": "doubly_robust",
        "role": "primary",
        "estimand": "att",
        "estimate": estimate,
        "std_error": std_error,
        "ci_low": estimate - half,
        "ci_high": estimate + half,
        "level": 0.95,
        "p_value": math.nan if widening else 0.01,
        "refused": None,
        "undefined": None,
        "diagnostics": json.dumps(facts),
        "certificate": "widened" if widening else "cleared",
        **more,
    }


def budget(**more: object) -> list[dict[str, object]]:
    """An effect of 2 sales and 60 of value a day for 40 of spend; value and spend have a covariance of 1."""
    value, spend = name_of(BUDGET, "landmarked", "value"), name_of(BUDGET, "landmarked", "volume")
    return [
        effect(BUDGET, "conversions_reported", 2.0, 0.5, **more),
        effect(BUDGET, "revenue_reported", 60.0, 5.0, covariances={value: 25.0, spend: 1.0}, **more),
        effect(BUDGET, "spend", 40.0, 2.0, covariances={spend: 4.0, value: 1.0}, **more),
    ]


def rows_of(kind: str, units: int, start: str = "2026-02-03", **more: float) -> pd.DataFrame:
    """Treated rows that change from 10 to 12 sales, 300 to 360 of value and 100 to 140 of spend a day, and a control."""
    levels = {"count": (10.0, 12.0), "value": (300.0, 360.0), "volume": (100.0, 140.0)}
    columns = {
        f"{o}_{when}": level
        for o, pair in levels.items()
        for when, level in zip(("before", "after"), pair, strict=True)
    }
    frame = pd.DataFrame({"unit_id": [f"meta:1:{n}" for n in range(units + 1)], "is_treated": [1] * units + [0]})
    return frame.assign(
        platform="meta",
        treatment_type=kind,
        design="landmarked",
        started_on=pd.Timestamp(start),
        **{**columns, **more},
    )


def verdicts_of(effects: list[dict[str, object]], gates: pd.DataFrame = NOTHING, **more: object) -> pd.DataFrame:
    given = {"break_even": 1.0, "studies": {}, **more}
    return verdict_rows(pd.DataFrame(effects), gates, NOTHING, **given)  # type: ignore[arg-type]


def attributed(effects: list[dict[str, object]], rows: pd.DataFrame, **more: object) -> pd.DataFrame:
    studies = more.get("studies", {})
    verdicts = verdicts_of(effects, studies=studies)
    return attribute(rows, pd.DataFrame(effects), verdicts, break_even=1.0, studies=studies)  # type: ignore[arg-type]


def one(table: pd.DataFrame, **wanted: object) -> dict[str, object]:
    chosen = table
    for name, value in wanted.items():
        chosen = chosen[chosen[name] == value]
    (row,) = chosen.to_dict("records")
    return row


def failed_gate(gate: str, subject: str, severity: str) -> pd.DataFrame:
    return pd.DataFrame(
        [{"gate": gate, "subject": subject, "severity": severity, "passed": False, "seen": "seen"}]
    )


def test_tables_have_the_columns_of_the_schema() -> None:
    rows = rows_of(BUDGET, 2)
    for table, found in ((VERDICTS, verdicts_of(budget())), (ATTRIBUTION, attributed(budget(), rows))):
        assert set(found.columns) == {c.name for c in table.columns} - {"as_of", *(c.name for c in PROVENANCE)}
    assert verdict_rows(NOTHING, NOTHING, NOTHING, break_even=1.0, studies={}).empty
    assert attribute(rows, NOTHING, NOTHING, break_even=1.0, studies={}).empty


def test_the_net_return_is_value_less_spend_at_break_even_with_their_covariance() -> None:
    found = one(verdicts_of(budget(), break_even=1.2), outcome="conversions_reported")
    assert (found["verdict"], found["decision"], found["direction"]) == ("report", "go", "up")
    assert found["net_return"] == pytest.approx(60 - 1.2 * 40)
    half = NORMAL * math.sqrt(25 + 1.44 * 4 - 2 * 1.2 * 1)
    assert found["net_high"] - found["net_return"] == pytest.approx(half)
    losing = one(verdicts_of(budget(), break_even=2.0), outcome="conversions_reported")
    assert (losing["decision"], losing["net_return"]) == ("no_go", pytest.approx(-20.0))


def test_a_lift_study_calibrates_sales_and_not_spend_and_its_error_counts() -> None:
    found = one(verdicts_of(budget(), studies=STUDY), outcome="revenue_reported")
    assert found["label"] == "calibrated_by_lift_study"
    assert found["net_return"] == pytest.approx(0.5 * 60 - 40)
    variance = 0.25 * 25 + 0.01 * 60**2 + 4 - 2 * 0.5 * 1
    assert found["net_high"] - found["net_return"] == pytest.approx(NORMAL * math.sqrt(variance))


def test_a_widened_effect_is_wider_in_every_sum() -> None:
    joint = Joint(pd.DataFrame(budget(widening=2.0)))
    total = joint.total({name_of(BUDGET, "landmarked", "value"): 3.0})
    assert total.high - total.value == pytest.approx(3 * 2 * NORMAL * 5)
    assert one(verdicts_of(budget(widening=2.0)), outcome="revenue_reported")["q_value"] > 0


def test_effects_without_a_known_covariance_count_as_fully_dependent() -> None:
    joint = Joint(pd.DataFrame([*budget(), effect(CREATIVE, "revenue_reported", 10.0, 3.0)]))
    names = [name_of(kind, "landmarked", "value") for kind in (BUDGET, CREATIVE)]
    total = joint.total(dict.fromkeys(names, 1.0))
    assert total.variance == pytest.approx((5.0 + 3.0) ** 2)


@pytest.mark.parametrize(
    ("subject", "severity", "verdict"),
    [
        ("meta", "error", "refuse"),
        ("meta.budget_change.landmarked", "warn", "direction_only"),
        ("meta.creative_change", "error", "report"),
        ("klaviyo", "error", "report"),
    ],
)
def test_failed_gates_bind_the_analyses_they_are_about(subject: str, severity: str, verdict: str) -> None:
    found = verdicts_of(budget(), failed_gate("density", subject, severity))
    assert set(found["verdict"]) == {verdict}
    row = found.iloc[0]
    assert (row["decision"] == "keep") == (verdict != "report")
    assert pd.isna(row["estimate"]) == (verdict != "report")
    assert row["direction"] == {"refuse": None, "direction_only": "up", "report": "up"}[verdict]
    assert json.loads(row["gates_failed"]) == ([] if verdict == "report" else ["density"])


def test_what_chance_brings_among_many_effects_has_no_direction() -> None:
    many = [
        effect(kind, "revenue_reported", 10.0, 5.0, p_value=p)
        for kind, p in ((BUDGET, 0.04), (CREATIVE, 0.8), ("targeting_change", 0.9))
    ]
    found = one(verdicts_of(many), treatment_type=BUDGET)
    assert found["q_value"] == pytest.approx(0.12)
    assert found["direction"] == "unclear" and "q = 0.12" in str(found["reasons"])


def test_a_treatments_total_is_its_effect_times_its_unit_days_beside_what_was_reported() -> None:
    found = one(attributed(budget(), rows_of(BUDGET, 3)), scope="treatment", outcome="conversions_reported")
    days = 3 * 28
    assert (found["treated_units"], found["treated_unit_days"]) == (3, days)
    assert (found["reported"], found["reported_change"]) == (12 * days, 2 * days)
    assert found["incremental"] == pytest.approx(2 * days)
    assert found["incremental_high"] == pytest.approx((2 + NORMAL * 0.5) * days)
    assert found["incremental_spend"] == pytest.approx(40 * days)
    assert pd.isna(found["marginal_iroas"]) and found["iroas_reason"]


def test_campaigns_add_up_to_their_analysis() -> None:
    table = attributed(budget(), rows_of(BUDGET, 3))
    for outcome in ("conversions_reported", "revenue_reported"):
        whole = one(table, scope="treatment", outcome=outcome)
        parts = table[(table["scope"] == "campaign") & (table["outcome"] == outcome)]
        assert len(parts) == 3
        for name in ("incremental", "reported", "reported_change", "treated_unit_days", "incremental_spend"):
            assert parts[name].sum() == pytest.approx(whole[name])


def test_the_marginal_return_is_fiellers_and_what_lies_below_break_even_is_wasted() -> None:
    rows = rows_of(BUDGET, 3)
    found = one(attributed(budget(), rows), scope="treatment", outcome="revenue_reported")
    assert found["marginal_iroas"] == pytest.approx(1.5)
    low, high = found["marginal_iroas_low"], found["marginal_iroas_high"]
    for limit in (low, high):  # each limit is rejected just so
        gap = 60 - limit * 40
        assert gap**2 == pytest.approx(NORMAL**2 * (25 - 2 * limit + limit**2 * 4), rel=1e-6)
    assert low < 1.5 < high and found["wasted_spend"] == 0
    calibrated = one(attributed(budget(), rows, studies=STUDY), scope="treatment", outcome="revenue_reported")
    assert calibrated["marginal_iroas"] == pytest.approx(0.75)
    assert calibrated["wasted_spend"] == pytest.approx(40 * 3 * 28)
    assert calibrated["incremental"] == pytest.approx(0.5 * 60 * 3 * 28)


def test_a_spend_that_did_not_move_has_no_marginal_return() -> None:
    effects = budget()
    effects[2] = effect(BUDGET, "spend", 1.0, 2.0)
    found = one(attributed(effects, rows_of(BUDGET, 3)), scope="treatment", outcome="revenue_reported")
    assert pd.isna(found["marginal_iroas"]) and "did not move for sure" in str(found["iroas_reason"])


def test_a_channel_is_the_sum_of_its_analyses_and_bundles_count_once() -> None:
    effects = [*budget(), effect(CREATIVE, "revenue_reported", 30.0, 3.0)]
    apart = pd.concat([rows_of(BUDGET, 2), rows_of(CREATIVE, 2, "2026-03-10")])
    bundled = pd.concat([rows_of(BUDGET, 2), rows_of(CREATIVE, 2)])
    found = one(attributed(effects, apart), scope="channel", outcome="revenue_reported")
    assert found["incremental"] == pytest.approx((60 + 30) * 2 * 28)
    assert found["marginal_iroas"] == pytest.approx(1.5)
    once = one(attributed(effects, bundled), scope="channel", outcome="revenue_reported")
    assert once["incremental"] == pytest.approx((60 + 30) * 28)
    assert "holdout" in str(found["iroas_reason"]) and pd.isna(found["average_iroas"])
    studied = one(attributed(effects, apart, studies=STUDY), scope="channel", outcome="revenue_reported")
    assert studied["average_iroas"] == pytest.approx(0.5 * 360 / 140)


def test_what_may_not_be_told_has_a_reason_and_no_number() -> None:
    effects = budget(refused="too little overlap")
    table = attributed(effects, rows_of(BUDGET, 2))
    assert table[["incremental", "incremental_low", "incremental_spend", "wasted_spend"]].isna().all(axis=None)
    assert set(table["scope"]) == {"treatment", "channel"}
    treatment = one(table, scope="treatment", outcome="revenue_reported")
    assert treatment["refused"] == "refuse: too little overlap" and treatment["reported"] == 360 * 2 * 28
    nobody = attributed(effects, rows_of(CREATIVE, 2).iloc[:0])
    assert set(nobody["treated_units"]) == {0} and nobody["reported"].isna().all()


def test_a_region_experiment_counts_its_own_days_and_stands_beside_the_channel() -> None:
    """No causal-ready rows: units and days are told by the effect itself."""
    facts = {"degrees_of_freedom": None, "treated_unit_days": 560, COVARIANCES: {}}
    more = {"design": "geo_experiment", "n_treated": 20, "diagnostics": json.dumps(facts), "certificate": None}
    effects = [
        effect(BUDGET, "orders", 2.0, 0.1, **{**more, "label": "effect_on_orders"}),
        effect(BUDGET, "order_revenue", 120.0, 4.0, **{**more, "label": "effect_on_orders"}),
        effect(BUDGET, "spend", 60.0, 1.0, **more),
    ]
    found = attributed([*budget(), *effects], rows_of(BUDGET, 3), studies=STUDY)
    region = one(found, scope="treatment", design="geo_experiment", outcome="order_revenue")
    assert (region["treated_units"], region["treated_unit_days"]) == (20, 560) and pd.isna(region["reported"])
    assert region["incremental"] == pytest.approx(560 * 120.0)
    assert region["incremental_spend"] == pytest.approx(560 * 60.0)
    assert region["marginal_iroas"] == pytest.approx(2.0)
    alone = attributed(budget(), rows_of(BUDGET, 3), studies=STUDY)
    channel = {"scope": "channel", "outcome": "revenue_reported"}
    assert one(found, **channel)["incremental"] == one(alone, **channel)["incremental"]
    judged = one(verdicts_of(effects), outcome="order_revenue")
    assert (judged["tier"], judged["verdict"], judged["net_return"]) == ("T1", "report", pytest.approx(60.0))
