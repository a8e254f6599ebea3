{{ config(materialized='table_macro', parameters=['as_of_day', 'look_back', 'known_until := null']) }}
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
        'meta' as platform, account_id, date_day, observed_from, observed_to,
        unnest([
            {'metric': 'conversions_reported', 'value': conversions},
            {'metric': 'revenue_reported', 'value': conversions_value},
            {'metric': 'conversions_1d_click', 'value': conversions_1d_click},
            {'metric': 'conversions_7d_click', 'value': conversions_7d_click},
            {'metric': 'conversions_28d_click', 'value': conversions_28d_click},
            {'metric': 'conversions_1d_view', 'value': conversions_1d_view}
        ]) as entry
    from {{ ref('stg_meta__insights_daily') }}
    where level = 'campaign'
),

google as (
    select
        'google_ads' as platform, account_id, date_day, observed_from, observed_to,
        unnest([
            {'metric': 'conversions_reported', 'value': conversions},
            {'metric': 'revenue_reported', 'value': conversions_value}
        ]) as entry
    from {{ ref('stg_google_ads__daily') }}
    where level = 'campaign'
),

orders as (
    select
        'klaviyo' as platform, account_id, date_day, observed_from, observed_to,
        case when metric_name = 'Placed Order' then 1 else -1 end as sign,
        unnest([
            {'metric': 'orders', 'value': 1::decimal(18, 6)},
            {'metric': 'order_revenue', 'value': numeric_value::decimal(18, 6)}
        ]) as entry
    from {{ ref('stg_klaviyo__events') }}
    where metric_name in ('Placed Order', 'Refunded Order')
),

claims as (
    select platform, account_id, date_day, observed_from, observed_to, entry.metric as metric, entry.value as value
    from meta
    union all
    select platform, account_id, date_day, observed_from, observed_to, entry.metric, entry.value
    from google
    union all
    select platform, account_id, date_day, observed_from, observed_to, entry.metric, sign * entry.value
    from orders
)

select
    k.platform,
    c.metric,
    k.account_id,
    k.date_day,
    k.age_days,
    sum(c.value) as value
from clocks as k
join claims as c
    on
        c.platform = k.platform and c.account_id = k.account_id and c.date_day = k.date_day
        and c.observed_from <= k.seen_at and c.observed_to > k.seen_at
where c.value is not null
group by all
