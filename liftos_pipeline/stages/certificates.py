"""Replays the landmarked analyses where nobody was treated: rows of ``causal.certificates``.

One certificate per platform and outcome, on the treatment type with the most rows of units not yet treated.
"""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from functools import partial

import pandas as pd

from liftos_pipeline.causal import Panel, certify
from liftos_pipeline.causal.certificate import LIFT
from liftos_pipeline.causal.propensity.model import fit_propensity
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.verdicts import COLUMNS, NOT_APPLICABLE
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.analysis import data_of, to_panel, with_level_in_scores
from liftos_pipeline.stages.designs import DESIGNS, LANDMARKED
from liftos_pipeline.stages.effects import method_options
from liftos_pipeline.stages.lanes import Call
from liftos_pipeline.stages.memory import remembered
from liftos_pipeline.stages.roles import AFTER_DAYS, PRIMARY_OUTCOMES, ROLES, WINDOW_DAYS

METHODS = DESIGNS[LANDMARKED].landmarked
"""What is certified."""
YEAR_DAYS = 364
"""Windows older than this are not replayed: a year holds every season, and cost does not grow with a home's age."""
_NUMBERS = tuple(name for name in COLUMNS if name not in {"method", "status", "reason", "answered"})


def certificate_rows(
    rows: pd.DataFrame, as_of: date, level: float, seed: int, min_effective_controls: float, n_replays: int
) -> pd.DataFrame:
    """Certificates of every platform, outcome and method.

    Only windows whose outcome had matured when the month of ``as_of`` began are replayed, and of these a year: a
    certificate moves once a month, or when the past itself was corrected.

    Parameters
    ----------
    rows : DataFrame
        ``causal.causal_marketing_data`` as of one day.
    level, seed, min_effective_controls
        As for the effects that it licenses.
    n_replays : int
        Placebo treatments of each certificate.
    """
    calls = certificate_calls(rows, as_of, level, seed, min_effective_controls, n_replays)
    return pd.concat([call() for call in calls], ignore_index=True)


def certificate_calls(
    rows: pd.DataFrame, as_of: date, level: float, seed: int, min_effective_controls: float, n_replays: int
) -> list[Call]:
    """The parts of :func:`certificate_rows`, one for each platform and outcome."""
    rule = OverlapRule(min_effective_units=min_effective_controls)
    calls = []
    for platform, roles in ROLES.items():
        until = as_of.replace(day=1) - timedelta(days=WINDOW_DAYS + AFTER_DAYS + roles.maturity_days)
        part = _most_controls(rows, platform, until)
        for outcome in PRIMARY_OUTCOMES:
            calls.append(partial(_answers, platform, part, until, outcome, level, seed, rule, n_replays))
    return calls


def _answers(
    platform: str,
    part: pd.DataFrame,
    until: date,
    outcome: str,
    level: float,
    seed: int,
    rule: OverlapRule,
    n_replays: int,
) -> pd.DataFrame:
    """Rows of one platform and outcome; as objects, so that rows of others below them change no value."""
    roles = ROLES[platform]
    head = {
        "platform": platform,
        "outcome": roles.outcomes[outcome],
        "treatment_type": part["treatment_type"].iloc[0] if len(part) else None,
        "windows_until": until,
        "level": level,
    }
    found = _certified(part, outcome, level, seed, rule, n_replays)
    return pd.DataFrame([{**head, **row} for row in found.to_dict("records")], dtype=object)


def _most_controls(rows: pd.DataFrame, platform: str, until: date) -> pd.DataFrame:
    """Rows of the platform's treatment type that has most of them, in the windows of a year up to a day."""
    if len(rows) == 0:
        return rows
    last = pd.Timestamp(until)
    is_replayed = (rows["window_start"] <= last) & (rows["window_start"] > last - pd.Timedelta(days=YEAR_DAYS))
    part = rows[(rows["platform"] == platform) & is_replayed]
    if len(part) == 0:
        return part
    part = part.drop_duplicates(["treatment_type", "window_start", "unit_id"])
    counts = part.loc[part["is_treated"] == 0].groupby("treatment_type").size()
    if len(counts) == 0:
        return part.iloc[:0]
    chosen = part[part["treatment_type"] == counts.idxmax()]
    return data_of(chosen).sort_values(["window_start", "unit_id"], ignore_index=True)


@remembered
def _certified(
    part: pd.DataFrame, outcome: str, level: float, seed: int, rule: OverlapRule, n_replays: int
) -> pd.DataFrame:
    try:
        if len(part) == 0:
            raise LiftosError(
                "windows that had matured when the month began", "none", "Wait for the first full month."
            )
        panel = _with_scores(to_panel(part, outcome), seed)
        certificate = certify(
            panel,
            METHODS,
            n_replays=n_replays,
            effect=LIFT * float(part[f"{outcome}_before"].mean()) or None,
            level=level,
            seed=seed,
            placement="rows",
            options={method: method_options(method, rule) for method in METHODS},
            prepare=Rescored(seed),
        )
    except LiftosError as error:
        none = dict.fromkeys(_NUMBERS)
        facts = {
            "status": NOT_APPLICABLE,
            "reason": str(error),
            "answered": 0,
            "n_replays": 0,
            "n_units": 0,
            "n_treated": 0,
        }
        return pd.DataFrame([{"method": method, **facts, **none} for method in METHODS])
    counts = {name: getattr(certificate, name) for name in ("n_replays", "n_units", "n_treated")}
    table = certificate.table.assign(**counts)
    return table.astype(object).where(table.notna(), None)


@dataclasses.dataclass(frozen=True)
class Rescored:
    """Fits the propensity scores of a placebo panel anew, as those of the real one were fitted."""

    seed: int

    def __call__(self, panel: Panel) -> Panel:
        return with_level_in_scores(_with_scores(panel, self.seed))


def _with_scores(panel: Panel, seed: int) -> Panel:
    return dataclasses.replace(panel, propensity=fit_propensity(panel, seed=seed).scores)
