{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- Macro factors known at the end of one day.
select factor, series_id, value, unit, observation_date, realtime_start
from {{ ref('int_macro__by_day') }}(as_of_day, 1, known_until := known_until)
where date_day = as_of_day::date + 1
