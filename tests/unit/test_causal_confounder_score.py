"""Confounder scoring on panels whose confounders are known: labels, rows, what cannot be told, and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from liftos_pipeline.benchmarks.score_worlds import ScoreWorld
from liftos_pipeline.causal import detect
from liftos_pipeline.causal.inference.multiplicity import adafilter, benjamini_hochberg
from liftos_pipeline.errors import LiftosError

ROLES = {"unit": "unit", "period": "day", "treatment": "treated", "outcome": "outcome"}
SMALL = ScoreWorld(
    n_units=700, n_days=60, counts=(2, 1, 1, 2, 1, 1), gamma=(0.5, 0.6), beta=(0.3, 0.4), adopting=0.6
)


@pytest.fixture(scope="module")
def panel():
    return SMALL.draw(np.random.default_rng(6_000))


def scored(frame: pd.DataFrame, candidates: object, **options: object):
    return detect("confounder_score", frame, candidates=candidates, **ROLES, **options)


def test_each_kind_has_its_role(panel):
    found = scored(panel.frame, panel.candidates)
    table = found.table.set_index("candidate")
    assert table["status"].to_dict() == {
        name: "detected" if name in panel.confounders else "not_detected" for name in panel.candidates
    }
    for name in ("confounder_0", "confounder_1", "instrument_2", "prognostic_3"):
        assert table.loc[name, "role"] == name.split("_")[0]
    assert (table.loc[["mediator_6", "collider_7"], "role"] == "none").all()
    adjusted = set(found.diagnostics["adjustment_set"])
    assert panel.confounders | {"prognostic_3"} <= adjusted
    assert not adjusted & {"instrument_2", "mediator_6", "collider_7"}
    assert (table["unit"] == table.index).all()
    np.testing.assert_array_equal(table["p_value"], table[["gamma_p", "beta_p"]].max(axis=1))
    np.testing.assert_allclose(table["estimate"], table["gamma"] * table["beta"])
    assert table["n_adopters"].iloc[0] == panel.n_adopters
    assert len(found.events) == 0


def test_only_rows_before_treatment_count(panel):
    frame = panel.frame.copy()
    treated = frame["treated"] == 1
    plain = scored(frame, panel.candidates).table
    frame.loc[treated, ["outcome", *panel.candidates]] = 1e6
    pd.testing.assert_frame_equal(scored(frame, panel.candidates).table, plain)


def test_a_mediator_is_found_by_a_comparison_of_all_rows_and_not_here(panel):
    frame = panel.frame
    mediator = next(name for name in panel.candidates if name.startswith("mediator"))
    naive = (
        np.corrcoef(frame[mediator], frame["treated"])[0, 1],
        np.corrcoef(frame[mediator], frame["outcome"])[0, 1],
    )
    assert min(np.abs(naive)) > 0.15
    assert scored(frame, panel.candidates).table.set_index("candidate").loc[mediator, "role"] == "none"


def test_row_order_tables_and_dates_do_not_matter(panel):
    plain = scored(panel.frame, panel.candidates).table
    mixed = panel.frame.sample(frac=1.0, random_state=3)
    dated = panel.frame.assign(
        day=pd.Timestamp("2025-02-01", tz="Europe/Berlin") + pd.to_timedelta(panel.frame["day"], "D")
    )
    dated["day"] = dated["day"].dt.tz_localize(None).dt.normalize()
    for other in (mixed, dated, pa.Table.from_pandas(panel.frame, preserve_index=False)):
        pd.testing.assert_frame_equal(scored(other, panel.candidates).table, plain)


def test_scale_does_not_matter_and_order_of_candidates_is_kept(panel):
    frame = panel.frame.copy()
    first = panel.candidates[0]
    frame[first] = 1e4 + 1e-3 * frame[first]
    frame["outcome"] = -250.0 * frame["outcome"] + 1e5
    plain = scored(panel.frame, panel.candidates).table
    other = scored(frame, list(panel.candidates)[::-1]).table
    assert other["candidate"].tolist() == list(panel.candidates)[::-1]
    other = other.set_index("candidate").loc[list(panel.candidates)]
    np.testing.assert_allclose(other["gamma"], plain["gamma"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(other["beta"], -plain["beta"], rtol=1e-5, atol=1e-7)


def test_what_cannot_be_identified_says_why_and_leaves_the_rest_alone(panel):
    frame = panel.frame.copy()
    first, second = panel.candidates[:2]
    frame["flat"] = 7.0
    frame["macro"] = np.sin(frame["day"])
    frame["cents"] = 100.0 * frame[first] + 5.0
    frame["sum"] = frame[first] - frame[second] + frame["macro"]
    frame["rare"] = np.where(frame["day"] < 20, 1.0 * frame["unit"], np.nan)
    extra = ["flat", "macro", "cents", "sum", "rare"]
    table = scored(frame, [*panel.candidates, *extra]).table.set_index("candidate")
    assert (table.loc[extra, "status"] == "not_identified").all()
    assert table.loc["macro", "role"] == "absorbed_by_calendar"
    assert table.loc["flat", "role"] == "none"
    assert table.loc["flat", "reason"] == "constant in the rows before treatment"
    assert table.loc["cents", "reason"] == f"a linear combination of {first}"
    assert table.loc["sum", "reason"] == f"a linear combination of {first}, {second}"
    assert table.loc["rare", "reason"].startswith("known in ")
    assert not table.loc[extra, "adjust"].any()
    plain = scored(panel.frame, panel.candidates).table
    pd.testing.assert_frame_equal(table.loc[list(panel.candidates)].reset_index()[plain.columns], plain)


def test_missing_and_infinite_rows_are_counted(panel):
    frame = panel.frame.copy()
    untreated = np.flatnonzero(frame["treated"] == 0)
    frame.loc[untreated[:7], panel.candidates[0]] = np.inf
    frame.loc[untreated[7:12], "outcome"] = np.nan
    facts = scored(frame, panel.candidates).diagnostics
    whole = scored(panel.frame, panel.candidates).diagnostics
    assert facts["n_infinite"] == 7
    assert facts["n_rows_incomplete"] == 12
    assert facts["n_rows_used"] == whole["n_rows_used"] - 12
    assert facts["n_rows_used"] + facts["n_rows_treated"] + 12 == len(frame)


def test_below_the_detection_limit_nothing_is_cleared():
    few = ScoreWorld(n_units=150, n_days=60, counts=(2, 1, 1, 2, 0, 0), adopting=0.5).draw(
        np.random.default_rng(6_100)
    )
    found = scored(few.frame, few.candidates)
    table = found.table.set_index("candidate")
    open_ones = table[table["status"] == "undetermined"]
    assert "prognostic_3" in open_ones.index
    assert (open_ones["n_needed"] > few.n_adopters).all()
    assert open_ones["reason"].str.contains("found with a chance of 80%").all()
    assert open_ones["role"].isna().all()
    assert "prognostic_3" in found.diagnostics["adjustment_set"]
    easier = scored(few.frame, few.candidates, min_gamma=2.0, min_beta=1.0).table
    assert (easier["status"] != "undetermined").all()
    harder = scored(few.frame, few.candidates, min_gamma=0.15).table.set_index("candidate")
    ratio = harder.loc[open_ones.index, "n_needed"] / open_ones["n_needed"]
    assert ratio["prognostic_3"] == pytest.approx(4.0, rel=0.1)
    fewest = scored(few.frame[few.frame["unit"] < 12], few.candidates).table
    assert (fewest["status"] == "undetermined").all()
    assert fewest["reason"].str.contains("at least 20 are needed").all()


def test_accounts_that_share_shocks_need_their_cluster():
    rng = np.random.default_rng(6_200)
    world = ScoreWorld(n_units=600, n_days=20, counts=(0, 0, 0, 2, 0, 0), rho=0.0)
    n_found = np.zeros(2)
    for _ in range(12):
        drawn = world.draw(rng).frame
        account = rng.standard_normal((2, 30))
        drawn["of_account"] = account[0, drawn["account"]]
        drawn["outcome"] += 2.0 * account[1, drawn["account"]]
        for place, cluster in enumerate((None, "account")):
            table = scored(drawn, ["of_account", "noise_0"], cluster=cluster).table
            n_found[place] += table.loc[0, "beta_p"] < 0.05
    assert n_found[0] >= 6
    assert n_found[1] <= 3


def test_adafilter_is_its_definition_and_finds_no_less():
    rng = np.random.default_rng(6_300)
    p = rng.uniform(size=(60, 2)) ** np.where(np.arange(60) < 15, 6.0, 1.0)[:, None]
    larger, smaller = p.max(axis=1), p.min(axis=1)
    adjusted = adafilter(p)
    for q in (0.02, 0.05, 0.1, 0.2):
        limits = [g for g in larger if g * np.sum(smaller <= g) / max(np.sum(larger <= g), 1) <= q]
        np.testing.assert_array_equal(adjusted <= q, larger <= max(limits, default=-1.0))
    assert ((benjamini_hochberg(larger) <= 0.1) <= (adjusted <= 0.1)).all()
    assert np.isnan(adafilter(np.array([[0.1, np.nan], [0.2, 0.01]])))[0]


def test_wrong_calls_are_refused(panel):
    frame, names = panel.frame, panel.candidates
    with pytest.raises(LiftosError, match="0 or 1 in treatment treated; found also 2"):
        scored(frame.assign(treated=2.0 * frame["treated"]), names)
    with pytest.raises(LiftosError, match="candidates named once"):
        scored(frame, [names[0], names[0]])
    with pytest.raises(LiftosError, match="candidates named once"):
        scored(frame, ["outcome"])
    with pytest.raises(LiftosError, match="at least one candidate"):
        scored(frame, [])
    with pytest.raises(LiftosError, match="repeated pairs"):
        scored(pd.concat([frame, frame.head(1)]), names)
    with pytest.raises(LiftosError, match="each unit in one account"):
        scored(frame.assign(account=frame["day"]), names, cluster="account")
    with pytest.raises(LiftosError, match="rule one of larger_p, adafilter"):
        scored(frame, names, rule="bonferroni")
    with pytest.raises(LiftosError, match="q in"):
        scored(frame, names, q=1.0)
    with pytest.raises(LiftosError, match="min_gamma above zero"):
        scored(frame, names, min_gamma=0.0)
    with pytest.raises(LiftosError, match="no candidates, outcome, treatment"):
        detect("confounder_score", frame, unit="unit", period="day")


def test_nobody_adopts_and_everybody_is_treated_from_the_start(panel):
    never = scored(panel.frame.assign(treated=0), panel.candidates)
    assert (never.table["status"] == "undetermined").all()
    always = scored(panel.frame.assign(treated=1), panel.candidates)
    assert (always.table["status"] == "not_identified").all()
    assert always.diagnostics["n_units_never_untreated"] == 700
