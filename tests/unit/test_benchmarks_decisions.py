"""Scores of decisions on two made-up worlds, by hand; and the command's own refusals."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from typer.testing import CliRunner

from liftos_pipeline.benchmarks.decision_worlds import Judged
from liftos_pipeline.benchmarks.decisions import cells_of, ratio
from liftos_pipeline.benchmarks.validation import FIXED_SEED, QUICK, worlds_of
from liftos_pipeline.cli import app


def effect(truth: float, low: float, high: float, **more: object) -> dict[str, object]:
    told = {"platform": "meta", "method": "doubly_robust", "role": "primary", "outcome": "conversions_reported"}
    numbers = {"estimate": (low + high) / 2, "ci_low": low, "ci_high": high, "truth": truth}
    return {**told, **numbers, "refused": None, "verdict": "report", **more}


def decision(net: float, decided: str, naive: str = "go", spend: float = 100.0) -> dict[str, object]:
    return {"net_truth": net, "decision": decided, "naive": naive, "spend": spend}


def world(seed: int, effects: list[dict], decisions: list[dict], attribution: list[dict]) -> Judged:
    gates = pd.DataFrame([{"gate": "density", "passed": seed != 2, "severity": "error"}])
    return Judged(
        "made_up", seed, pd.DataFrame(effects), pd.DataFrame(decisions), pd.DataFrame(attribution), gates
    )


WORLDS = [
    world(
        1,
        [
            effect(1.0, 0.5, 1.7),
            effect(1.0, 1.5, 2.5),
            effect(0.0, -9.0, 9.0, refused="overlap", verdict="refuse"),
        ],
        [decision(-1.0, "no_go"), decision(-1.0, "keep", spend=300.0), decision(0.0, "keep")],
        [{"incremental": 9.0, "reported_change": 14.0, "reported": 110.0, "true_orders": 10.0}],
    ),
    world(
        2,
        [effect(2.0, 1.0, 3.0), effect(0.5, 0.0, 1.0, verdict="direction_only", role="primary")],
        [decision(2.0, "go"), decision(2.0, "no_go", naive="no_go")],
        [{"incremental": None, "reported_change": 1.0, "reported": 1.0, "true_orders": 1.0}],
    ),
]


def rate(name: str) -> float:
    (cell,) = [cell for cell in cells_of(WORLDS) if cell.name == name]
    return cell.rate


def test_coverage_counts_what_is_not_refused() -> None:
    assert rate("coverage, doubly_robust, at least") == rate("coverage, doubly_robust, at most") == 3 / 4
    assert rate("clean analyses refused") == 1 / 5
    assert rate("clean analyses told by direction alone") == 1 / 5
    assert rate("clean worlds in which a violation is seen") == 1 / 2


def test_bias_is_told_as_a_share_of_the_effects() -> None:
    errors, sizes = (0.1, 1.0, 0.0, 0.0), (1.0, 1.0, 2.0, 0.5)
    assert rate("bias over mean effect") == pytest.approx(sum(errors) / sum(sizes))


def test_what_is_not_decided_keeps_what_stands_and_nothing_at_stake_is_no_decision() -> None:
    assert rate("wrong decisions by reported return on spend") == 3 / 4
    assert rate("wrong decisions by verdicts") == 2 / 4
    assert rate("wrong decisions, verdicts over reported") == pytest.approx(2 / 3)
    assert rate("decisions not taken") == 1 / 4
    assert rate("wasted spend that verdicts stop") == 100 / 400


def test_attribution_is_held_against_what_is_reported_and_against_its_change() -> None:
    assert rate("error less than that of what platforms report") == 1 - 1 / 100
    assert rate("error less than that of the change in it") == 1 - 1 / 4


def test_the_error_of_a_mean_is_that_of_worlds() -> None:
    rows = pd.DataFrame({"world": [0, 0, 1, 1], "held": [1.0, 1.0, 0.0, 0.0]})
    cell = ratio("held", "at least", 0.9, rows, "held")
    assert (cell.rate, cell.draws) == (0.5, 4)
    assert cell.std_error == pytest.approx(math.sqrt(2 / 1 * (1.0**2 + 1.0**2)) / 4)
    none_hit = ratio("held", "at most", 0.05, rows.assign(held=0.0), "held")
    assert none_hit.rate == 0.0 and none_hit.std_error == pytest.approx(math.sqrt(1 / 6 * 5 / 6 / 2))
    assert math.isnan(ratio("none", "at least", 0.9, rows.iloc[:0], "held").rate)


def test_half_of_the_worlds_are_fixed_and_half_are_unseen() -> None:
    seeds = [seed for _, seed in worlds_of(QUICK, 7)]
    assert seeds == [FIXED_SEED, FIXED_SEED + 1, 7, 8]
    assert len({scenario for scenario, _ in worlds_of(QUICK, 7)}) == 4


@pytest.mark.parametrize(
    ("option", "message"), [("--worlds=1", "at least 2 worlds"), ("--seed=-1", "a seed from 0")]
)
def test_a_wrong_call_is_refused(option: str, message: str) -> None:
    found = CliRunner().invoke(app, ["validate", option])
    assert found.exit_code == 2 and message in found.output
