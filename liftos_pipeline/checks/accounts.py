"""Accounts: is money in one currency, and does a day mean the same on every platform?"""

from __future__ import annotations

import pandas as pd

from liftos_pipeline.checks.outcome import CheckOutcome

_WORST = 5


def one_currency_per_unit(currencies: pd.DataFrame) -> list[CheckOutcome]:
    """One outcome per platform: units whose rows carry more than one currency. Their sums would mean nothing.

    Parameters
    ----------
    currencies : DataFrame
        platform, unit_id, currency_code, n_days, first_day: currencies of every unit within the look-back window.
    """
    outcomes = []
    for platform, part in currencies.groupby("platform", sort=True):
        ordered = part.sort_values(["unit_id", "first_day", "currency_code"])
        mixed = [
            {
                "unit_id": unit,
                "currencies": ", ".join(rows["currency_code"]),
                "changed_on": f"{pd.Timestamp(rows['first_day'].iloc[-1]):%Y-%m-%d}",
                "n_days": int(rows["n_days"].sum()),
            }
            for unit, rows in ordered.groupby("unit_id", sort=True)
            if rows["currency_code"].nunique() > 1
        ]
        last = max((str(entry["changed_on"]) for entry in mixed), default="")
        outcomes.append(
            CheckOutcome(
                gate="one_currency",
                subject=str(platform),
                passed=not mixed,
                severity="error",
                seen=f"{len(mixed)} of {part['unit_id'].nunique()} units with more than one currency",
                expected="one currency per unit over the look-back window",
                way_out=f"Do not use these units' money: set LIFTOS_LOOK_BACK_DAYS so that the window begins on {last} "
                "or later, or go on in a new account."
                if mixed
                else "",
                offenders=tuple(
                    sorted(mixed, key=lambda entry: (-int(str(entry["n_days"])), str(entry["unit_id"])))
                )[:_WORST],
            )
        )
    return outcomes


def accounts_agree(accounts: pd.DataFrame, column: str, what: str) -> list[CheckOutcome]:
    """Whether all platforms' accounts say the same; a warning, as they may differ on purpose. None without accounts.

    Parameters
    ----------
    accounts : DataFrame
        platform, account_id and ``column``, one row per account.
    column : str
        account_timezone or currency_code.
    what : str
        What the column is, in the message.
    """
    if accounts.empty:
        return []
    ordered = accounts.sort_values(["platform", "account_id"])
    usual = ordered[column].mode().iloc[0]
    others = ordered[ordered[column] != usual]
    said = "; ".join(f"{value}: {', '.join(part['platform'].unique())}" for value, part in ordered.groupby(column))
    return [
        CheckOutcome(
            gate=f"one_{what.replace(' ', '_')}",
            subject="accounts",
            passed=others.empty,
            severity="warn",
            seen=said,
            expected=f"one {what} in all accounts",
            way_out=""
            if others.empty
            else f"Compare no single days and no money across them; or give the accounts one {what}.",
            offenders=tuple(
                {"platform": row["platform"], "account_id": row["account_id"], column: row[column]}
                for row in others.to_dict("records")[:_WORST]
            ),
        )
    ]
