"""Meta insights as JSON texts: strings for numbers, one purchase under three names, absent keys for zeros."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import numpy as np

from liftos_pipeline.platforms.delivery import child_id, delivered
from liftos_pipeline.platforms.wire import Request
from liftos_pipeline.simulator.ads import AdsPanel

ADSET, AD, CREATIVE = 1, 2, 3
FIELDS = frozenset(
    (
        *("account_id", "account_currency", "campaign_id", "campaign_name", "adset_id", "ad_id"),
        *("date_start", "date_stop", "spend", "impressions", "reach", "frequency", "ctr", "clicks"),
        *("inline_link_clicks", "actions", "action_values", "attribution_setting", "quality_ranking"),
    )
)
_PURCHASES = ("purchase", "omni_purchase", "offsite_conversion.fb_pixel_purchase")
_BETWEEN = ',{"action_type":"'
_WINDOWS = {"1d_click": 0.6, "7d_click": 0.85, "28d_click": 1.0, "1d_view": 0.1}


def insights(
    request: Request, panel: AdsPanel, units: np.ndarray, since: date, until: date, level: str
) -> list[str]:
    """Rows of one account, by day and campaign."""
    by_ad = level == "ad"
    rows = delivered(request, panel, units, request.day_range(since, until), by_ad)
    heads = {(unit, child): _head(panel, unit, child, by_ad) for unit in units.tolist() for child in (0, 1)}
    setting = {day: panel.attribution_setting(day) for day in dict.fromkeys(rows.day)}
    tails = {(unit, name): _tail(panel, unit, name) for unit in units.tolist() for name in set(setting.values())}
    dates = {day: request.day(day).isoformat() for day in dict.fromkeys(rows.day)}
    seen = panel.frequency[rows.day, rows.unit]
    shown = np.array(rows.impressions)
    reach = np.maximum(shown / seen, 1.0).astype(np.int64).tolist()
    rate = (100.0 * np.array(rows.clicks) / shown).tolist()
    columns = zip(
        *(rows.day, rows.unit, rows.child, rows.cents, rows.impressions, rows.clicks, rows.conversions),
        *(rows.order_value, seen.tolist(), reach, rate),
        strict=True,
    )
    return [
        f'{{{heads[unit, child]},"date_start":"{dates[day]}","date_stop":"{dates[day]}",'
        f'"spend":"{cents // 100}.{cents % 100:02d}","impressions":"{impressions}","reach":"{reached}",'
        f'"frequency":"{frequency:.6f}","ctr":"{ctr:.6f}"{_clicks(clicks) if clicks else ""}'
        f"{_bought(bought, clicks, value) if bought else ''},{tails[unit, setting[day]]}}}"
        for day, unit, child, cents, impressions, clicks, bought, value, frequency, reached, ctr in columns
    ]


def _head(panel: AdsPanel, unit: int, child: int, by_ad: bool) -> str:
    campaign = str(panel.campaign_ids[unit])
    head = (
        f'"account_id":"{panel.account_ids[unit]}","account_currency":"USD","campaign_id":"{campaign}",'
        f'"campaign_name":"Campaign {campaign[-6:]}"'
    )
    if not by_ad:
        return head
    return f'{head},"adset_id":"{child_id(campaign, ADSET, child)}","ad_id":"{child_id(campaign, AD, child)}"'


def _tail(panel: AdsPanel, unit: int, setting: str) -> str:
    score = panel.quality[unit]
    ranking = "ABOVE_AVERAGE" if score > 0.6 else "AVERAGE" if score > -0.6 else "BELOW_AVERAGE_35"
    return f'"attribution_setting":"{setting}","quality_ranking":"{ranking}"'


def _clicks(clicks: int) -> str:
    return f',"clicks":"{clicks}","inline_link_clicks":"{clicks - clicks // 8}"'


def _bought(bought: int, clicks: int, value: float) -> str:
    money = f'","value":"{bought * value:.2f}"}}'
    values = f'{{"action_type":"{(money + _BETWEEN).join(_PURCHASES)}{money}'
    link = f'{{"action_type":"link_click","value":"{clicks}"}}'
    return f',"actions":[{link},{_purchases(bought)}],"action_values":[{values}]'


@lru_cache(maxsize=1024)
def _purchases(bought: int) -> str:
    windows = ",".join(f'"{name}":"{int(bought * share)}"' for name, share in _WINDOWS.items())
    return ",".join(f'{{"action_type":"{kind}","value":"{bought}",{windows}}}' for kind in _PURCHASES)
