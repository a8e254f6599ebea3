"""The append-only log of treatments: what was known before goes on being known.

Tables have the columns that ``reconcile`` returns and ``id``, ``first_known``, ``last_seen``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from liftos_pipeline.causal.treatments.reconciliation import (
    CURRENT,
    MATCH_DAYS,
    UNEXPLAINED,
    groups,
    matched,
    undone_on,
)

LAPSED, WITHDRAWN = "lapsed", "withdrawn"
FADING_DAYS = 28
"""A break so near to the first day that is watched may go unseen for want of days before it."""


def remember(before: pd.DataFrame, now: pd.DataFrame, first_watched: pd.Timestamp) -> pd.DataFrame:
    """Treatments known today: those found today and all that were known before.

    A treatment keeps the id and the day of first knowledge under which it was first known. One found today is one known
    before if it starts on the same day, or if either of the two is a detected break of the same unit and kind at most
    ``MATCH_DAYS`` away and not of the other direction: dates of breaks move a little as days come in, and a log may
    arrive after the break was seen. What is known and not found today stays, ``lapsed`` where it lies before the days
    that are watched now or in the first ``FADING_DAYS`` of them, else ``withdrawn`` for good unless it is found again: the
    log or the detector no longer has it.

    Parameters
    ----------
    before : DataFrame
        What was remembered at an earlier day; may be empty.
    now : DataFrame
        Of ``reconcile``, with id, first_known and last_seen of today.
    first_watched : Timestamp
        First day of the look-back window of today.
    """
    if len(before) == 0:
        return now
    same = _same(before, now)
    kept = before.drop(index=before.index[sorted(same)])
    known = set(before["id"])
    ids = [_unused(name, known) for name in now["id"]]
    first = now["first_known"].to_numpy(copy=True)
    for old, new in same.items():
        ids[new] = before["id"].iat[old]
        first[new] = min(before["first_known"].to_numpy()[old], first[new])
    found = now.assign(id=ids, first_known=first)
    is_past = kept["day"] < first_watched + pd.Timedelta(days=FADING_DAYS)
    faded = kept["standing"].replace({CURRENT: LAPSED})
    kept = kept.assign(standing=faded.where(is_past, WITHDRAWN))
    found = pd.concat([part for part in (found, kept) if len(part)], ignore_index=True)
    found = found.sort_values(["unit", "day", "kind", "id"], ignore_index=True)
    is_treatment = ~found["standing"].isin([WITHDRAWN, UNEXPLAINED])
    found["undone_on"] = undone_on(found[is_treatment]).reindex(found.index)
    return found.assign(group=groups(found["unit"], found["day"]))


def _same(before: pd.DataFrame, now: pd.DataFrame) -> dict[int, int]:
    """Position in ``before`` to position in ``now`` of what is one treatment: by start first, then by nearness."""
    start_of = {key: place for place, key in enumerate(_keys(now))}
    found = {old: start_of[key] for old, key in enumerate(_keys(before)) if key in start_of}
    for was_detected in (True, False):
        was = (before["evidence"] == "detected").to_numpy() == was_detected
        fits = was_detected | (now["evidence"] == "detected").to_numpy()
        taken = set(found.values())
        old_side = [int(place) for place in np.flatnonzero(was) if place not in found]
        new_side = [int(place) for place in np.flatnonzero(fits) if place not in taken]
        pairs = matched(_keyed(before, old_side), _keyed(now, new_side), MATCH_DAYS)
        found |= {old_side[old]: new_side[new] for old, new in pairs.items()}
    return found


def _unused(name: str, known: set[str]) -> str:
    while name in known:
        name += "-2"
    return name


def _keys(rows: pd.DataFrame) -> list[tuple[str, str, pd.Timestamp]]:
    return list(zip(rows["unit"], rows["kind"], rows["day"], strict=True))


def _keyed(rows: pd.DataFrame, places: list[int]) -> pd.DataFrame:
    """Rows whose unit is unit and kind, so that only treatments of one kind are matched."""
    chosen = rows.iloc[places]
    return chosen.assign(unit=chosen["unit"] + "\0" + chosen["kind"])
