"""Google Ads through REST: what is asked, what its errors mean, how its rows become columns. The change log is in
``google_changes``; HTTP and casting are elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import httpx
import pyarrow as pa

from liftos_pipeline.schema import raw
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources.client import Client, Limits
from liftos_pipeline.sources.columns import Columns, extras, part
from liftos_pipeline.sources.google_changes import read_change_events
from liftos_pipeline.sources.google_experiments import read_experiment_arms, read_experiments
from liftos_pipeline.sources.google_wire import RefreshedToken, classify, known_fields, last_id, search
from liftos_pipeline.sources.localtime import checked_zone
from liftos_pipeline.sources.pull import Pull, Row
from liftos_pipeline.sources.redact import Redactor
from liftos_pipeline.sources.stream import Account, Connection, Query, Source, Stream

_CUSTOMER = "customer.id, customer.descriptive_name, customer.currency_code, customer.time_zone, customer.status"
_METRICS = (
    "metrics.cost_micros, metrics.impressions, metrics.clicks, metrics.conversions, metrics.conversions_value, "
    "metrics.all_conversions, metrics.view_through_conversions, metrics.conversions_by_conversion_date, "
    "metrics.ctr, metrics.search_impression_share, metrics.search_budget_lost_impression_share"
)
_DAILY: dict[str, str] = {
    "campaign": f"campaign.id, campaign.name, segments.date, customer.currency_code, {_METRICS}",
    "ad_group": f"campaign.id, campaign.name, ad_group.id, segments.date, customer.currency_code, {_METRICS}",
}
_KEYWORDS = (
    "campaign.id, ad_group.id, ad_group_criterion.criterion_id, ad_group_criterion.keyword.text, "
    "ad_group_criterion.keyword.match_type, segments.date, metrics.historical_quality_score, "
    "metrics.historical_creative_quality_score, metrics.historical_landing_page_quality_score, "
    "metrics.historical_search_predicted_ctr, metrics.impressions, metrics.clicks, metrics.cost_micros"
)
_CAMPAIGNS = (
    "campaign.id, campaign.name, campaign.status, campaign.advertising_channel_type, campaign.campaign_budget"
)
_AD_GROUPS = "ad_group.id, ad_group.name, ad_group.campaign, ad_group.status, campaign.id"
_BUDGETS = (
    "campaign_budget.id, campaign_budget.amount_micros, campaign_budget.explicitly_shared, "
    "campaign_budget.reference_count, campaign_budget.period"
)


def connect(
    settings: Settings,
    *,
    clock: datetime | None,
    transport: httpx.BaseTransport | None,
    hash_key: bytes,
    sleep: Callable[[float], None] = time.sleep,
) -> Connection:
    """Connection with a refreshed token; asks nothing yet."""
    token = RefreshedToken(settings, clock=clock, transport=transport, hash_key=hash_key, sleep=sleep)
    client = Client(
        "google_ads",
        f"{settings.liftos_google_ads_base_url.rstrip('/')}/{settings.google_ads_api_version}",
        token.headers,
        classify,
        redactor=Redactor(hash_key, "google_ads", token.secrets),
        limits=Limits(wait_budget_s=settings.liftos_http_wait_budget_s),
        transport=transport,
        clock=clock,
        halves_what_is_cut=True,
        sleep=sleep,
    )
    return Connection("google_ads", client, settings, settings.google_ads_api_version, clock, _ask_account)


def accounts(settings: Settings, connection: Connection) -> tuple[str, ...]:  # noqa: ARG001
    """Ids of GOOGLE_ADS_CUSTOMER_IDS, digits only."""
    ids = (settings.google_ads_customer_ids or "").split(",")
    return tuple(entry.strip().replace("-", "") for entry in ids if entry.strip())


def _account(pull: Pull, account_id: str) -> Account:
    rows = search(pull, account_id, f"SELECT {_CUSTOMER} FROM customer")
    if len(rows) != 1:
        raise pull.malformed("results", len(rows), "one customer")
    customer = part(rows, "customer", pull)[0]
    for field in ("currencyCode", "timeZone"):
        if not isinstance(customer.get(field), str):
            raise pull.malformed(f"customer.{field}", customer.get(field), "text", 0)
    name, status = customer.get("descriptiveName"), customer.get("status")
    return Account(
        account_id,
        None if name is None else str(name),
        str(customer["currencyCode"]),
        checked_zone(str(customer["timeZone"]), "google_ads", account_id),
        None if status is None else str(status),
    )


def _ask_account(connection: Connection, account_id: str) -> Account:
    return _account(Pull(connection.client, "google_ads.customer"), account_id)


def _read_customer(query: Query) -> pa.Table:
    account = _account(query.pull, query.account_id)
    query.connection.accounts_seen[query.account_id] = account
    columns = Columns(raw.GOOGLE_ADS_CUSTOMER, query.pull, query.account_id, 1)
    columns.put("account_name", [account.name], "customer.descriptiveName")
    columns.put("currency_code", [account.currency_code], "customer.currencyCode")
    columns.put("account_timezone", [account.timezone], "customer.timeZone")
    columns.put("status", [account.status], "customer.status")
    return columns.finish(_extra(query.pull, _CUSTOMER))


def _between(query: Query) -> str:
    return f"segments.date BETWEEN '{query.start.isoformat()}' AND '{query.end.isoformat()}'"


def _values(rows: Sequence[Row], name: str) -> list[object]:
    return [row.get(name) for row in rows]


def _extra(pull: Pull, fields: str) -> list[str | None]:
    """Members of the rows that were not asked for."""
    known = known_fields(fields)
    parts = [(f"{name}.", part(pull.rows, name, pull), members) for name, members in known.items()]
    return extras([("", pull.rows, frozenset(known)), *parts], len(pull.rows))


def _read_daily(query: Query) -> pa.Table:
    """Performance of campaigns and of ad groups; a day without impressions is not sent."""
    pull = query.pull
    levels: list[str] = []
    for level, fields in _DAILY.items():
        levels += [level] * len(
            search(pull, query.account_id, f"SELECT {fields} FROM {level} WHERE {_between(query)}")
        )
    rows = pull.rows
    columns = Columns(raw.GOOGLE_ADS_DAILY, pull, query.account_id, len(rows))
    campaigns, ad_groups = part(rows, "campaign", pull), part(rows, "adGroup", pull)
    campaign_ids = _values(campaigns, "id")
    ad_group_ids = [
        row.get("id") if level == "ad_group" else None for row, level in zip(ad_groups, levels, strict=True)
    ]
    entity_ids = [
        a if level == "ad_group" else c for a, c, level in zip(ad_group_ids, campaign_ids, levels, strict=True)
    ]
    columns.put("level", levels)
    columns.put("campaign_id", campaign_ids, "campaign.id")
    columns.put("entity_id", entity_ids, "adGroup.id")
    columns.put("date_day", _values(part(rows, "segments", pull), "date"), "segments.date")
    columns.put("campaign_name", _values(campaigns, "name"), "campaign.name")
    columns.put("ad_group_id", ad_group_ids, "adGroup.id")
    currency = query.account.currency_code
    sent = _values(part(rows, "customer", pull), "currencyCode")
    columns.put("currency_code", [code or currency for code in sent], "customer.currencyCode")
    _put_metrics(columns, part(rows, "metrics", pull))
    return columns.finish(_extra(pull, _DAILY["ad_group"]))


_COUNTED = {
    "clicks": "clicks",
    "conversions": "conversions",
    "conversions_value": "conversionsValue",
    "all_conversions": "allConversions",
    "view_through_conversions": "viewThroughConversions",
    "conversions_by_conversion_date": "conversionsByConversionDate",
}
"""Counts of a row that was delivered. Google leaves unset counts out; they were asked for, so absent is 0."""
_LARGEST_MICROS = 1e18
"""Credits for invalid clicks are negative costs."""
_RATIOS = {
    "ctr_ratio": "ctr",
    "search_impression_share": "searchImpressionShare",
    "search_budget_lost_impression_share": "searchBudgetLostImpressionShare",
}


def _put_metrics(columns: Columns, metrics: Sequence[Row]) -> None:
    cost = _values(metrics, "costMicros")
    columns.put(
        "cost_micros", cost, "metrics.costMicros", -_LARGEST_MICROS, largest=_LARGEST_MICROS, required=True
    )
    columns.put("impressions", _values(metrics, "impressions"), "metrics.impressions", minimum=0, required=True)
    for column, field in _COUNTED.items():
        values = [0 if value is None else value for value in _values(metrics, field)]
        columns.put(column, values, f"metrics.{field}")
    columns.at_most("clicks", "impressions")
    for column, field in _RATIOS.items():
        columns.put(column, _values(metrics, field), f"metrics.{field}")


def _read_keywords(query: Query) -> pa.Table:
    """Quality per keyword and day; an absent score is unknown, not 0."""
    pull = query.pull
    rows = search(pull, query.account_id, f"SELECT {_KEYWORDS} FROM keyword_view WHERE {_between(query)}")
    columns = Columns(raw.GOOGLE_ADS_KEYWORD_QUALITY_DAILY, pull, query.account_id, len(rows))
    criteria, metrics = part(rows, "adGroupCriterion", pull), part(rows, "metrics", pull)
    keywords = part(criteria, "keyword", pull)
    columns.put("ad_group_id", _values(part(rows, "adGroup", pull), "id"), "adGroup.id")
    columns.put("criterion_id", _values(criteria, "criterionId"), "adGroupCriterion.criterionId")
    columns.put("date_day", _values(part(rows, "segments", pull), "date"), "segments.date")
    columns.put("campaign_id", _values(part(rows, "campaign", pull), "id"), "campaign.id")
    columns.put("keyword_text", _values(keywords, "text"), "adGroupCriterion.keyword.text")
    columns.put("match_type", _values(keywords, "matchType"), "adGroupCriterion.keyword.matchType")
    fields: Mapping[str, str] = {
        "historical_quality_score": "historicalQualityScore",
        "creative_quality": "historicalCreativeQualityScore",
        "landing_page_quality": "historicalLandingPageQualityScore",
        "predicted_ctr": "historicalSearchPredictedCtr",
        "impressions": "impressions",
        "clicks": "clicks",
        "cost_micros": "costMicros",
    }
    for column, field in fields.items():
        minimum = {"historical_quality_score": 1, "cost_micros": 0}.get(column)
        columns.put(column, _values(metrics, field), f"metrics.{field}", minimum)
    return columns.finish(_extra(pull, _KEYWORDS))


def _read_campaigns(query: Query) -> pa.Table:
    pull = query.pull
    rows = search(pull, query.account_id, f"SELECT {_CAMPAIGNS} FROM campaign")
    campaigns = part(rows, "campaign", pull)
    columns = Columns(raw.GOOGLE_ADS_CAMPAIGNS, pull, query.account_id, len(rows))
    columns.put("campaign_id", _values(campaigns, "id"), "campaign.id")
    columns.put("campaign_name", _values(campaigns, "name"), "campaign.name")
    columns.put("status", _values(campaigns, "status"), "campaign.status")
    columns.put("channel_type", _values(campaigns, "advertisingChannelType"), "campaign.advertisingChannelType")
    budgets = [last_id(name) for name in _values(campaigns, "campaignBudget")]
    columns.put("budget_id", budgets, "campaign.campaignBudget")
    return columns.finish(_extra(pull, _CAMPAIGNS))


def _read_ad_groups(query: Query) -> pa.Table:
    pull = query.pull
    rows = search(pull, query.account_id, f"SELECT {_AD_GROUPS} FROM ad_group")
    ad_groups, campaigns = part(rows, "adGroup", pull), part(rows, "campaign", pull)
    columns = Columns(raw.GOOGLE_ADS_AD_GROUPS, pull, query.account_id, len(rows))
    columns.put("ad_group_id", _values(ad_groups, "id"), "adGroup.id")
    parents = [
        group.get("id") or last_id(name)
        for group, name in zip(campaigns, _values(ad_groups, "campaign"), strict=True)
    ]
    columns.put("campaign_id", parents, "adGroup.campaign")
    columns.put("ad_group_name", _values(ad_groups, "name"), "adGroup.name")
    columns.put("status", _values(ad_groups, "status"), "adGroup.status")
    return columns.finish(_extra(pull, _AD_GROUPS))


def _read_budgets(query: Query) -> pa.Table:
    pull = query.pull
    rows = search(pull, query.account_id, f"SELECT {_BUDGETS} FROM campaign_budget")
    budgets = part(rows, "campaignBudget", pull)
    columns = Columns(raw.GOOGLE_ADS_CAMPAIGN_BUDGETS, pull, query.account_id, len(rows))
    columns.put("budget_id", _values(budgets, "id"), "campaignBudget.id")
    columns.put("amount_micros", _values(budgets, "amountMicros"), "campaignBudget.amountMicros", minimum=0)
    columns.put("explicitly_shared", _values(budgets, "explicitlyShared"), "campaignBudget.explicitlyShared")
    columns.put("reference_count", _values(budgets, "referenceCount"), "campaignBudget.referenceCount")
    columns.put("period", _values(budgets, "period"), "campaignBudget.period")
    return columns.finish(_extra(pull, _BUDGETS))


SOURCE = Source(
    name="google_ads",
    streams=(
        Stream("customer", raw.GOOGLE_ADS_CUSTOMER, "snapshot", 1, _read_customer),
        Stream(
            "daily",
            raw.GOOGLE_ADS_DAILY,
            "window",
            30,
            _read_daily,
            max_days=90,
            reaches_back_days=1123,
            weekly_days=90,
        ),
        Stream(
            "keyword_quality_daily",
            raw.GOOGLE_ADS_KEYWORD_QUALITY_DAILY,
            "window",
            3,
            _read_keywords,
            max_days=90,
            reaches_back_days=1123,
        ),
        Stream(
            "change_events",
            raw.GOOGLE_ADS_CHANGE_EVENTS,
            "window",
            7,
            read_change_events,
            max_days=30,
            reaches_back_days=30,
        ),
        Stream("campaigns", raw.GOOGLE_ADS_CAMPAIGNS, "snapshot", 1, _read_campaigns),
        Stream("ad_groups", raw.GOOGLE_ADS_AD_GROUPS, "snapshot", 1, _read_ad_groups),
        Stream("campaign_budgets", raw.GOOGLE_ADS_CAMPAIGN_BUDGETS, "snapshot", 1, _read_budgets),
        Stream("experiments", raw.GOOGLE_ADS_EXPERIMENTS, "snapshot", 1, read_experiments),
        Stream("experiment_arms", raw.GOOGLE_ADS_EXPERIMENT_ARMS, "snapshot", 1, read_experiment_arms),
    ),
    connect=connect,
    accounts=accounts,
)
