select
    account_id,
    level,
    entity_id,
    date_day,
    campaign_id,
    campaign_name,
    adset_id,
    ad_id,
    currency_code,
    spend,
    impressions,
    reach,
    frequency,
    clicks_all,
    link_clicks as clicks,
    ctr_pct,
    conversions,
    conversions_value,
    conversion_action_type,
    conversions_1d_click,
    conversions_7d_click,
    conversions_28d_click,
    conversions_1d_view,
    attribution_setting,
    quality_ranking,
    case
        when quality_ranking = 'ABOVE_AVERAGE' then 3
        when quality_ranking = 'AVERAGE' then 2
        when quality_ranking like 'BELOW_AVERAGE%' then 1
    end as quality_ranking_level,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'meta_insights_daily') }}
