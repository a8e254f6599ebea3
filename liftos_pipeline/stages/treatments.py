"""Maps change logs and detected breaks to roles, and treatments to rows of ``causal.treatments``."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

import pandas as pd

from liftos_pipeline.causal.treatments.assignment import OBSERVATIONAL, UNLOGGED, Assignment, common_dates
from liftos_pipeline.causal.treatments.memory import remember
from liftos_pipeline.causal.treatments.reconciliation import MATCH_DAYS, Watch, reconcile
from liftos_pipeline.stages.confounders import BUDGET_CHANGE
from liftos_pipeline.stages.experiments import Declared, declared_assignments
from liftos_pipeline.stages.instruments import declared_instruments
from liftos_pipeline.stages.roles import ROLES

_NAMES = {
    "id": "treatment_id",
    "unit": "unit_id",
    "kind": "treatment_type",
    "day": "started_on",
    "group": "overlap_group",
    "first_known": "first_known_on",
    "last_seen": "last_seen_on",
}
"""Roles of the library, and the table's columns."""
_DAYS = ("started_on", "detected_on", "undone_on", "first_known_on", "last_seen_on")
_NUMBERS = ("dose", "assignment_probability")
COLUMNS = (
    *("treatment_id", "platform", "unit_id", "treatment_type", "started_on", "dose", "evidence", "detected_on"),
    *("visibility", "undone_on", "assignment_method", "assignment_probability", "assignment_test"),
    *("control_group_id", "randomization_unit", "overlap_group", "first_known_on", "last_seen_on", "standing"),
)


def identify_treatments(
    changes: pd.DataFrame,
    confounders: pd.DataFrame,
    log_days: pd.DataFrame,
    as_of: date,
    look_back_days: int,
    declared: Declared | None = None,
) -> pd.DataFrame:
    """Treatments found on one day: change logs first, detected breaks second, reconciled both ways.

    What a declared experiment covers is randomised, unless the hazard of starting contradicts it; what a declared cutoff or
    instrument covers is a quasi-experiment, unless the test of the cutoff contradicts it. Other starts of an
    account that fall on one day beyond chance are a quasi-experiment; what is seen in the data only is observational.

    Parameters
    ----------
    changes : DataFrame
        platform, unit_id, treatment_type, changed_on, dose, first_known_on: the change logs as of the day.
    confounders : DataFrame
        ``causal.confounders`` as of the same day.
    log_days : DataFrame
        platform, account_id, date_day: days whose change log was pulled. A break on such days that the log does not
        explain is kept for people to look at and is no treatment.
    as_of : date
        The day itself.
    look_back_days : int
        Days that the detectors looked at.
    declared : Declared, optional
        Experiments of the platforms as of the day, and rules of the settings; none if left out.
    """
    verdicts = confounders[(confounders["detector"] == BUDGET_CHANGE) & (confounders["event_no"] == 0)]
    tested = verdicts[verdicts["status"].isin(["detected", "not_detected"])]
    watch = Watch(
        BUDGET_CHANGE, frozenset(tested["unit_id"]), _first_watched(as_of, look_back_days), pd.Timestamp(as_of)
    )
    breaks = _breaks(confounders)
    breaks["is_covered"] = _covered(breaks, log_days, watch)
    found = reconcile(_logged(changes), breaks, watch)
    found = found.assign(
        first_known=found["known"].fillna(pd.Timestamp(as_of)),
        last_seen=pd.Timestamp(as_of),
        platform=found["unit"].str.split(":").str[0],
        id=[_id(*key) for key in zip(found["unit"], found["kind"], found["day"], strict=True)],
    )
    found["randomization_unit"] = found["platform"].map({name: roles.assigned_by for name, roles in ROLES.items()})
    units = pd.concat([verdicts["unit_id"], found["unit"]]).drop_duplicates()
    assigned = _assignments(found, units, as_of, look_back_days, declared)
    found["assignment_method"] = [entry.method for entry in assigned]
    found["assignment_probability"] = [entry.probability for entry in assigned]
    found["assignment_test"] = [entry.test for entry in assigned]
    found["control_group_id"] = [entry.control_group for entry in assigned]
    return _to_table(found)


def remember_treatments(before: pd.DataFrame, now: pd.DataFrame, as_of: date, look_back_days: int) -> pd.DataFrame:
    """Rows of ``causal.treatments``: what was found today, and all that was known at the as-of day before.

    Parameters
    ----------
    before : DataFrame
        ``causal.treatments`` as of the newest earlier day that has a partition; empty if there is none.
    now : DataFrame
        Of ``identify_treatments``.
    """
    ordered = before.sort_values("treatment_id") if len(before) else before
    return _to_table(remember(_to_roles(ordered), _to_roles(now), _first_watched(as_of, look_back_days)))


def _first_watched(as_of: date, look_back_days: int) -> pd.Timestamp:
    return pd.Timestamp(as_of - timedelta(days=look_back_days - 1))


def _logged(changes: pd.DataFrame) -> pd.DataFrame:
    names = {"unit_id": "unit", "treatment_type": "kind", "changed_on": "day", "first_known_on": "known"}
    return changes.rename(columns=names)[["unit", "kind", "day", "dose", "known"]]


def _breaks(confounders: pd.DataFrame) -> pd.DataFrame:
    events = confounders[(confounders["detector"] == BUDGET_CHANGE) & (confounders["event_no"] > 0)]
    found = events.rename(columns={"unit_id": "unit", "event_on": "day", "estimate": "dose"})
    found = found[["unit", "day", "dose"]].astype({"day": "datetime64[ns]", "dose": float})
    return found.sort_values(["unit", "day"], ignore_index=True)


def _covered(breaks: pd.DataFrame, log_days: pd.DataFrame, watch: Watch) -> list[bool]:
    """Whether the log was pulled for all watched days on which a change behind the break may have been made."""
    accounts = log_days["platform"] + ":" + log_days["account_id"]
    pulled = set(zip(accounts, pd.to_datetime(log_days["date_day"]), strict=True))
    reach = [pd.Timedelta(days=number) for number in range(-MATCH_DAYS, MATCH_DAYS + 1)]
    return [
        all((account, day + apart) in pulled for apart in reach if watch.first <= day + apart <= watch.last)
        for account, day in zip(_account(breaks["unit"]), breaks["day"], strict=True)
    ]


def _id(unit: str, kind: str, day: pd.Timestamp) -> str:
    return hashlib.sha256(f"{unit}|{kind}|{day:%Y-%m-%d}".encode()).hexdigest()[:16]


def _account(units: pd.Series) -> pd.Series:
    """Platform and account of each unit id."""
    return units.str.rsplit(":", n=1).str[0]


def _assignments(
    found: pd.DataFrame, units: pd.Series, as_of: date, n_days: int, declared: Declared | None
) -> list[Assignment]:
    logged = found[found["evidence"] != "detected"].assign(account=lambda rows: _account(rows["unit"]))
    drawn: dict[object, Assignment] = {}
    if declared is not None:
        places = declared_instruments(logged, declared.rules, declared.panel) if declared.rules else {}
        places |= declared_assignments(logged, declared, as_of)
        drawn = {logged.index[place]: assignment for place, assignment in places.items()}
    designs: dict[tuple[str, str, pd.Timestamp], Assignment] = {}
    for (platform, kind), rows in logged.groupby(["platform", "kind"]):
        accounts = {name for name in _account(units) if name.split(":")[0] == platform}
        for (account, day), assignment in common_dates(rows, accounts, n_days).items():
            designs[account, str(kind), day] = assignment
    keys = zip(found.index, _account(found["unit"]), found["kind"], found["day"], found["evidence"], strict=True)
    return [
        UNLOGGED if evidence == "detected" else drawn.get(row) or designs.get((account, kind, day), OBSERVATIONAL)
        for row, account, kind, day, evidence in keys
    ]


def _to_table(found: pd.DataFrame) -> pd.DataFrame:
    rows = found.rename(columns=_NAMES)[list(COLUMNS)]
    for name in _DAYS:
        rows[name] = [None if pd.isna(value) else pd.Timestamp(value).date() for value in rows[name]]
    return rows


def _to_roles(rows: pd.DataFrame) -> pd.DataFrame:
    types = {
        name: float if name in _NUMBERS else "datetime64[ns]" if name in _DAYS else object for name in COLUMNS
    }
    roles = rows.reindex(columns=list(COLUMNS)).astype(types)
    return roles.rename(columns={column: role for role, column in _NAMES.items()}).reset_index(drop=True)
