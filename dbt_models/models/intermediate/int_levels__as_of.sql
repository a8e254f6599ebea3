{{ config(materialized='table_macro', parameters=['as_of_day', 'look_back', "known_until := timestamp '9999-12-31'"]) }}
-- Sums of every level that an ad platform was pulled at, by account-day, as known at the end of the as-of day. Meta's
-- clicks are all clicks.
with days as (
    select source as platform, stream, account_id, date_day, known_at
    from {{ ref('int_days__visible') }}(as_of_day, look_back, known_until := known_until)
    where (source = 'meta' and stream = 'insights_daily') or (source = 'google_ads' and stream = 'daily')
),

meta as (
    select
        'meta' as platform, f.account_id, f.date_day, f.level,
        sum(f.spend) as spend,
        sum(f.impressions) as impressions,
        sum(f.clicks_all) as clicks,
        sum(f.conversions) as conversions
    from {{ ref('stg_meta__insights_daily') }} as f
    join days as d on d.platform = 'meta' and d.account_id = f.account_id and d.date_day = f.date_day
    where {{ stands('f', 'd.known_at') }}
    group by all
),

google as (
    select
        'google_ads' as platform, f.account_id, f.date_day, f.level,
        sum(f.spend) as spend,
        sum(f.impressions) as impressions,
        sum(f.clicks) as clicks,
        sum(f.conversions) as conversions
    from {{ ref('stg_google_ads__daily') }} as f
    join days as d on d.platform = 'google_ads' and d.account_id = f.account_id and d.date_day = f.date_day
    where {{ stands('f', 'd.known_at') }}
    group by all
)

select * from meta
union all
select * from google
