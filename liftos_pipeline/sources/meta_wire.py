"""What Meta's streams share: links to the next page, statuses, and amounts in the smallest unit of a currency.
Spend is not one of those: it comes in major units.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from liftos_pipeline.sources.pull import Pull, Row

CAMPAIGN_STATUSES = ("ACTIVE", "PAUSED", "ARCHIVED", "DELETED", "IN_PROCESS", "WITH_ISSUES")
ADSET_STATUSES = (*CAMPAIGN_STATUSES, "CAMPAIGN_PAUSED")
AD_STATUSES = (*ADSET_STATUSES, "ADSET_PAUSED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED")
"""All of them are asked for: without a filter, what was archived or deleted since vanishes from the past."""

_WITHOUT_MINOR_UNIT = frozenset({"CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND"})


def major_units(pull: Pull, field: str, amount: object, currency: str) -> str | None:
    """Amount in major units as a decimal string; None stays None.

    Raises
    ------
    MalformedPage
        It is not a number.

    References
    ----------
    Meta, Marketing API, "Currencies": currencies with offset 1 have no smaller unit in the interface.
    """
    if amount is None:
        return None
    try:
        value = Decimal(str(amount)) if type(amount) in (str, int) else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise pull.malformed(field, amount, f"an amount in the smallest unit of {currency}")
    return str(value if currency in _WITHOUT_MINOR_UNIT else value / 100)


def next_link(page: Row) -> object:
    """``paging.next``; a page without it is the last one, whatever its length."""
    paging = page.get("paging")
    return paging.get("next") if isinstance(paging, dict) else None
