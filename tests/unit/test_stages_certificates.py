"""Certificates of the pipeline: which rows are replayed, what the estimates carry of them, what is remembered."""

from __future__ import annotations

import json
import math
from datetime import date

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.checks.certificates import no_method_is_blocked
from liftos_pipeline.schema.results import CERTIFICATES
from liftos_pipeline.stages import certificates as stage
from liftos_pipeline.stages.certificates import METHODS, YEAR_DAYS, certificate_rows
from liftos_pipeline.stages.effects import estimate_effects
from liftos_pipeline.stages.memory import MOST_KEPT, remembered
from tests.unit.test_stages_effects import ANALYSIS, NO_PANEL, many, scored, treatments

AS_OF = date(2026, 6, 29)


def windows(n: int, first: str = "2026-02-02", seed: int = 0, n_units: int = 60) -> pd.DataFrame:
    """Landmarked rows of n weekly windows: in each, one unit in twelve starts and leaves."""
    rng = np.random.default_rng(seed)
    parts = []
    open_units = np.arange(n_units)
    for week in range(n):
        starts = open_units[week::12]
        part = many(0.0).head(1)
        part = pd.concat([part] * len(open_units), ignore_index=True)
        part["unit_id"] = [f"unit_{number:03d}" for number in open_units]
        part["window_start"] = pd.Timestamp(first) + pd.Timedelta(days=7 * week)
        part["is_treated"] = np.isin(open_units, starts).astype(int)
        part["count_after"] = part["count_before"] + rng.normal(0, 1, len(part))
        part["value_after"] = part["value_before"] + rng.normal(0, 5, len(part))
        part["log_spend_before"] = rng.normal(size=len(part))
        parts.append(part)
        open_units = np.setdiff1d(open_units, starts)
    return pd.concat(parts, ignore_index=True)


def certify_rows(rows: pd.DataFrame, as_of: date = AS_OF, n_replays: int = 20) -> pd.DataFrame:
    return certificate_rows(rows, as_of, 0.95, 1, 5.0, n_replays)


@pytest.fixture(scope="module")
def certified() -> pd.DataFrame:
    return certify_rows(windows(8))


def test_every_platform_outcome_and_method_has_a_row_of_the_tables_columns(certified) -> None:
    keys = certified[["platform", "outcome", "method"]]
    assert not keys.duplicated().any()
    assert set(certified["platform"]) == {"meta", "google_ads", "klaviyo"}
    assert len(certified) == 3 * 2 * len(METHODS)
    written = {column.name for column in CERTIFICATES.columns} - {
        "as_of",
        "run_id",
        "code_version",
        "seed",
        "source_mode",
    }
    assert set(certified.columns) == written


def test_replayed_platforms_have_figures_and_the_others_a_reason(certified) -> None:
    on = certified[certified["platform"] == "meta"].set_index(["outcome", "method"])
    naive = on.loc[("conversions_reported", "difference_in_means")]
    assert naive["answered"] == naive["n_replays"] == 20
    assert 0 <= naive["size_low"] <= naive["size"] <= naive["size_high"] <= 1
    assert naive["injected"] == pytest.approx(0.4)  # a tenth of 4 conversions a day
    off = certified[certified["platform"] != "meta"]
    assert set(off["status"]) == {"not_applicable"}
    assert off["reason"].str.contains("windows that had matured when the month began; found none").all()
    assert off["size"].isna().all()


def test_only_windows_that_had_matured_when_the_month_began_are_replayed(certified) -> None:
    until = certified.set_index("platform")["windows_until"]["meta"].iloc[0]
    assert until < date(2026, 6, 1)
    late = windows(1, first="2026-06-08", seed=9)
    again = certify_rows(pd.concat([windows(8), late], ignore_index=True), date(2026, 6, 2))
    pd.testing.assert_frame_equal(again, certified)
    moved = certify_rows(windows(8), date(2026, 3, 15))
    assert not moved.equals(certified)


def test_the_windows_of_a_year_are_replayed(certified) -> None:
    until = certified.set_index("platform")["windows_until"]["meta"].iloc[0]
    old = pd.Timestamp(until) - pd.Timedelta(days=YEAR_DAYS)
    before = windows(1, first=str(old.date()), seed=9)
    pd.testing.assert_frame_equal(certify_rows(pd.concat([before, windows(8)], ignore_index=True)), certified)
    within = windows(1, first=str((old + pd.Timedelta(days=1)).date()), seed=9)
    assert not certify_rows(pd.concat([within, windows(8)], ignore_index=True)).equals(certified)


def test_the_treatment_type_with_most_untreated_rows_is_replayed() -> None:
    fewer = windows(4).assign(treatment_type="creative_change")
    found = certify_rows(pd.concat([fewer, windows(8)], ignore_index=True))
    assert set(found.loc[found["platform"] == "meta", "treatment_type"]) == {ANALYSIS["treatment_type"]}


def test_without_rows_every_certificate_says_why() -> None:
    found = certify_rows(windows(8).head(0))
    assert set(found["status"]) == {"not_applicable"} and found["reason"].notna().all()


def certificate(status: str, method: str = "doubly_robust", **more: object) -> dict[str, object]:
    row = {"platform": ANALYSIS["platform"], "outcome": "conversions_reported", "method": method, "status": status}
    facts = {"reason": None, "size": 0.05, "size_low": 0.0, "size_high": 0.1, "coverage": 0.95, "widening": 1.0}
    return {**row, **facts, "n_replays": 100, "answered": 100, "level": 0.95, **more}


def effect_under(*rows: dict[str, object]) -> pd.DataFrame:
    data = many(0.5)
    given = (data, scored(data, 0.5), treatments(("meta", "creative_change")), pd.DataFrame(list(rows)), NO_PANEL)
    found = estimate_effects(*given, level=0.95, seed=1, min_effective_controls=20.0)
    return found[found["outcome"] == "conversions_reported"].set_index("method")


def test_effects_carry_their_certificate() -> None:
    bare, found = effect_under(), effect_under(certificate("cleared"))
    row = found.loc["doubly_robust"]
    assert (row["certificate"], row["certified_size"]) == ("cleared", 0.05)
    assert json.loads(row["diagnostics"])["certificate"]["n_replays"] == 100
    assert row["ci_low"] == bare.loc["doubly_robust", "ci_low"]
    assert found.loc["ipw", "certificate"] is None and bare.loc["doubly_robust", "certificate"] is None


def test_a_widened_methods_effect_is_published_wider_and_without_a_p_value() -> None:
    bare, found = (
        effect_under(*rows).loc["doubly_robust"]
        for rows in ([], [certificate("widened", widening=2.0, reason="too often")])
    )
    assert found["ci_high"] - found["estimate"] == pytest.approx(2 * (bare["ci_high"] - bare["estimate"]))
    assert found["p_value"] is None or math.isnan(found["p_value"])
    assert "widened: too often" in found["warnings"]


def test_a_blocked_methods_effect_is_refused() -> None:
    found = effect_under(certificate("blocked", reason="leaves out zero", size=0.4))
    assert found.loc["doubly_robust", "refused"] == "leaves out zero"
    assert found.loc["doubly_robust", "certified_size"] == 0.4
    assert found.loc["ipw", "refused"] is None


def test_another_outcomes_or_platforms_certificate_licenses_nothing() -> None:
    other = [certificate("blocked", outcome="revenue_reported"), certificate("blocked", platform="klaviyo")]
    found = effect_under(*other)
    assert found.loc["doubly_robust", "certificate"] is None and found.loc["doubly_robust", "refused"] is None


def test_the_gate_names_blocked_methods_worst_first() -> None:
    rows = pd.DataFrame(
        [
            certificate("blocked", "ipw", size=0.2, size_low=0.1),
            certificate("blocked", "did", size=0.3, size_low=0.2),
            certificate("cleared", "doubly_robust"),
            certificate("cleared", outcome="revenue_reported"),
        ]
    )
    bad, good = sorted(no_method_is_blocked(rows), key=lambda outcome: outcome.passed)
    assert (bad.passed, bad.severity, bad.gate) == (False, "warn", "certificate")
    assert bad.subject == f"{ANALYSIS['platform']}.conversions_reported"
    assert [offender["method"] for offender in bad.offenders] == ["did", "ipw"]
    assert bad.expected == "a lower limit of the size of at most 7.5% for every method"
    assert "ipw blocked, size 20.0%" in bad.seen
    assert good.passed and good.offenders == ()


def test_the_gate_passes_with_the_reason_where_nothing_was_replayed() -> None:
    none = certificate("not_applicable", size=None, reason="no full month")
    [outcome] = no_method_is_blocked(pd.DataFrame([none]))
    assert outcome.passed and outcome.seen == "no full month"


def counted():
    calls = []

    @remembered
    def double(frame: pd.DataFrame, factor: float = 2.0) -> pd.DataFrame:
        calls.append(factor)
        return frame * factor

    return double, calls


def test_equal_inputs_are_answered_once_with_a_copy() -> None:
    double, calls = counted()
    first = double(pd.DataFrame({"a": [1.0, np.nan]}), factor=3.0)
    first.iloc[0, 0] = 99.0
    again = double(pd.DataFrame({"a": [1.0, np.nan]}), factor=3.0)
    assert again.iloc[0, 0] == 3.0 and calls == [3.0]


@pytest.mark.parametrize(
    "other",
    [
        pd.DataFrame({"a": [1.0, 3.0]}),
        pd.DataFrame({"b": [1.0, 2.0]}),
        pd.DataFrame({"a": [1, 2]}),
        pd.DataFrame({"a": [1.0, 2.0]}, index=[1, 2]),
        pd.DataFrame({"a": [2.0, 1.0]}),
        pd.DataFrame({"a": [1.0, np.nan]}),
    ],
)
def test_any_difference_is_another_question(other: pd.DataFrame) -> None:
    double, calls = counted()
    double(pd.DataFrame({"a": [1.0, 2.0]}))
    double(other)
    double(pd.DataFrame({"a": [1.0, 2.0]}), 4.0)
    assert calls == [2.0, 2.0, 4.0]


def test_text_is_compared_by_value_and_the_oldest_answers_go() -> None:
    double, calls = counted()
    double(pd.DataFrame({"a": ["x", "y"]}), 1)
    double(pd.DataFrame({"a": ["x", "yy"[:1]]}), 1)
    assert len(calls) == 1
    for number in range(MOST_KEPT):
        double(pd.DataFrame({"a": [number]}))
    double(pd.DataFrame({"a": ["x", "y"]}), 1)
    assert len(calls) == MOST_KEPT + 2


def test_a_months_certificates_are_computed_once(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(stage, "certify", lambda *a, **_: asked.append(a) or _original(*a, **_))
    rows = windows(8, seed=77)
    first, second = certify_rows(rows, date(2026, 6, 10)), certify_rows(rows, date(2026, 6, 11))
    assert len(asked) == 2  # one per outcome of the one platform that has rows
    pd.testing.assert_frame_equal(first, second)


_original = stage.certify
