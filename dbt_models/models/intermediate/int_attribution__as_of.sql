{{ config(materialized='table_macro', parameters=['as_of_day', 'look_back', "known_until := timestamp '9999-12-31'"]) }}
-- Attribution settings that Meta names beside its claims, by campaign, as known at the end of the as-of day.
select
    'meta' as platform,
    f.account_id,
    f.entity_id as unit_id,
    f.attribution_setting,
    min(f.date_day) as first_day,
    count(*) as n_days
from {{ ref('stg_meta__insights_daily') }} as f
join {{ ref('int_days__visible') }}(as_of_day, look_back, known_until := known_until) as d
    on
        d.source = 'meta' and d.stream = 'insights_daily'
        and d.account_id = f.account_id and d.date_day = f.date_day
where {{ stands('f', 'd.known_at') }} and f.level = 'campaign' and f.attribution_setting is not null
group by all
