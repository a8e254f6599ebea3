"""Google Ads rows per day as JSON texts: campaigns, ad groups, keywords. Micros, int64 as strings, no zeros."""

from __future__ import annotations

import numpy as np

from liftos_pipeline.platforms.delivery import Delivered, child_id, delivered
from liftos_pipeline.platforms.wire import Request
from liftos_pipeline.simulator.ads import AdsPanel

AD_GROUP, KEYWORD, BUDGET = 1, 2, 3
_DELIVERY = ("segments.date", "metrics.cost_micros", "metrics.impressions", "metrics.clicks")
_PERFORMANCE = frozenset(
    (
        *("campaign.id", "campaign.name", "customer.currency_code", "metrics.ctr", *_DELIVERY),
        *("metrics.conversions", "metrics.conversions_value", "metrics.all_conversions"),
        *("metrics.conversions_by_conversion_date", "metrics.search_impression_share"),
    )
)
RENDERED: dict[str, frozenset[str]] = {
    "campaign": _PERFORMANCE,
    "ad_group": _PERFORMANCE | {"ad_group.id"},
    "keyword_view": frozenset(
        (
            *("campaign.id", "ad_group.id", "ad_group_criterion.criterion_id", *_DELIVERY),
            *("ad_group_criterion.keyword.text", "ad_group_criterion.keyword.match_type"),
            *("metrics.historical_quality_score", "metrics.historical_creative_quality_score"),
            *("metrics.historical_landing_page_quality_score", "metrics.historical_search_predicted_ctr"),
        )
    ),
}
"""Fields that the rows of a day carry. A query that asks for all of them gets the rows as they are."""

_QUALITY_UNKNOWN_EVERY = 20
"""One keyword-day in so many has no quality score."""

_CENSORED_BELOW = 500
"""Impressions below which the impression share is given as the platform gives everything under 10 %."""


def by_campaign(request: Request, panel: AdsPanel, units: np.ndarray, days: range) -> list[str]:
    """Performance of campaigns."""
    return _performance(request, panel, units, days, by_ad_group=False)


def by_ad_group(request: Request, panel: AdsPanel, units: np.ndarray, days: range) -> list[str]:
    """Performance of ad groups."""
    return _performance(request, panel, units, days, by_ad_group=True)


def _dates(request: Request, rows: Delivered) -> dict[int, str]:
    return {day: request.day(day).isoformat() for day in dict.fromkeys(rows.day)}


def _performance(
    request: Request, panel: AdsPanel, units: np.ndarray, days: range, by_ad_group: bool
) -> list[str]:
    rows = delivered(request, panel, units, days, by_ad_group)
    heads = {(u, child): _head(panel, u, child, by_ad_group) for u in units.tolist() for child in (0, 1)}
    dates = _dates(request, rows)
    columns = zip(
        *(rows.day, rows.unit, rows.child, rows.cents, rows.impressions, rows.clicks, rows.conversions),
        rows.order_value,
        strict=True,
    )
    return [
        f'{{{heads[unit, child]},"customer":{{"currencyCode":"USD"}},"segments":{{"date":"{dates[day]}"}},'
        f'"metrics":{{"costMicros":"{cents}0000","impressions":"{impressions}"'
        f"{_clicks(clicks, impressions) if clicks else ''}{_conversions(bought, value) if bought else ''}"
        f',"searchImpressionShare":{0.0999 if impressions < _CENSORED_BELOW else 0.42}}}}}'
        for day, unit, child, cents, impressions, clicks, bought, value in columns
    ]


def _head(panel: AdsPanel, unit: int, child: int, by_ad_group: bool) -> str:
    account, campaign = panel.account_ids[unit], str(panel.campaign_ids[unit])
    name = f"customers/{account}/campaigns/{campaign}"
    head = f'"campaign":{{"resourceName":"{name}","id":"{campaign}","name":"Campaign {campaign[-6:]}"}}'
    if not by_ad_group:
        return head
    group = child_id(campaign, AD_GROUP, child)
    return f'{head},"adGroup":{{"resourceName":"customers/{account}/adGroups/{group}","id":"{group}"}}'


def _clicks(clicks: int, impressions: int) -> str:
    return f',"clicks":"{clicks}","ctr":{clicks / impressions!r}'


def _conversions(bought: int, value: float) -> str:
    return (
        f',"conversions":{bought}.0,"conversionsValue":{round(bought * value, 2)!r},"allConversions":{bought}.0,'
        f'"conversionsByConversionDate":{bought}.0'
    )


def keywords(request: Request, panel: AdsPanel, units: np.ndarray, days: range) -> list[str]:
    """Quality and delivery of the one keyword of every ad group."""
    rows = delivered(request, panel, units, days, by_child=True)
    heads = {(unit, child): _keyword(panel, unit, child) for unit in units.tolist() for child in (0, 1)}
    scores = panel.quality_score[rows.day, rows.unit].tolist()
    quality = {score: _quality(score) for score in set(scores)}
    dates = _dates(request, rows)
    columns = zip(
        *(rows.day, rows.unit, rows.child, rows.cents, rows.impressions, rows.clicks, scores),
        strict=True,
    )
    return [
        f'{{{heads[unit, child]},"segments":{{"date":"{dates[day]}"}},"metrics":{{"costMicros":"{cents}0000",'
        f'"impressions":"{impressions}","clicks":"{clicks}"'
        f"{quality[score] if (day + unit) % _QUALITY_UNKNOWN_EVERY else ''}}}}}"
        for day, unit, child, cents, impressions, clicks, score in columns
    ]


def _keyword(panel: AdsPanel, unit: int, child: int) -> str:
    account, campaign = panel.account_ids[unit], str(panel.campaign_ids[unit])
    group, keyword = child_id(campaign, AD_GROUP, child), child_id(campaign, KEYWORD, child)
    return (
        f'"campaign":{{"id":"{campaign}"}},"adGroup":{{"id":"{group}"}},'
        f'"adGroupCriterion":{{"resourceName":"customers/{account}/adGroupCriteria/{group}~{keyword}",'
        f'"criterionId":"{keyword}","keyword":{{"text":"keyword {keyword[-6:]}","matchType":"PHRASE"}}}}'
    )


def _quality(score: int) -> str:
    level = "ABOVE_AVERAGE" if score >= 8 else "AVERAGE" if score >= 5 else "BELOW_AVERAGE"
    return (
        f',"historicalQualityScore":{score},"historicalCreativeQualityScore":"{level}",'
        f'"historicalLandingPageQualityScore":"{level}","historicalSearchPredictedCtr":"{level}"'
    )
