{{ config(materialized='table_macro', parameters=['as_of_day', 'look_back', "known_until := timestamp '9999-12-31'"]) }}
-- Orders net of refunds per region and day, by where the shop's profiles live. A row for every region that a profile names and
-- every day on which all accounts of the shop were pulled; names of regions in lower case.
with days as (
    select account_id, date_day, known_at
    from {{ ref('int_days__visible') }}(as_of_day, look_back, known_until := known_until)
    where source = 'klaviyo' and stream = 'events'
),

people as (
    select p.account_id, p.profile_id, lower(trim(p.region)) as region
    from {{ ref('stg_klaviyo__profiles') }} as p
    join {{ ref('int_accounts__visible') }}(as_of_day, known_until := known_until) as v
        on v.source = 'klaviyo' and v.stream = 'profiles' and v.account_id = p.account_id
    where p.region is not null and {{ stands('p', 'v.known_at') }}
),

placed as (
    select
        p.region,
        e.date_day,
        case when e.metric_name = 'Placed Order' then 1 else -1 end as orders,
        case when e.metric_name = 'Placed Order' then e.numeric_value else -e.numeric_value end as order_revenue
    from {{ ref('stg_klaviyo__events') }} as e
    join days as d on d.account_id = e.account_id and d.date_day = e.date_day
    join people as p on p.account_id = e.account_id and p.profile_id = e.profile_id
    where e.metric_name in ('Placed Order', 'Refunded Order') and {{ stands('e', 'd.known_at') }}
),

sums as (
    select region, date_day, sum(orders) as orders, sum(order_revenue) as order_revenue
    from placed
    group by all
),

whole_days as (
    select date_day
    from days
    group by all
    having count(distinct account_id) = (select count(distinct account_id) from days)
)

select
    r.region,
    w.date_day,
    coalesce(s.orders, 0) as orders,
    coalesce(s.order_revenue, 0) as order_revenue
from (select distinct region from people) as r
cross join whole_days as w
left join sums as s on s.region = r.region and s.date_day = w.date_day
