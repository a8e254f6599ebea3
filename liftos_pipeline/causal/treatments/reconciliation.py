"""Reconciles change logs with detected breaks, both ways: what is logged and seen, only logged, only seen.

Tables have the columns of the roles: unit, kind, day, dose (size of a break), known (first day of knowledge).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

MATCH_DAYS = 7
"""A break at most so far from a logged change is that change."""
GROUP_DAYS = 28
"""Treatments of one unit that start at most so many days after the one before share a group."""
EDGE_DAYS = 21
"""A step nearer to an end of what is watched leaves too little to date it by."""
SURE_SIZE = 0.50
"""Steps of so many log points are seen in 95 of 100 cases (``benchmarks/detect_treatments``); smaller may be missed."""
UNDONE_SHARE = 0.15
"""A later step that takes back all but so much of an earlier one switches it off."""


CURRENT, UNEXPLAINED = "current", "unexplained"


@dataclass(frozen=True)
class Watch:
    """Where breaks of one kind were looked for: ``units`` that were tested, from day ``first`` to day ``last``."""

    kind: str
    units: frozenset[str]
    first: pd.Timestamp
    last: pd.Timestamp


def reconcile(logged: pd.DataFrame, breaks: pd.DataFrame, watch: Watch) -> pd.DataFrame:
    """Treatments with the evidence for each.

    Changes of one unit and kind on one day are one treatment, their known doses added. A break of the watched kind that
    is at most ``MATCH_DAYS`` from a logged change of its unit, and does not point the other way, is that change; the
    nearest pairs are matched first. Breaks that no change explains are treatments of their own.

    Parameters
    ----------
    logged : DataFrame
        unit, kind, day, dose (log points; NaN where the kind has none or it is not known), known.
    breaks : DataFrame
        unit, day, dose, is_covered: detected steps of the watched kind, and whether the log of their days was pulled.
    watch : Watch

    Returns
    -------
    DataFrame
        unit, kind, day, dose, known (NaT for breaks without a log), evidence (both, logged, detected), detected_on,
        visibility, standing, undone_on, group; by unit, day and kind. ``standing`` is ``current``, or ``unexplained``: a
        break although the log was pulled and knows of no change, which is no treatment. ``visibility`` of a logged change
        without a break says whether one should have been seen: ``unseen``, or why not: ``not_watched`` (kind or unit
        without a test), ``out_of_view`` (outside the days that were watched, or at their edge), ``small`` (below
        ``SURE_SIZE``, or of unknown size), ``crowded`` (another change of the unit within ``EDGE_DAYS``). All others are
        ``seen``.
    """
    changes = _merged(logged)
    taken = _pairs(changes, breaks, watch.kind)
    detected_on = np.full(len(changes), np.datetime64("NaT", "ns"))
    detected_on[list(taken)] = breaks["day"].to_numpy("datetime64[ns]")[list(taken.values())]
    changes["detected_on"] = detected_on
    changes["evidence"] = np.where(changes["detected_on"].notna(), "both", "logged")
    changes["standing"] = CURRENT
    alone = breaks.drop(index=breaks.index[sorted(taken.values())])
    alone = alone[["unit", "day", "dose"]].assign(
        kind=watch.kind,
        known=pd.NaT,
        evidence="detected",
        detected_on=alone["day"],
        standing=np.where(alone["is_covered"], UNEXPLAINED, CURRENT),
    )
    parts = [part for part in (changes, alone) if len(part)]
    found = pd.concat(parts, ignore_index=True) if parts else changes
    found = found.astype({"known": "datetime64[ns]", "dose": float})
    found = found.sort_values(["unit", "day", "kind"], ignore_index=True)
    undone = undone_on(found[found["standing"] == CURRENT]).reindex(found.index)
    return found.assign(
        visibility=_visibility(found, watch), undone_on=undone, group=groups(found["unit"], found["day"])
    )


def undone_on(treatments: pd.DataFrame) -> pd.Series:
    """First day on which a later change of the same unit and kind has taken a dose back; NaT while it stands.

    The changes after it, added up, cancel all but ``UNDONE_SHARE`` of it. A kind without doses never shows it.

    Parameters
    ----------
    treatments : DataFrame
        unit, kind, day, dose, sorted by day within unit.
    """
    found = np.full(len(treatments), np.datetime64("NaT", "ns"))
    dose, day = treatments["dose"].to_numpy(), treatments["day"].to_numpy("datetime64[ns]")
    places: dict[tuple[str, str], list[int]] = {}
    for dosed in np.flatnonzero(np.isfinite(dose)):
        key = (treatments["unit"].iat[dosed], treatments["kind"].iat[dosed])
        places.setdefault(key, []).append(int(dosed))
    for mine in places.values():
        for number, place in enumerate(mine[:-1]):
            later = mine[number + 1 :]
            left = dose[place] + np.cumsum(dose[later])
            is_undone = left * np.sign(dose[place]) <= UNDONE_SHARE * abs(dose[place])
            if is_undone.any():
                found[place] = day[later[int(is_undone.argmax())]]
    return pd.Series(found, index=treatments.index)


def groups(units: Sequence[str] | pd.Series, days: pd.Series) -> list[str]:
    """Overlap group of each treatment; treatments sorted by unit and day."""
    names: list[str] = []
    unit, last, number = None, None, 0
    for name, day in zip(units, days, strict=True):
        if name != unit:
            unit, number = name, 0
        elif (day - last).days > GROUP_DAYS:
            number += 1
        last = day
        names.append(f"{unit}#{number}")
    return names


def matched(left: pd.DataFrame, right: pd.DataFrame, most_days: int = MATCH_DAYS) -> dict[int, int]:
    """Pairs of rows of one unit that start at most so many days apart and do not point in opposite directions.

    The nearest pairs come first, then the earliest; each row has one partner.

    Parameters
    ----------
    left, right : DataFrame
        unit, day, dose.

    Returns
    -------
    dict of int to int
        Position in ``left`` to position in ``right``.
    """
    by_unit: dict[str, list[int]] = {}
    for place, unit in enumerate(right["unit"]):
        by_unit.setdefault(unit, []).append(place)
    days, other_days = left["day"].to_numpy("datetime64[D]"), right["day"].to_numpy("datetime64[D]")
    doses, other_doses = left["dose"].to_numpy(float), right["dose"].to_numpy(float)
    pairs = []
    for place, unit in enumerate(left["unit"]):
        for other in by_unit.get(unit, []):
            apart = abs(int((other_days[other] - days[place]).astype(int)))
            if apart <= most_days and not doses[place] * other_doses[other] < 0:
                pairs.append((apart, days[place], other_days[other], place, other))
    found: dict[int, int] = {}
    used: set[int] = set()
    for _, _, _, place, other in sorted(pairs):
        if place not in found and other not in used:
            found[place] = other
            used.add(other)
    return found


def _merged(logged: pd.DataFrame) -> pd.DataFrame:
    rows = logged.astype({"day": "datetime64[ns]", "known": "datetime64[ns]", "dose": float})
    grouped = rows.groupby(["unit", "kind", "day"])
    return pd.DataFrame({"dose": grouped["dose"].sum(min_count=1), "known": grouped["known"].min()}).reset_index()


def _pairs(changes: pd.DataFrame, breaks: pd.DataFrame, kind: str) -> dict[int, int]:
    """Row of ``changes`` to position in ``breaks``."""
    places = np.flatnonzero(changes["kind"] == kind)
    pairs = matched(changes.iloc[places], breaks)
    return {int(places[place]): number for place, number in pairs.items()}


def _visibility(found: pd.DataFrame, watch: Watch) -> np.ndarray:
    watched = (found["kind"] == watch.kind) & found["unit"].isin(watch.units)
    edge = pd.Timedelta(days=EDGE_DAYS)
    in_view = (found["day"] - edge >= watch.first) & (found["day"] + edge <= watch.last + pd.Timedelta(days=1))
    keys = [found["unit"], found["kind"]]
    since, until = found.groupby(keys)["day"].diff(), -found.groupby(keys)["day"].diff(-1)
    is_crowded = (since <= edge) | (until <= edge)
    choices = [
        (found["evidence"] != "logged", "seen"),
        (~watched, "not_watched"),
        (~in_view, "out_of_view"),
        (~(found["dose"].abs() >= SURE_SIZE), "small"),
        (is_crowded, "crowded"),
    ]
    return np.select([chosen for chosen, _ in choices], [name for _, name in choices], "unseen")
