"""POST /api/v1/causal/counterfactual: from data, from an effect, from what is published."""

from __future__ import annotations

import pytest

from liftos_pipeline.api.counterfactuals import _reason
from liftos_pipeline.api.models import CounterfactualOut
from liftos_pipeline.causal import Panel, estimate
from tests import service
from tests.panels import NEVER, adoption_panel

FRAME = adoption_panel(3, n_units=30, n_periods=10, starts=(5, NEVER))
ROLES = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t"}
EFFECT = {"original_outcome": 100.0, "unit_days": 10, "effect": {"estimate": 2.0, "ci_low": 1.0, "ci_high": 3.0}}
PUBLISHED = {"platform": "meta", "treatment_type": "budget_change"}


def test_from_data_the_effect_is_taken_off_the_treated_rows() -> None:
    found = service.post("counterfactual", {"rows": FRAME.to_dict("records"), **ROLES}).json()
    effect = estimate("did", Panel.from_frame(FRAME, **ROLES))
    treated = FRAME[FRAME["d"] == 1]
    assert found["status"] == "success"
    assert found["method"] == "did"
    assert found["unit_days"] == len(treated) == 75
    assert found["original_outcome"] == pytest.approx(treated["y"].sum())
    assert found["treatment_effect"] == pytest.approx(75 * effect.estimate)
    assert found["treatment_effect_low"] == pytest.approx(75 * effect.ci_low)
    assert found["counterfactual_outcome"] == pytest.approx(treated["y"].sum() - 75 * effect.estimate)
    assert found["counterfactual_high"] == pytest.approx(treated["y"].sum() - 75 * effect.ci_low)
    CounterfactualOut.model_validate(found)


def test_without_periods_it_is_the_effect_on_the_treated() -> None:
    last = FRAME[FRAME["t"] == 9]
    body = {"rows": last.to_dict("records"), "outcome": "y", "treatment": "d", "covariates": ["x0"]}
    found = service.post("counterfactual", body).json()
    panel = Panel.from_frame(last, outcome="y", treatment="d", unit="unit", covariates=["x0"])
    effect = estimate("doubly_robust", panel, estimand="att")
    assert found["method"] == "doubly_robust"
    refused = effect.refused is not None
    assert (found["status"] == "refused") == refused
    assert refused or found["treatment_effect"] == pytest.approx(15 * effect.estimate)


def test_from_an_effect() -> None:
    found = service.post("counterfactual", EFFECT).json()
    names = (
        "original_outcome",
        "counterfactual_outcome",
        "treatment_effect",
        "counterfactual_low",
        "counterfactual_high",
    )
    assert [found[name] for name in names] == [100.0, 80.0, 20.0, 70.0, 90.0]
    assert found["confidence_level"] == 0.95


def test_another_dose_keeps_its_share_and_warns() -> None:
    found = service.post("counterfactual", {**EFFECT, "dose": 1.0, "doses": [1.0, 3.0]}).json()
    assert found["share_kept"] == 0.5
    assert found["treatment_effect"] == 10.0
    assert found["warnings"] == ["the effect is taken as proportional to the dose"]


def test_an_effect_without_limits_has_none() -> None:
    found = service.post("counterfactual", {**EFFECT, "effect": {"estimate": 20.0}}).json()
    assert found["counterfactual_outcome"] == -100.0
    assert found["counterfactual_low"] is None
    assert any("below zero" in text for text in found["warnings"])
    assert any("limits are null" in text for text in found["warnings"])


def test_published_effect_over_its_own_unit_days() -> None:
    """Two outcomes are published; the number of sales is meant where none is named."""
    found = service.post("counterfactual", PUBLISHED).json()
    assert found["original_outcome"] == 1000.0
    assert found["treatment_effect"] == 2.0 * 280
    assert found["warnings"] == ["one", "two"]
    half = service.post("counterfactual", {**PUBLISHED, "dose": 0.15}).json()
    assert half["share_kept"] == pytest.approx(0.15 / 0.3)


def test_a_published_effect_that_is_refused_is_not_told() -> None:
    found = service.post("counterfactual", {**PUBLISHED, "outcome": "revenue_reported"}).json()
    assert found["status"] == "refused"
    assert found["reason"] == "overlap is poor"
    assert found["counterfactual_outcome"] is found["treatment_effect"] is None
    CounterfactualOut.model_validate(found)


def test_a_published_effect_whose_direction_alone_may_be_told_is_not_told() -> None:
    row = {"refused": None, "estimate": 2.0}
    verdict = {"verdict": "direction_only", "reasons": "units interfere"}
    assert _reason(row, {"refused": None}, verdict, 280.0) == "direction_only: units interfere"
    assert _reason(row, {"refused": None}, {"verdict": "widen", "reasons": "size"}, 280.0) is None
    assert _reason(row, {"refused": None}, {}, 280.0) is None
    assert _reason(row, {}, {}, None) == "no treated unit-days are published for it"
    undefined = {"refused": None, "estimate": None, "undefined": "estimate: no units"}
    assert _reason(undefined, {"refused": None}, {}, 280.0) == "estimate: no units"


WRONG = [
    ({"effect": {"estimate": 1.0}}, 422, "original_outcome: needed beside an effect"),
    ({**EFFECT, "unit_days": 0}, 422, "unit_days: Input should be greater than 0"),
    ({**EFFECT, "effect": {"estimate": 9.0, "ci_low": 1.0, "ci_high": 3.0}}, 422, "outside of its limits"),
    ({**EFFECT, "dose": 1.0}, 422, "expected doses of the treated units"),
    ({"platform": "meta"}, 422, "platform and treatment_type of a published effect"),
    ({**PUBLISHED, "platform": "tv"}, 404, "Nothing is published for platform tv"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "detail"), WRONG)
def test_what_is_missing_is_named(body: dict, status: int, detail: str) -> None:
    assert detail in service.problem(service.post("counterfactual", body), status)["detail"]


def test_a_proportion_and_a_local_effect_cannot_be_summed() -> None:
    frame = FRAME.assign(y=FRAME["y"].abs() + 20.0)
    body = {"rows": frame.to_dict("records"), **ROLES}
    assert "a proportion" in service.problem(service.post("counterfactual", body, method="geo_did"), 422)["found"]
    body = {"rows": frame.to_dict("records"), **ROLES, "treatment": "x0", "instruments": ["d"]}
    assert service.problem(service.post("counterfactual", body, method="iv"), 422)["found"] == "late"
