"""Scores of estimators and folds by hand, and the page that shows them."""

from __future__ import annotations

import math
import os
import re
import sys

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.benchmarks import effect_worlds, homes
from liftos_pipeline.benchmarks.effect_worlds import Drawn
from liftos_pipeline.benchmarks.operating_points import Cell, judge, plain
from liftos_pipeline.benchmarks.pipeline_scale import PipelineCost, StageCost, growth
from liftos_pipeline.benchmarks.temporal import spans_of
from liftos_pipeline.benchmarks.validation import CLAIMS
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.report.validation_page import MARKS, distance, put_table, validation_page, validation_table


def rates(cells: object) -> dict[str, float]:
    return {cell.name: cell.rate for cell in cells}  # type: ignore[attr-defined]


def test_errors_of_estimates_are_shares_of_the_effect() -> None:
    drawn = [
        Drawn("did", 1.0 + error, 1.0, held, True, 0.05)
        for error, held in ((0.1, True), (0.1, False), (-0.05, True))
    ]
    found = rates(effect_worlds._of_effects("did", pd.DataFrame([vars(one) for one in drawn])))
    root = math.sqrt((0.01 + 0.01 + 0.0025) / 3)
    assert found["did, abs(bias) over the effect"] == pytest.approx(0.05)
    assert found["did, RMSE over the effect"] == pytest.approx(root)
    assert found["did, RMSE over the oracle's error"] == pytest.approx(root / 0.05)
    assert found["did, MAE over the effect"] == pytest.approx(0.25 / 3)
    assert found["did, coverage, at least"] == pytest.approx(2 / 3)


def test_where_the_oracle_is_blunt_errors_are_held_against_its_own_alone() -> None:
    drawn = pd.DataFrame([vars(Drawn("ipw", value, 1.0, True, False, 0.2)) for value in (0.9, 1.2)])
    assert "ipw, RMSE over the effect" not in rates(effect_worlds._of_effects("ipw", drawn))


def test_unit_effects_count_where_they_were_released() -> None:
    released = [
        Drawn("doubly_robust", 1.1, 1.0, True, True, 0.05, 0.9, 0.1),
        Drawn("doubly_robust", 0.8, 1.0, True, True, 0.05, 0.7, 0.2),
    ]
    found = rates(effect_worlds._of_units(pd.DataFrame([vars(one) for one in released]), 4))
    assert found["unit effects released"] == 0.5
    assert found["R-squared of unit effects"] == pytest.approx(0.8)
    assert found["PEHE over the mean effect"] == pytest.approx(0.15)
    assert found["ATE accuracy"] == pytest.approx(0.85)


@pytest.mark.parametrize("draw", [effect_worlds._chosen, effect_worlds._encouraged, effect_worlds._staggered])
def test_a_world_has_the_effect_that_it_is_scored_by(draw: object) -> None:
    """Seeds 0 to 3: the mean error is within four of its own standard errors, and another world is not the same."""
    found = [draw(np.random.default_rng(seed), 1.0) for seed in range(4)]  # type: ignore[operator]
    errors = np.array([one.estimate - one.truth for one in found])
    assert abs(errors.mean()) < 4 * 0.09 / 2 and len(set(errors)) == 4
    assert all(one.truth == 1.0 and one.found for one in found)


def test_folds_are_spans_of_windows_with_about_as_many_treated_each() -> None:
    windows = pd.date_range("2026-02-02", periods=8, freq="7D")
    n_treated = (1, 1, 4, 2, 2, 2, 5, 1)
    rows = pd.DataFrame(
        [
            {"window_start": w, "is_treated": k < n}
            for w, n in zip(windows, n_treated, strict=True)
            for k in range(20)
        ]
    )
    shuffled = rows.sample(frac=1.0, random_state=3)
    spans = spans_of(shuffled)
    assert [window for span in spans for window in span] == list(windows)
    assert [sum(n_treated[list(windows).index(window)] for window in span) for span in spans] == [6, 6, 6]
    assert spans_of(rows[rows["window_start"] < windows[2]]) == []


def line(rate: float | None, sense: str = "at least", asked: float = 0.8, error: float = 0.1) -> dict[str, object]:
    return {"rate": rate, "sense": sense, "asked": asked, "error": error}


def test_the_distance_of_a_line_is_in_its_own_error_and_to_the_good_side() -> None:
    assert distance(line(0.9)) == pytest.approx(1.0) and distance(line(0.7)) == pytest.approx(-1.0)
    assert distance(line(0.9, "at most")) == pytest.approx(-1.0)
    assert distance(line(0.9, error=0.0)) == math.inf and distance(line(0.8, error=0.0)) == 0.0
    assert math.isnan(distance(line(None)))


def test_the_page_has_every_line_with_its_verdict_and_claim_and_asks_nothing_of_the_network() -> None:
    name = next(iter(CLAIMS)).split(": ", 1)[1]
    cells = [
        Cell("decisions", name, "at least", 0.4, 9_000, 0.77, 0.01),
        Cell("effects", "iv, size", "at most", 0.05, 9_000, 0.09, 0.003),
        Cell("effects", "<b>odd</b>", "at least", 0.5, 0, math.nan, math.nan),
        Cell("effects", "only shown", "shown", math.nan, 12, 0.25, 0.1),
    ]
    lines = [{**plain(row), "claim": CLAIMS.get(f"{row.cell.detector}: {row.cell.name}")} for row in judge(cells)]
    page = validation_page(lines, "seeds 1..", "2026-06-30")
    assert "1 lines pass, 1 fall short, 1 are undecided" in page
    for cell in cells[:2]:
        assert re.search(rf"{re.escape(cell.name)}.*{cell.rate:.4f}", page)
    assert "The system measured against claims 20-40 % less waste" in page
    assert "&lt;b&gt;odd" in page and "<b>odd" not in page and "nan" not in page.split("</figure>")[1]
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_the_table_has_what_is_asked_or_claimed_and_unknown_is_no_number() -> None:
    cells = [
        Cell("confounder_score", "F1", "at least", 0.95, 200, 0.981, 0.002),
        Cell("effects", "MAE", "shown", math.nan, 200, 0.03, 0.002),
        Cell("effects", "nobody", "at most", 0.05, 0, math.nan, math.nan),
        Cell("decisions", "bias over mean effect", "shown", math.nan, 64, 0.01, 0.002),
    ]
    lines = [{**plain(row), "claim": CLAIMS.get(f"{row.cell.detector}: {row.cell.name}")} for row in judge(cells)]
    table = validation_table(lines, "seeds 1..", "2026-06-30")
    assert "Measured on 2026-06-30: seeds 1.." in table
    assert re.search(r"\| confounder score: F1 \| at least 0.95 \| 0.981 \| 0.00\d+ \| 200 \| pass \|  \|", table)
    assert "| effects: nobody | at most 0.05 | unknown | unknown | 0 | undecided |" in table
    assert "| decisions: bias over mean effect |  | 0.01 |" in table and "| bias 5 % |" in table
    assert "MAE" not in table


def test_data_quality_is_the_mean_over_platforms_with_the_error_of_homes() -> None:
    scores = pd.DataFrame(
        [
            ("one", "meta", "overlap_quality", 0.8),
            ("one", "google_ads", "overlap_quality", None),
            ("two", "meta", "overlap_quality", 0.9),
            ("two", "google_ads", "overlap_quality", 1.0),
            ("two", "meta", "confounder_coverage", 0.5),
        ],
        columns=["world", "platform", "part", "score"],
    )
    found = {cell.name: cell for cell in homes.cells_of(scores)}
    assert found["overlap quality"].rate == pytest.approx(0.875)
    assert found["overlap quality"].std_error == pytest.approx(0.075)
    assert found["overlap quality"].draws == 3
    assert found["confounder coverage"].rate == 0.5 and math.isnan(found["confounder coverage"].std_error)
    assert math.isnan(found["temporal consistency"].rate)
    verdicts = {row.cell.name: row.verdict for row in judge(list(found.values()))}
    assert verdicts["confounder coverage"] == verdicts["temporal consistency"] == "undecided"


def test_growth_is_the_power_of_the_days_between_the_two_longest_runs() -> None:
    def cost(days: int, **seconds: float) -> PipelineCost:
        return PipelineCost(days, days, 0.0, 0.0, tuple(StageCost(*one, 0.0) for one in seconds.items()))

    costs = [
        cost(100, linear=1.0, square=1.0, short=0.1),
        cost(200, linear=4.0, square=2.0, short=0.2),
        cost(400, linear=8.0, square=8.0, short=0.4, late=9.0),
    ]
    found = {name: (seconds, power) for name, seconds, power in growth(costs)}
    assert found.keys() == {"linear", "square"}
    assert found["linear"][0] == [1.0, 4.0, 8.0] and found["linear"][1] == pytest.approx(1.0)
    assert found["square"][1] == pytest.approx(2.0)


def test_a_text_with_marks_keeps_the_rest_and_any_other_becomes_the_table() -> None:
    first, last = MARKS
    assert put_table(f"before\n{first}\nold\n{last}\nafter\n", "new\n") == f"before\n{first}\nnew\n{last}\nafter\n"
    assert put_table("", "new\n") == put_table(f"{last} {first}", "new\n") == "new\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [("import sys; sys.exit('no space left')", "no space left"), ("import sys; sys.exit(3)", "code 3")],
)
def test_a_home_that_publishes_nothing_is_an_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    monkeypatch.setattr(homes, "run_of", lambda *_: ([sys.executable, "-c", code], dict(os.environ)))
    with pytest.raises(LiftosError, match=said):
        next(homes.scored([("null_effect", 7)]))
