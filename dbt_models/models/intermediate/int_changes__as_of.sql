{{ config(materialized='table_macro', parameters=['as_of_day']) }}
-- Every logged change known at the end of the as-of day, with the day on which it was first known.
select
    c.platform,
    c.unit_id,
    c.treatment_type,
    c.changed_on,
    c.dose,
    c.observed_from::date - 1 as first_known_on
from {{ ref('int_ad_changes__unioned') }} as c
join {{ ref('int_receipts__first_seen') }} as r
    on r.source = c.platform and r.stream = c.stream and r.account_id = c.account_id and r.date_day = c.changed_on
where
    {{ stands('c', 'greatest(' ~ knowledge_end('as_of_day') ~ ', r.first_seen + interval 1 microsecond)') }}
    and c.changed_on <= as_of_day::date

union all

select
    platform,
    unit_id,
    treatment_type,
    changed_on,
    dose,
    greatest(observed_from::date - 1, changed_on) as first_known_on
from {{ ref('int_list_changes__as_of') }}(as_of_day)
