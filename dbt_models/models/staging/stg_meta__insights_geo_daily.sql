select
    account_id,
    geo_type,
    geo_id,
    date_day,
    currency_code,
    spend,
    impressions,
    link_clicks as clicks,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'meta_insights_geo_daily') }}
