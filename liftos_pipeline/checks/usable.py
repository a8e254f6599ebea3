"""What stops a day's whole run: its own day does not stand, or no platform is left whose data do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import pandas as pd

from liftos_pipeline.checks.density import account_days, empty_days
from liftos_pipeline.checks.outcome import CheckOutcome
from liftos_pipeline.checks.reconciliation import unreconciled

_WORST = 5


def newest_day_stands(
    panel: pd.DataFrame, levels: pd.DataFrame, as_of: date, max_empty_days: int, tolerance: float
) -> list[CheckOutcome]:
    """One outcome: accounts whose newest day was pulled and is empty, or does not add up over its levels.

    Older days that do not stand refuse the results of their platform and let those of the others through.

    Parameters
    ----------
    panel, levels, max_empty_days, tolerance
        As for the rules of density and reconciliation.
    as_of : date
        The newest day.
    """
    newest = pd.Timestamp(as_of)
    empty = empty_days(account_days(panel))
    empty = empty[pd.to_datetime(empty["date_day"]) == newest] if len(empty) > max_empty_days else empty.iloc[:0]
    apart = unreconciled(levels[pd.to_datetime(levels["date_day"]) == newest], tolerance)
    offenders = [
        {"platform": row.platform, "account_id": row.account_id, "date_day": f"{newest:%Y-%m-%d}", "why": "empty"}
        for row in empty.itertuples()
    ] + [
        {
            "platform": row.platform,
            "account_id": row.account_id,
            "date_day": f"{newest:%Y-%m-%d}",
            "why": f"{row.metric}: {row.levels}",
        }
        for row in apart.itertuples()
    ]
    return [
        CheckOutcome(
            gate="newest_day",
            subject="panel",
            passed=not offenders,
            severity="error",
            seen=f"{len(offenders)} faults of accounts on {newest:%Y-%m-%d}",
            expected="every account's newest day as full as usual, and the same at all levels",
            way_out=f"Run `liftos run --date {newest:%Y-%m-%d}` once the platform shows the day; it is pulled again. If "
            "the account really stood still, let LIFTOS_DENSITY_MAX_EMPTY_DAYS bear it."
            if offenders
            else "",
            offenders=tuple(offenders[:_WORST]),
        )
    ]


def a_platform_is_left(outcomes: Iterable[CheckOutcome], platforms: Sequence[str]) -> list[CheckOutcome]:
    """One outcome: platforms of which no rule on data found an error.

    Parameters
    ----------
    outcomes : iterable of CheckOutcome
        Of the rules on data; the subject begins with the platform.
    platforms : sequence of str
        Platforms with data.
    """
    failing: dict[str, list[str]] = {}
    for outcome in outcomes:
        platform = outcome.subject.split(".")[0]
        if not outcome.passed and outcome.severity == "error" and platform in platforms:
            failing.setdefault(platform, []).append(outcome.gate)
    left = [platform for platform in platforms if platform not in failing]
    told = "; ".join(
        f"{platform}: {', '.join(dict.fromkeys(gates))}" for platform, gates in sorted(failing.items())
    )
    return [
        CheckOutcome(
            gate="platform_left",
            subject="panel",
            passed=bool(left) or not platforms,
            severity="error",
            seen=told or "no error on any platform",
            expected="one platform at least whose data stand",
            way_out="" if left or not platforms else "See the check that is red for each platform.",
            offenders=()
            if left
            else tuple({"platform": name, "gates": ", ".join(gates)} for name, gates in sorted(failing.items())),
        )
    ]
