{{ config(materialized='view') }}
-- Campaign-days as they are known now, in the columns that ad reporting packages agree on.
with names as (
    select 'meta' as platform, account_id, account_name, observed_to from {{ ref('stg_meta__account') }}
    union all
    select 'google_ads', account_id, account_name, observed_to from {{ ref('stg_google_ads__customer') }}
)

select
    p.source_mode as source_relation,
    p.date_day,
    p.platform,
    p.account_id,
    n.account_name,
    p.campaign_id,
    p.campaign_name,
    p.clicks,
    p.impressions,
    p.spend,
    p.conversions,
    p.conversions_value
from {{ ref('int_ad_performance__unioned') }} as p
left join names as n
    on n.platform = p.platform and n.account_id = p.account_id and n.observed_to = timestamp '9999-12-31'
where p.observed_to = timestamp '9999-12-31'
