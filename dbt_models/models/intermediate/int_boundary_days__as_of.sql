{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- Days around a change of an account's time zone, which are shorter or longer than a day: the local day on which the new
-- zone was first seen, the day before, and all days back to the last pull that still saw the old one.
with versions as (
    select
        a.*,
        lag(a.account_timezone) over (partition by a.platform, a.account_id order by a.observed_from) as timezone_before
    from {{ ref('int_account_versions') }} as a
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = a.platform and v.stream = a.stream and v.account_id = a.account_id
    where a.observed_from < v.known_at
),

changes as (
    select
        c.platform,
        c.account_id,
        c.observed_from,
        ((c.observed_from at time zone 'UTC') at time zone c.account_timezone)::date as seen_on,
        max(((r.observed_at at time zone 'UTC') at time zone c.timezone_before)::date) as old_until
    from versions as c
    left join {{ source('ops', 'load_receipt') }} as r
        on
            r.source = c.platform and r.stream = c.stream and r.account_id = c.account_id
            and r.observed_at < c.observed_from
    where c.account_timezone <> c.timezone_before
    group by all
)

select distinct
    platform,
    account_id,
    unnest(generate_series(least(seen_on - 1, old_until), seen_on, interval 1 day))::date as date_day
from changes
