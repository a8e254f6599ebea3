{{ config(materialized='table_macro', parameters=['as_of_day', 'look_back', "known_until := timestamp '9999-12-31'"]) }}
-- What each account claimed of each day at each age, as pulled: age 0 on the day after. Ages at which a day was not
-- pulled have no row. Of several pulls at one age the last counts.
with clocks as (
    select
        source as platform,
        account_id,
        date_day,
        date_diff('day', date_day, observed_at::date) - 1 as age_days,
        max(observed_at) as seen_at
    from {{ source('ops', 'load_receipt') }}
    where
        (
            (source = 'meta' and stream = 'insights_daily')
            or (source = 'google_ads' and stream = 'daily')
            or (source = 'klaviyo' and stream = 'events')
        )
        and date_day between as_of_day::date - look_back::integer + 1 and as_of_day::date
        and observed_at < {{ read_at('as_of_day') }}
    group by all
    having age_days between 0 and 29
),

meta as (
    select
        k.platform, k.account_id, k.date_day, k.age_days,
        sum(f.conversions) as conversions_reported,
        sum(f.conversions_value) as revenue_reported,
        sum(f.conversions_1d_click) as conversions_1d_click,
        sum(f.conversions_7d_click) as conversions_7d_click,
        sum(f.conversions_28d_click) as conversions_28d_click,
        sum(f.conversions_1d_view) as conversions_1d_view
    from clocks as k
    join {{ ref('stg_meta__insights_daily') }} as f
        on
            k.platform = 'meta' and f.level = 'campaign' and f.account_id = k.account_id and f.date_day = k.date_day
            and f.observed_from <= k.seen_at and f.observed_to > k.seen_at
    group by all
),

google as (
    select
        k.platform, k.account_id, k.date_day, k.age_days,
        sum(f.conversions) as conversions_reported,
        sum(f.conversions_value) as revenue_reported
    from clocks as k
    join {{ ref('stg_google_ads__daily') }} as f
        on
            k.platform = 'google_ads' and f.level = 'campaign' and f.account_id = k.account_id
            and f.date_day = k.date_day and f.observed_from <= k.seen_at and f.observed_to > k.seen_at
    group by all
),

klaviyo as (
    select
        k.platform, k.account_id, k.date_day, k.age_days,
        sum(case f.metric_name when 'Placed Order' then 1 else -1 end)::decimal(38, 6) as orders,
        sum(case f.metric_name when 'Placed Order' then f.numeric_value else -f.numeric_value end)::decimal(38, 6)
            as order_revenue
    from clocks as k
    join {{ ref('stg_klaviyo__events') }} as f
        on
            k.platform = 'klaviyo' and f.metric_name in ('Placed Order', 'Refunded Order')
            and f.account_id = k.account_id and f.date_day = k.date_day
            and f.observed_from <= k.seen_at and f.observed_to > k.seen_at
    group by all
)

unpivot meta on columns(* exclude (platform, account_id, date_day, age_days)) into name metric value value
union all by name
unpivot google on columns(* exclude (platform, account_id, date_day, age_days)) into name metric value value
union all by name
unpivot klaviyo on columns(* exclude (platform, account_id, date_day, age_days)) into name metric value value
