{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- Every value of every FRED series with the days on which it was the published one. With a key FRED says these days.
-- Without one they are those on which our pulls saw the value; the first sight of a period counts from the day on which
-- it usually comes out. Where FRED has said the days of a series, these are taken alone.
with seen as (
    select
        o.*,
        v.known_at,
        o.vintage_kind in ('captured', 'lag_rule') as is_captured,
        {{ stands('o', 'v.known_at') }} as is_standing
    from {{ ref('stg_fred__observations') }} as o
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'fred' and v.account_id = o.series_id
    where o.observed_from < v.known_at
),

told as (
    select series_id, observation_date, realtime_start as known_from, realtime_end as known_to, value
    from seen
    where not is_captured and is_standing
),

captured as (
    select
        series_id,
        observation_date,
        case
            when observed_from = min(observed_from) over (partition by series_id, observation_date) then realtime_start
            else observed_from::date
        end as known_from,
        case when is_standing then realtime_end else observed_to::date - 1 end as known_to,
        value
    from seen
    where is_captured and series_id not in (select series_id from told)
)

select * from told
union all
select * from captured
