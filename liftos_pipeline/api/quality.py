"""How good the data behind an answer are: shares of what was sent, or what was published of it. Never made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from statistics import fmean

import pandas as pd

from liftos_pipeline.causal import EffectEstimate
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.schema import results
from liftos_pipeline.warehouse.public import PublicDatabase

SCORES = results.SCORES.full_name
_OVERALL = "overall"
_OVERLAP = "share_inside"


@dataclass(frozen=True)
class DataQuality:
    """``score``: 0 to 1, None with the ``reason`` where it is not known.

    ``parts``: of data that were sent, what it is the mean of; of a published table, the score of each platform.
    """

    score: float | None
    parts: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    is_sent: bool = False

    def to_dict(self) -> dict[str, object]:
        return {"parts": dict(self.parts), "reason": self.reason}


def of_sent(parts: Mapping[str, float]) -> DataQuality:
    """Mean of the parts."""
    return (
        DataQuality(fmean(parts.values()), dict(parts), is_sent=True)
        if parts
        else unknown("no part of it is known")
    )


def unknown(reason: str) -> DataQuality:
    return DataQuality(None, {}, reason)


def completeness(frame: pd.DataFrame, columns: list[str]) -> float:
    """Share of the cells of these columns that are known."""
    return float(frame[columns].notna().to_numpy().mean())


def density(frame: pd.DataFrame, unit: str, period: str | None) -> float | None:
    """Share of units times periods that there is a row for; None without periods."""
    if period is None:
        return None
    cells = frame[unit].nunique() * frame[period].nunique()
    return len(frame.drop_duplicates([unit, period])) / cells if cells else None


def with_overlap(quality: DataQuality, effect: EffectEstimate) -> DataQuality:
    """The same with the share of rows whose propensity scores leave something to compare with, where there are scores."""
    overlap = effect.diagnostics.get(_OVERLAP)
    if not quality.is_sent or not isinstance(overlap, int | float):
        return quality
    return of_sent({**quality.parts, "overlap_quality": float(overlap)})


def of_published(database: PublicDatabase, platforms: tuple[str, ...]) -> DataQuality:
    """The lowest overall score of the platforms, as of the newest day; of all platforms where none are named."""
    found = scores(database, platforms)
    if isinstance(found, str):
        return unknown(found)
    overall = {str(row["platform"]): row["score"] for row in found if row["part"] == _OVERALL}
    known = {name: float(score) for name, score in overall.items() if isinstance(score, int | float)}
    if not known or len(known) < len(overall) or set(platforms) - set(known):
        return unknown("no overall score of every platform")
    return DataQuality(min(known.values()), known)


def scores(
    database: PublicDatabase, platforms: tuple[str, ...] = (), as_of: date | None = None
) -> list[dict[str, object]] | str:
    """Rows of an as-of day, the newest if none is named, or the reason why there are none."""
    try:
        if not database.columns(SCORES):
            return "the home has no scores"
        day = as_of or database.newest(SCORES)
        found = database.rows(
            f"SELECT * FROM {{home}}.{SCORES} WHERE as_of = $day AND (len($platforms) = 0 OR platform IN $platforms) "
            "ORDER BY platform, part",
            {"day": day, "platforms": list(platforms)},
        )
    except LiftosError as error:
        return error.found
    return found or "no scores of that day and these platforms"
