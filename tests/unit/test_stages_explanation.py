"""Each cause alone moves its own part and no other; all together add up."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.settings import Settings
from liftos_pipeline.stages.explanation import PANEL_COLUMNS, PARTS, Seen, effects_seen, explain, reverse

FIRST_DAY = date(2026, 1, 1)
N_DAYS, MORE_DAYS, N_UNITS, MORE_UNITS = 112, 14, 30, 3
STARTED_AFTER = 49
NO_EXPERIMENT = pd.DataFrame(columns=["platform", "experiment_id", "unit", "unit_ids"])
SALES = ("conversions_reported", "revenue_reported")
ROUNDING = 1e-9
"""Differences of sums of a few floating numbers of size one."""
THEN = Settings(liftos_look_back_days=N_DAYS, liftos_seed=1, liftos_overlap_min_effective_controls=1)


@cache
def drawn() -> np.ndarray:
    """Final conversions, shape (units, days), with an effect on the treated third."""
    rng = np.random.default_rng(11)
    counts = rng.poisson(8.0, (N_UNITS + MORE_UNITS, N_DAYS + MORE_DAYS)).astype(float)
    counts[::3, STARTED_AFTER:] += 2.0
    return counts


@cache
def noise() -> np.ndarray:
    return np.random.default_rng(3).random((N_UNITS + MORE_UNITS, N_DAYS + MORE_DAYS))


def unit(number: int) -> str:
    return f"meta:1:{number:03d}"


def panel(n_units: int, n_days: int, first: int = 0, pending: int = 0, corrected: bool = False) -> pd.DataFrame:
    """Days ``first`` to ``n_days`` of the world; of the newest ``pending`` days half of the conversions are known;
    ``corrected``: spend and conversions of one old week."""
    counts = drawn()[:n_units, first:n_days].copy()
    if pending:
        counts[:, -pending:] = np.floor(counts[:, -pending:] / 2)
    days = [FIRST_DAY + timedelta(days=number) for number in range(first, n_days)]
    spends = 50.0 + np.arange(n_units)[:, None] + noise()[:n_units, first:n_days]
    if corrected:
        spends[:5, 35 - first : 42 - first] *= 1.8
        counts[:5, 35 - first : 42 - first] += 4.0
    frame = pd.DataFrame(
        {
            "platform": "meta",
            "unit_type": "campaign",
            "account_id": "1",
            "unit_id": np.repeat([unit(number) for number in range(n_units)], len(days)),
            "date_day": pd.to_datetime(np.tile(days, n_units)),
            "spend": spends.ravel(),
            "clicks": 100.0,
            "impressions": 5000.0,
            "conversions_reported": counts.ravel(),
            "revenue_reported": 10.0 * counts.ravel(),
            "is_final": np.tile([n_days - 1 - number >= 28 for number in range(first, n_days)], n_units),
            "vintage": "captured",
        }
    )
    return frame.reindex(columns=list(PANEL_COLUMNS))


def seen(rows: pd.DataFrame, n_units: int, n_days: int) -> Seen:
    """Creative changes of the treated, over three weeks."""
    treated = [number for number in range(n_units) if number % 3 == 0]
    changes = pd.DataFrame(
        {
            "platform": "meta",
            "unit_id": [unit(number) for number in treated],
            "treatment_type": "creative_change",
            "changed_on": [
                pd.Timestamp(FIRST_DAY + timedelta(days=STARTED_AFTER + number % 18)) for number in treated
            ],
            "dose": np.nan,
        }
    ).assign(first_known_on=lambda frame: frame["changed_on"])
    days = pd.DataFrame({"platform": "meta", "account_id": "1", "date_day": rows["date_day"].unique()})
    return Seen(FIRST_DAY + timedelta(days=n_days - 1), rows, changes, days, pd.DataFrame(), NO_EXPERIMENT)


EARLY = seen(panel(N_UNITS, N_DAYS), N_UNITS, N_DAYS)
PENDING = seen(panel(N_UNITS, N_DAYS, pending=28), N_UNITS, N_DAYS)
CORRECTED = seen(panel(N_UNITS, N_DAYS, corrected=True), N_UNITS, N_DAYS)
LATER = seen(
    panel(N_UNITS + MORE_UNITS, N_DAYS + MORE_DAYS, first=MORE_DAYS), N_UNITS + MORE_UNITS, N_DAYS + MORE_DAYS
)
LATER_OF_EARLY = seen(panel(N_UNITS + MORE_UNITS, N_DAYS + MORE_DAYS), N_UNITS + MORE_UNITS, N_DAYS)
GIVEN: dict[tuple[int, int], pd.Series] = {}
SEED = THEN.model_copy(update={"liftos_seed": 2})


def history(source: Seen, settings: Settings = THEN, shift: float = 0.0) -> pd.DataFrame:
    """Effects as a run of today's code gives them; other code gave ``shift`` more."""
    if (id(source), settings.liftos_seed) not in GIVEN:
        GIVEN[id(source), settings.liftos_seed] = effects_seen(source, settings)
    return (GIVEN[id(source), settings.liftos_seed] + shift).rename("estimate").reset_index()


def landmarked(table: pd.DataFrame) -> pd.DataFrame:
    """Without the weekly method, which has too few final weeks in the shorter of these panels."""
    return table[table["method"] != "staggered_did"]


CASES = {
    "code": (EARLY, EARLY, EARLY, 0.25, THEN),
    "seed": (EARLY, EARLY, EARLY, 0.0, SEED),
    "data_maturity": (PENDING, EARLY, EARLY, 0.0, THEN),
    "data_corrections": (EARLY, CORRECTED, CORRECTED, 0.0, THEN),
    "new_days": (EARLY, LATER_OF_EARLY, LATER, 0.0, THEN),
}


@pytest.mark.parametrize("part", PARTS)
def test_one_cause_moves_its_own_part_alone(part: str) -> None:
    start, meant, later, shift, now = CASES[part]
    table = explain(start, meant, later, history(start, THEN, shift), history(later, now), (THEN, now))
    table = table[(table["method"] == "doubly_robust") & table["outcome"].isin(SALES)]
    assert len(table) == 2 and table["undefined"].isna().all()
    assert (table[part].abs() > 1e-4).all(), table
    assert table[part].tolist() == pytest.approx(table["change"].tolist(), abs=ROUNDING)
    others = [name for name in PARTS if name != part]
    assert table[others].abs().to_numpy().max() == 0.0


def test_all_causes_add_up_and_the_way_back_is_the_way_with_the_other_sign() -> None:
    given, wanted = history(PENDING, THEN, 0.25), history(LATER, SEED)
    table = landmarked(explain(PENDING, LATER_OF_EARLY, LATER, given, wanted, (THEN, SEED)))
    assert table["undefined"].isna().all()
    change = table["to_estimate"] - table["from_estimate"]
    assert table[list(PARTS)].sum(axis=1).tolist() == pytest.approx(change.tolist(), abs=ROUNDING)
    weighted = table[(table["method"] == "doubly_robust") & table["outcome"].isin(SALES)]
    assert (weighted[["code", "seed", "data_maturity", "new_days"]].abs() > 1e-4).all(axis=None)
    back = reverse(table)
    assert back["from_estimate"].tolist() == table["to_estimate"].tolist()
    assert back[list(PARTS)].sum(axis=1).tolist() == pytest.approx((-change).tolist(), abs=ROUNDING)


def test_an_effect_that_only_one_run_has_says_where_it_came_to_be() -> None:
    table = explain(
        EARLY, LATER_OF_EARLY, LATER, history(EARLY), history(LATER).assign(estimate=np.nan), (THEN, THEN)
    )
    assert table[list(PARTS)].isna().all(axis=None)
    assert set(landmarked(table)["undefined"]) == {"no estimate by the later run"}
