{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- One row per person and list, from joining to unsubscribing: what was known at the end of one day, however far back.
with members as (
    select m.account_id, m.profile_id, m.list_id, min(m.joined_at) as joined_at
    from {{ ref('stg_klaviyo__list_memberships') }} as m
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'klaviyo' and v.stream = 'list_memberships' and v.account_id = m.account_id
    where {{ stands('m', 'v.known_at') }}
    group by all
),

stops as (
    select e.account_id, e.profile_id, e.occurred_at
    from {{ ref('stg_klaviyo__events') }} as e
    join {{ ref('int_days__visible') }}(as_of_day, 36500, known_until := known_until) as v
        on
            v.source = 'klaviyo' and v.stream = 'events'
            and v.account_id = e.account_id and v.date_day = e.date_day
    where
        {{ stands('e', 'v.known_at') }}
        and e.metric_name in ('Unsubscribed from Email Marketing', 'Unsubscribed')
)

select
    m.account_id,
    m.list_id,
    m.profile_id,
    m.joined_at::date as joined_on,
    min(s.occurred_at)::date as left_on,
    (min(s.occurred_at) is not null)::integer as has_unsubscribed
from members as m
left join stops as s
    on s.account_id = m.account_id and s.profile_id = m.profile_id and s.occurred_at >= m.joined_at
where m.joined_at::date <= as_of_day::date
group by all
