{{ config(materialized='table_macro', parameters=['as_of_day', 'look_back', "known_until := timestamp '9999-12-31'"]) }}
-- The panel: every unit on every day of the look-back window, as it was known at the end of the as-of day, or,
-- in a replay, at `known_until` if that was before. A metric is 0 only where a receipt says that the day was pulled; otherwise it is NULL.
-- Days around a change of the account's time zone count as not observed.
with days as (
    select source as platform, account_id, date_day, known_at, vintage, stream = 'insights_geo_daily' as is_geo
    from {{ ref('int_days__visible') }}(as_of_day, look_back, known_until := known_until)
    where
        (source = 'meta' and stream in ('insights_daily', 'insights_geo_daily'))
        or (source = 'google_ads' and stream = 'daily')
        or (source = 'klaviyo' and stream = 'events')
),

performance as (
    select f.*
    from {{ ref('int_ad_performance__unioned') }} as f
    join days as d
        on d.platform = f.platform and d.account_id = f.account_id and d.date_day = f.date_day and not d.is_geo
    where {{ stands('f', 'd.known_at') }}
),

regions as (
    select g.*, 'meta:' || g.account_id || ':' || g.geo_id as unit_id
    from {{ ref('stg_meta__insights_geo_daily') }} as g
    join days as d
        on d.platform = 'meta' and d.account_id = g.account_id and d.date_day = g.date_day and d.is_geo
    where {{ stands('g', 'd.known_at') }}
),

mail as (
    select *, 'klaviyo:' || account_id || ':' || entity_id as unit_id
    from {{ ref('int_email_days__as_of') }}(as_of_day, look_back, known_until := known_until)
),

region_orders as (
    select *
    from {{ ref('int_region_orders__as_of') }}(as_of_day, look_back, known_until := known_until)
),

lists as (
    select l.account_id, l.list_id
    from {{ ref('stg_klaviyo__lists') }} as l
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'klaviyo' and v.stream = 'lists' and v.account_id = l.account_id
    where {{ stands('l', 'v.known_at') }}
),

units as (
    select distinct platform, account_id, 'campaign' as unit_type, unit_id from performance
    union all
    select distinct 'meta', account_id, 'geo', unit_id from regions
    union all
    select 'klaviyo', account_id, 'list', 'klaviyo:' || account_id || ':' || list_id from lists
    union all
    select distinct 'klaviyo', account_id, 'account', 'klaviyo:' || account_id || ':' || account_id
    from days
    where platform = 'klaviyo'
),

spans as (
    select platform, account_id, min(date_day) as first_day
    from days
    where not is_geo
    group by all
),

calendar as (
    select platform, account_id, unnest(generate_series(first_day, as_of_day::date, interval 1 day))::date as date_day
    from spans
),

quality as (
    select
        'google_ads:' || k.account_id || ':' || k.campaign_id as unit_id,
        k.date_day,
        sum(k.historical_quality_score::bigint * k.impressions)
        / nullif(sum(k.impressions), 0)::double as quality_score
    from {{ ref('stg_google_ads__keyword_quality_daily') }} as k
    join {{ ref('int_days__visible') }}(as_of_day, look_back, known_until := known_until) as v
        on
            v.source = 'google_ads' and v.stream = 'keyword_quality_daily'
            and v.account_id = k.account_id and v.date_day = k.date_day
    where {{ stands('k', 'v.known_at') }} and k.historical_quality_score is not null
    group by all
),

changes as (
    select
        unit_id,
        changed_on as date_day,
        count_if(treatment_type = 'budget_change') as n_budget_changes,
        count_if(treatment_type = 'targeting_change') as n_targeting_changes,
        count_if(treatment_type = 'creative_change') as n_creative_changes
    from {{ ref('int_changes__as_of') }}(as_of_day, known_until := known_until)
    group by all
),

budget_changes as (
    select unit_id, changed_on, max(old_budget) as old_budget, max(new_budget) as new_budget
    from {{ ref('int_ad_changes__as_of') }}(as_of_day, known_until := known_until)
    where treatment_type = 'budget_change'
    group by all
),

budget_spans as (
    select
        unit_id,
        changed_on as from_day,
        lead(changed_on, 1, date '9999-12-31') over (partition by unit_id order by changed_on) as to_day,
        new_budget as budget
    from budget_changes
    union all
    select unit_id, date '1970-01-01', min(changed_on), arg_min(old_budget, changed_on)
    from budget_changes
    group by unit_id
),

standing_budgets as (
    select
        'meta:' || c.account_id || ':' || c.campaign_id as unit_id,
        c.daily_budget
    from {{ ref('stg_meta__campaigns') }} as c
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'meta' and v.stream = 'campaigns' and v.account_id = c.account_id
    where {{ stands('c', 'v.known_at') }}
    union all
    select
        'google_ads:' || c.account_id || ':' || c.campaign_id,
        b.daily_budget
    from {{ ref('stg_google_ads__campaigns') }} as c
    join {{ ref('stg_google_ads__campaign_budgets') }} as b
        on b.account_id = c.account_id and b.budget_id = c.budget_id
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'google_ads' and v.stream = 'campaigns' and v.account_id = c.account_id
    where {{ stands('c', 'v.known_at') }} and {{ stands('b', 'v.known_at') }}
),

macro as (
    select
        date_day,
        max(value) filter (where factor = 'umcsent') as umcsent_asof,
        max(value) filter (where factor = 'unrate') as unrate_asof,
        max(value) filter (where factor = 'inflation') as cpi_yoy_asof,
        max(value) filter (where factor = 'nominal_gdp_growth') as gdp_growth_asof,
        max(value) filter (where factor = 'log_vix') as log_vix_asof
    from {{ ref('int_macro__by_day') }}(as_of_day, look_back, known_until := known_until)
    group by all
),

change_logs as (
    select source as platform, account_id, date_day
    from {{ ref('int_days__visible') }}(as_of_day, look_back, known_until := known_until)
    where (source = 'meta' and stream = 'activities') or (source = 'google_ads' and stream = 'change_events')
),

modes as (
    select distinct source_mode from {{ source('ops', 'home') }}
),

-- A condition on the left side of an outer join costs a nested loop: the days to join on are NULL where it fails.
dense as (
    select
        u.unit_type,
        u.unit_id,
        u.platform,
        u.account_id,
        c.date_day,
        d.known_at is not null and z.date_day is null as is_observed,
        z.date_day is not null as is_boundary,
        case when d.known_at is not null and z.date_day is null then c.date_day end as observed_day,
        case when d.known_at is not null and z.date_day is null and u.unit_type = 'geo' then c.date_day end as observed_region_day,
        case when u.unit_type = 'geo' then lower(array_to_string(string_split(u.unit_id, ':')[3:], ':')) end as region,
        case when z.date_day is null then c.date_day end as whole_day,
        u.unit_type <> 'geo' and (u.platform = 'klaviyo' or l.date_day is not null) as has_change_log,
        d.vintage
    from units as u
    join calendar as c on c.platform = u.platform and c.account_id = u.account_id
    left join days as d
        on
            d.platform = u.platform and d.account_id = u.account_id and d.date_day = c.date_day
            and d.is_geo = (u.unit_type = 'geo')
    left join change_logs as l
        on l.platform = u.platform and l.account_id = u.account_id and l.date_day = c.date_day
    left join {{ ref('int_boundary_days__as_of') }}(as_of_day, known_until := known_until) as z
        on z.platform = u.platform and z.account_id = u.account_id and z.date_day = c.date_day
)

select
    as_of_day::date as as_of,
    n.unit_type,
    n.unit_id,
    n.platform,
    n.account_id,
    n.date_day,
    coalesce(p.currency_code, r.currency_code) as currency_code,
    case
        when p.unit_id is not null then p.spend
        when r.unit_id is not null then r.spend
        when n.is_observed and n.unit_type in ('campaign', 'geo') then 0
    end as spend,
    case
        when p.unit_id is not null then p.impressions
        when r.unit_id is not null then r.impressions
        when n.is_observed and n.unit_type in ('campaign', 'geo') then 0
    end as impressions,
    case
        when p.unit_id is not null then p.clicks
        when r.unit_id is not null then r.clicks
        when n.is_observed and n.unit_type in ('campaign', 'geo') then 0
    end as clicks,
    case when p.unit_id is not null then p.conversions when n.is_observed and n.unit_type = 'campaign' then 0 end as conversions_reported,
    case when p.unit_id is not null then p.conversions_value when n.is_observed and n.unit_type = 'campaign' then 0 end as revenue_reported,
    case
        when n.unit_type = 'geo' then h.orders
        when n.is_observed and n.unit_type in ('list', 'account') then coalesce(m.orders, 0)
    end as orders,
    case
        when n.unit_type = 'geo' then h.order_revenue
        when n.is_observed and n.unit_type in ('list', 'account') then coalesce(m.order_revenue, 0)
    end as order_revenue,
    case when n.is_observed and n.unit_type in ('list', 'account') then coalesce(m.email_sends, 0) end as email_sends,
    case when n.is_observed and n.unit_type in ('list', 'account') then coalesce(m.email_opens, 0) end as email_opens,
    case when n.is_observed and n.unit_type in ('list', 'account') then coalesce(m.email_clicks, 0) end as email_clicks,
    case when n.is_observed and n.unit_type in ('list', 'account') then coalesce(m.unsubscribes, 0) end as unsubscribes,
    coalesce(b.budget, s.daily_budget) as budget_in_force,
    case when g.unit_id is not null then g.n_budget_changes when n.has_change_log then 0 end as n_budget_changes,
    case when g.unit_id is not null then g.n_targeting_changes when n.has_change_log then 0 end as n_targeting_changes,
    case when g.unit_id is not null then g.n_creative_changes when n.has_change_log then 0 end as n_creative_changes,
    q.quality_score,
    p.quality_ranking_level,
    p.frequency,
    x.umcsent_asof,
    x.unrate_asof,
    x.cpi_yoy_asof,
    x.gdp_growth_asof,
    exp(x.log_vix_asof) as vix_asof,
    x.log_vix_asof,
    n.is_observed,
    n.is_boundary,
    n.is_observed and p.unit_id is null and r.unit_id is null and m.unit_id is null as is_zero_filled,
    date_diff('day', n.date_day, as_of_day::date)
    >= case n.platform when 'meta' then 28 when 'google_ads' then 30 else 3 end as is_final,
    n.vintage,
    o.source_mode
from dense as n
cross join modes as o
left join performance as p on p.unit_id = n.unit_id and p.date_day = n.observed_day
left join regions as r on r.unit_id = n.unit_id and r.date_day = n.observed_region_day
left join region_orders as h on h.region = n.region and h.date_day = n.observed_region_day
left join mail as m on m.unit_id = n.unit_id and m.date_day = n.observed_day and m.unit_type = n.unit_type
left join quality as q on q.unit_id = n.unit_id and q.date_day = n.whole_day
left join changes as g on g.unit_id = n.unit_id and g.date_day = n.date_day
left join budget_spans as b
    on b.unit_id = n.unit_id and n.date_day >= b.from_day and n.date_day < b.to_day
left join standing_budgets as s on s.unit_id = n.unit_id
left join macro as x on x.date_day = n.date_day
