{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- Changes of Klaviyo lists, read off the campaign schedule, which has no change log. Volume: the gap to the send
-- before shrinks to three quarters or grows by a third, and the next gap confirms it. Targeting: other audiences are
-- left out than at the send before. Creative: another template.
with sends as (
    select
        c.account_id,
        c.list_id,
        c.send_at,
        c.excluded_ids,
        c.template_id,
        c.observed_from
    from {{ ref('stg_klaviyo__campaigns') }} as c
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'klaviyo' and v.stream = 'campaigns' and v.account_id = c.account_id
    where
        {{ stands('c', 'v.known_at') }}
        and c.list_id is not null
        and c.send_at < as_of_day::date + interval 1 day
),

gaps as (
    select
        *,
        lag(excluded_ids) over per_list as excluded_before,
        lag(template_id) over per_list as template_before,
        date_diff('day', lag(send_at) over per_list, send_at) as gap_days
    from sends
    window per_list as (partition by account_id, list_id order by send_at)
),

steps as (
    select
        *,
        lag(gap_days) over per_list as gap_before,
        lead(gap_days) over per_list as gap_after
    from gaps
    window per_list as (partition by account_id, list_id order by send_at)
),

changes as (
    select
        account_id, list_id, 'budget_change' as treatment_type, send_at,
        ln(gap_before / gap_days) as dose, observed_from
    from steps
    where
        gap_before > 0 and gap_days > 0
        and (gap_days <= 0.75 * gap_before or gap_days >= 1.33 * gap_before)
        and gap_after between 0.75 * gap_days and 1.33 * gap_days
    union all
    select account_id, list_id, 'targeting_change', send_at, null, observed_from
    from steps
    where excluded_ids is distinct from excluded_before and excluded_before is not null
    union all
    select account_id, list_id, 'creative_change', send_at, null, observed_from
    from steps
    where template_id is distinct from template_before and template_before is not null
)

select
    'klaviyo' as platform,
    'klaviyo:' || account_id || ':' || list_id as unit_id,
    treatment_type,
    send_at::date as changed_on,
    dose,
    observed_from
from changes
