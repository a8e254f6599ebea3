{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- Declared experiments, one row per platform, experiment and arm, as they were known at the end of one day. Units carry
-- the account under which the platform lists their campaign; an experiment of several accounts is one. What is planned
-- only is left out.
with meta_cells as (
    select s.*
    from {{ ref('stg_meta__ad_studies') }} as s
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'meta' and v.stream = 'ad_studies' and v.account_id = s.account_id
    where {{ stands('s', 'v.known_at') }}
),

meta_units as (
    select account_id, study_id, cell_id, unnest(campaign_ids) as entity_id, 'campaign' as unit from meta_cells
    union all
    select account_id, study_id, cell_id, unnest(region_names), 'geo' from meta_cells
),

known_campaigns as (
    select distinct account_id, campaign_id from {{ ref('stg_meta__campaigns') }}
),

meta_unit_ids as (
    select
        u.study_id,
        u.cell_id,
        list(distinct 'meta:' || u.account_id || ':' || u.entity_id order by 'meta:' || u.account_id || ':' || u.entity_id)
            as unit_ids
    from meta_units as u
    left join known_campaigns as c on c.account_id = u.account_id and c.campaign_id = u.entity_id
    where u.unit = 'geo' or c.campaign_id is not null
    group by all
),

meta_arms as (
    select
        'meta' as platform,
        study_id as experiment_id,
        cell_id as arm_id,
        any_value(study_name) as experiment_name,
        any_value(study_type) as experiment_type,
        any_value(cell_name) as arm_name,
        bool_and(control_pct is not null and coalesce(treatment_pct, 0) = 0) as is_control,
        any_value(coalesce(treatment_pct, 0) + coalesce(control_pct, 0)) as traffic_split_pct,
        min(start_on) as start_on,
        max(end_on) as end_on,
        case
            when any_value(study_type) = 'GEO_LIFT' then 'geo'
            when any_value(study_type) = 'SPLIT_TEST' then 'campaign'
            else 'person'
        end as unit
    from meta_cells
    group by study_id, cell_id
),

google_arms as (
    select
        'google_ads' as platform,
        a.account_id || ':' || e.experiment_id as experiment_id,
        a.arm_id,
        e.experiment_name,
        e.experiment_type,
        a.arm_name,
        a.is_control,
        a.traffic_split_pct::double as traffic_split_pct,
        e.start_on,
        e.end_on,
        'campaign' as unit,
        list_transform(list_sort(a.campaign_ids), lambda c: 'google_ads:' || a.account_id || ':' || c) as unit_ids
    from {{ ref('stg_google_ads__experiments') }} as e
    join {{ ref('stg_google_ads__experiment_arms') }} as a
        on a.account_id = e.account_id and a.experiment_id = e.experiment_id
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'google_ads' and v.stream = 'experiments' and v.account_id = e.account_id
    where
        {{ stands('e', 'v.known_at') }} and {{ stands('a', 'v.known_at') }}
        and coalesce(e.status, '') not in ('SETUP', 'INITIATED')
)

select a.*, coalesce(u.unit_ids, []) as unit_ids
from meta_arms as a
left join meta_unit_ids as u on u.study_id = a.experiment_id and u.cell_id = a.arm_id
union all
select * from google_arms
