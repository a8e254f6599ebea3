-- Logged budget, targeting and creative changes of campaigns, every version. Changes of ad sets and ads belong to
-- their campaign.
with meta_entities as (
    select account_id, adset_id as object_id, campaign_id, observed_from, observed_to
    from {{ ref('stg_meta__adsets') }}
    union all
    select account_id, ad_id, campaign_id, observed_from, observed_to
    from {{ ref('stg_meta__ads') }}
),

meta_parents as (
    select account_id, object_id, arg_max(campaign_id, observed_from) as campaign_id
    from meta_entities
    group by all
),

meta_changes as (
    select
        'meta' as platform,
        'activities' as stream,
        a.account_id,
        coalesce(p.campaign_id, a.object_id) as campaign_id,
        a.change_class,
        a.date_day as changed_on,
        a.old_budget,
        a.new_budget,
        a.observed_from,
        a.observed_to
    from {{ ref('stg_meta__activities') }} as a
    left join meta_parents as p on a.account_id = p.account_id and a.object_id = p.object_id
),

google_changes as (
    select
        'google_ads' as platform,
        'change_events' as stream,
        account_id,
        campaign_id,
        change_class,
        date_day as changed_on,
        old_budget,
        new_budget,
        observed_from,
        observed_to
    from {{ ref('stg_google_ads__change_events') }}
    where campaign_id is not null
),

unioned as (
    select * from meta_changes
    union all
    select * from google_changes
)

select
    platform,
    stream,
    account_id,
    platform || ':' || account_id || ':' || campaign_id as unit_id,
    change_class || '_change' as treatment_type,
    changed_on,
    old_budget,
    new_budget,
    case when old_budget > 0 and new_budget > 0 then ln(new_budget / old_budget) end as dose,
    observed_from,
    observed_to
from unioned
where change_class in ('budget', 'targeting', 'creative')
