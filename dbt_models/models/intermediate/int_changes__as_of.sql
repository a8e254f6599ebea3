{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- Every logged change known at the end of the as-of day, with the day on which it was first known.
select
    platform,
    unit_id,
    treatment_type,
    changed_on,
    dose,
    observed_from::date - 1 as first_known_on
from {{ ref('int_ad_changes__as_of') }}(as_of_day, known_until := known_until)

union all

select
    platform,
    unit_id,
    treatment_type,
    changed_on,
    dose,
    greatest(observed_from::date - 1, changed_on) as first_known_on
from {{ ref('int_list_changes__as_of') }}(as_of_day, known_until := known_until)
