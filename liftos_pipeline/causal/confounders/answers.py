"""The table that detectors return, one row per unit, and what stands in it about input that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

DETECTED, NOT_DETECTED = "detected", "not_detected"
NOT_IDENTIFIED, UNDETERMINED = "not_identified", "undetermined"
EVENT_COLUMNS = ("unit", "date", "size", "statistic", "p_value")


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Answers on m units by one way of answering; arrays have shape (m,), NaN where unknown.

    ``event_row``, ``event_place``, ``event_size``, shape (e,): unit (0 to m - 1), period and size of each event.
    """

    status: Sequence[str]
    reason: Sequence[str]
    statistic: Floats
    p_value: Floats
    estimate: Floats
    n_needed: Floats
    event_row: Integers
    event_place: Integers
    event_size: Floats


def first_true(cases: Sequence[tuple[Bools, str, Sequence[str]]]) -> tuple[list[str], list[str]]:
    """Status and reason of each unit: those of the first case that holds; one must."""
    place = np.argmax(np.stack([holds for holds, _, _ in cases]), axis=0)
    status = [cases[case][1] for case in place]
    return status, [cases[case][2][row] for row, case in enumerate(place)]


def defects(rules: Mapping[str, Bools]) -> list[str]:
    """What is wrong with each unit's input, "" where nothing is.

    Parameters
    ----------
    rules : mapping
        What a bad value is, in words that follow "3 days with", to where they stand, shape (n_units, n_periods).
    """
    counts = {words: bad.sum(axis=1) for words, bad in rules.items()}
    n_units = len(next(iter(counts.values())))
    return [
        "; ".join(
            f"{count[row]} {'day' if count[row] == 1 else 'days'} with {words}"
            for words, count in counts.items()
            if count[row]
        )
        for row in range(n_units)
    ]


def answer_table(
    units: NDArray[Any],
    status: Sequence[str],
    numbers: Mapping[str, Floats],
    events: pd.DataFrame,
    n_observed: Integers,
    n_needed: Floats,
    reason: Sequence[str],
) -> pd.DataFrame:
    """One row per unit: unit, status, statistic, p_value, confidence, estimate, date, n_events, n_observed, n_needed, reason.

    Parameters
    ----------
    numbers : mapping
        ``statistic``, ``p_value`` and ``estimate``, and what a detector adds at the end; shape (n_units,), NaN where
        unknown.
    events : DataFrame
        ``EVENT_COLUMNS``; the date shown is that of each unit's largest event.
    n_needed : ndarray, shape (n_units,)
        Observations that an answer would need, NaN where there is one.
    """
    table = pd.DataFrame({"unit": units, "status": list(status)})
    for name in ("statistic", "p_value"):
        table[name] = numbers[name]
    table["confidence"] = 1.0 - table["p_value"]
    table["estimate"] = numbers["estimate"]
    largest = events.loc[events["size"].abs().groupby(events["unit"]).idxmax()].set_index("unit")
    table["date"] = table["unit"].map(largest["date"])
    table["n_events"] = table["unit"].map(events.groupby("unit").size()).fillna(0).astype(np.int64)
    table["n_observed"] = n_observed
    table["n_needed"] = n_needed
    table["reason"] = [words or None for words in reason]
    for name, values in numbers.items():
        if name not in table:
            table[name] = values
    return table


def no_events(periods: NDArray[Any]) -> pd.DataFrame:
    """An empty table of events whose dates have the type of the periods."""
    nothing = np.zeros(0)
    columns = {"unit": np.zeros(0, dtype=object), "date": periods[:0]}
    return pd.DataFrame({**columns, "size": nothing, "statistic": nothing, "p_value": nothing})
