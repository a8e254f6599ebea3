-- One row per person and subscription: from consent to the first of unsubscribe, suppression and bounce, else until now.
-- A consent given before the profile was made is an import and enters the risk set late.
with profiles as (
    select *
    from {{ ref('stg_klaviyo__profiles') }}
    where observed_to = timestamp '9999-12-31'
),

stops as (
    select account_id, profile_id, min(occurred_at) as unsubscribed_at
    from {{ ref('stg_klaviyo__events') }}
    where
        observed_to = timestamp '9999-12-31'
        and metric_name in ('Unsubscribed from Email Marketing', 'Unsubscribed')
    group by all
),

extract_end as (
    select max(observed_at) as ended_at
    from {{ source('ops', 'load_receipt') }}
    where source = 'klaviyo'
),

spells as (
    select
        p.account_id,
        p.profile_id,
        p.consent_at,
        p.created_at,
        p.country,
        p.region,
        least(s.unsubscribed_at, p.suppressed_at) as stopped_at,
        case
            when s.unsubscribed_at <= coalesce(p.suppressed_at, s.unsubscribed_at) then 'unsubscribed'
            when p.suppression_reason = 'HARD_BOUNCE' then 'bounced'
            when p.suppressed_at is not null then 'suppressed'
        end as stop_kind,
        x.ended_at
    from profiles as p
    cross join extract_end as x
    left join stops as s
        on s.account_id = p.account_id and s.profile_id = p.profile_id and s.unsubscribed_at >= p.consent_at
    where p.consent_at is not null
)

select
    account_id,
    profile_id,
    1 as spell_no,
    consent_at::date as start_on,
    least(coalesce(stopped_at, ended_at), ended_at)::date as end_on,
    date_diff('day', consent_at::date, least(coalesce(stopped_at, ended_at), ended_at)::date) as duration_days,
    case when stopped_at <= ended_at then stop_kind else 'censored' end as event,
    greatest(date_diff('day', consent_at::date, created_at::date), 0) as entry_delay_days,
    created_at::date > consent_at::date as is_imported,
    country,
    region
from spells
order by account_id, profile_id
