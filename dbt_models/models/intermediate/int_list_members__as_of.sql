{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- The list of each person: the one joined first, so that nobody counts twice.
select
    m.account_id,
    m.profile_id,
    arg_min(m.list_id, (m.joined_at, m.list_id)) as list_id
from {{ ref('stg_klaviyo__list_memberships') }} as m
join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
    on v.source = 'klaviyo' and v.stream = 'list_memberships' and v.account_id = m.account_id
where {{ stands('m', 'v.known_at') }}
group by all
