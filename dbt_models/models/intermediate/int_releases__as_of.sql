{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- Periods of every FRED series that had come out by the end of one day, with the day on which they did.
select
    series_id,
    observation_date,
    min(known_from) as released_on,
    bool_or(value is not null) as has_value
from {{ ref('int_macro__vintages') }}(as_of_day, known_until := known_until)
where known_from <= as_of_day::date
group by all
