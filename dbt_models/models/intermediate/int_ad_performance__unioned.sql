-- Campaign-days of both ad platforms in common columns, every version.
select
    'meta' as platform,
    'insights_daily' as stream,
    account_id,
    campaign_id,
    'meta:' || account_id || ':' || campaign_id as unit_id,
    campaign_name,
    date_day,
    currency_code,
    spend,
    impressions,
    clicks,
    conversions,
    conversions_value,
    frequency,
    quality_ranking_level,
    source_mode,
    observed_from,
    observed_to
from {{ ref('stg_meta__insights_daily') }}
where level = 'campaign'

union all

select
    'google_ads' as platform,
    'daily' as stream,
    account_id,
    campaign_id,
    'google_ads:' || account_id || ':' || campaign_id as unit_id,
    campaign_name,
    date_day,
    currency_code,
    spend,
    impressions,
    clicks,
    conversions,
    conversions_value,
    null::double as frequency,
    null::integer as quality_ranking_level,
    source_mode,
    observed_from,
    observed_to
from {{ ref('stg_google_ads__daily') }}
where level = 'campaign'
