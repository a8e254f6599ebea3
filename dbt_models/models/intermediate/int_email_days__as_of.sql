{{ config(materialized='table_macro', parameters=['as_of_day', 'look_back', "known_until := timestamp '9999-12-31'"]) }}
-- What happened per list and day, and per account and day: mail, unsubscribes, orders net of refunds.
with events as (
    select e.*, v.vintage
    from {{ ref('stg_klaviyo__events') }} as e
    join {{ ref('int_days__visible') }}(as_of_day, look_back, known_until := known_until) as v
        on
            v.source = 'klaviyo' and v.stream = 'events'
            and v.account_id = e.account_id and v.date_day = e.date_day
    where {{ stands('e', 'v.known_at') }}
),

messages as (
    select c.account_id, c.message_id, any_value(c.list_id) as list_id
    from {{ ref('stg_klaviyo__campaigns') }} as c
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'klaviyo' and v.stream = 'campaigns' and v.account_id = c.account_id
    where {{ stands('c', 'v.known_at') }}
    group by all
),

placed as (
    select
        e.account_id,
        coalesce(s.list_id, m.list_id) as list_id,
        e.date_day,
        e.metric_name,
        e.numeric_value
    from events as e
    left join messages as s on s.account_id = e.account_id and s.message_id = e.message_id
    left join {{ ref('int_list_members__as_of') }}(as_of_day, known_until := known_until) as m
        on m.account_id = e.account_id and m.profile_id = e.profile_id
),

units as (
    select account_id, 'list' as unit_type, list_id as entity_id, date_day, metric_name, numeric_value
    from placed
    where list_id is not null
    union all
    select account_id, 'account', account_id, date_day, metric_name, numeric_value
    from placed
)

select
    account_id,
    unit_type,
    entity_id,
    date_day,
    count_if(metric_name = 'Received Email') as email_sends,
    count_if(metric_name = 'Opened Email') as email_opens,
    count_if(metric_name = 'Clicked Email') as email_clicks,
    count_if(metric_name in ('Unsubscribed from Email Marketing', 'Unsubscribed')) as unsubscribes,
    count_if(metric_name = 'Placed Order') - count_if(metric_name = 'Refunded Order') as orders,
    coalesce(sum(numeric_value) filter (where metric_name = 'Placed Order'), 0)
    - coalesce(sum(numeric_value) filter (where metric_name = 'Refunded Order'), 0) as order_revenue
from units
group by all
