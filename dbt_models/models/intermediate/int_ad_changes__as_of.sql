{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- Logged budget, targeting and creative changes of campaigns known at the end of the as-of day. Changes of ad sets and
-- ads belong to the campaign that these were last seen in by then.
with visible as (
    select source, stream, account_id, date_day, known_at
    from {{ ref('int_days__visible') }}(as_of_day, 36500, known_until := known_until)
),

meta_entities as (
    select 'adsets' as stream, account_id, adset_id as object_id, campaign_id, observed_from
    from {{ ref('stg_meta__adsets') }}
    union all
    select 'ads', account_id, ad_id, campaign_id, observed_from
    from {{ ref('stg_meta__ads') }}
),

meta_parents as (
    select e.account_id, e.object_id, arg_max(e.campaign_id, e.observed_from) as campaign_id
    from meta_entities as e
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'meta' and v.stream = e.stream and v.account_id = e.account_id
    where e.observed_from < v.known_at
    group by all
),

meta_changes as (
    select
        'meta' as platform,
        a.account_id,
        coalesce(p.campaign_id, a.object_id) as campaign_id,
        a.change_class,
        a.date_day as changed_on,
        a.old_budget,
        a.new_budget,
        a.observed_from
    from {{ ref('stg_meta__activities') }} as a
    join visible as v
        on
            v.source = 'meta' and v.stream = 'activities'
            and v.account_id = a.account_id and v.date_day = a.date_day
    left join meta_parents as p on a.account_id = p.account_id and a.object_id = p.object_id
    where {{ stands('a', 'v.known_at') }}
),

google_changes as (
    select
        'google_ads' as platform,
        e.account_id,
        e.campaign_id,
        e.change_class,
        e.date_day as changed_on,
        e.old_budget,
        e.new_budget,
        e.observed_from
    from {{ ref('stg_google_ads__change_events') }} as e
    join visible as v
        on
            v.source = 'google_ads' and v.stream = 'change_events'
            and v.account_id = e.account_id and v.date_day = e.date_day
    where {{ stands('e', 'v.known_at') }} and e.campaign_id is not null
),

unioned as (
    select * from meta_changes
    union all
    select * from google_changes
)

select
    platform,
    platform || ':' || account_id || ':' || campaign_id as unit_id,
    change_class || '_change' as treatment_type,
    changed_on,
    old_budget,
    new_budget,
    case when old_budget > 0 and new_budget > 0 then ln(new_budget / old_budget) end as dose,
    observed_from
from unioned
where change_class in ('budget', 'targeting', 'creative')
