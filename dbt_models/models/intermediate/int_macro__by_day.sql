{{ config(materialized='table_macro', parameters=['as_of_day', 'look_back', "known_until := timestamp '9999-12-31'"]) }}
-- Macro factors as they were known at the start of each day of the look-back window and of the day after it: the
-- newest observation of the vintage then valid. Growth and inflation compare observations of one vintage.
with days as (
    select unnest(generate_series(
        as_of_day::date - look_back::integer + 1, as_of_day::date + 1, interval 1 day
    ))::date as date_day
),

published as (
    select series_id, observation_date, known_from as realtime_start, known_to as realtime_end, value
    from {{ ref('int_macro__vintages') }}(as_of_day, known_until := known_until)
    where value is not null
),

known as (
    select d.date_day, p.series_id, p.observation_date, p.realtime_start, p.value
    from days as d
    join published as p on p.realtime_start < d.date_day and p.realtime_end >= d.date_day - 1
),

newest as (
    select
        *,
        case series_id
            when 'CPIAUCSL' then (observation_date - interval 12 month)::date
            when 'GDP' then (observation_date - interval 3 month)::date
        end as base_date
    from known
    qualify row_number() over (
        partition by date_day, series_id order by observation_date desc, realtime_start desc
    ) = 1
)

select
    n.date_day,
    case n.series_id
        when 'UMCSENT' then 'umcsent'
        when 'UNRATE' then 'unrate'
        when 'CPIAUCSL' then 'inflation'
        when 'GDP' then 'nominal_gdp_growth'
        when 'VIXCLS' then 'log_vix'
    end as factor,
    n.series_id,
    n.observation_date,
    n.realtime_start,
    case n.series_id
        when 'CPIAUCSL' then 100.0 * (n.value / b.value - 1.0)
        when 'GDP' then 400.0 * ln(n.value / b.value)
        when 'VIXCLS' then ln(n.value)
        else n.value
    end as value,
    case n.series_id
        when 'UMCSENT' then 'index 1966Q1=100'
        when 'UNRATE' then 'percent'
        when 'CPIAUCSL' then 'percent over 12 months'
        when 'GDP' then 'percent a year, log change over a quarter, nominal'
        when 'VIXCLS' then 'log index'
    end as unit
from newest as n
left join known as b
    on b.date_day = n.date_day and b.series_id = n.series_id and b.observation_date = n.base_date
