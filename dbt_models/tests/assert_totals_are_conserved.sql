-- What the raw tables say of the panel's days is what the panel says, to the cent and to the conversion.
with panel as (
    select platform, account_id, date_day, sum(spend) as spend, sum(conversions_reported) as conversions
    from {{ ref('marketing_panel') }}
    where unit_type = 'campaign' and vintage <> 'reconstructed' and not is_boundary
    group by all
),

raw_rows as (
    select
        'meta' as platform, account_id, date_day, spend, coalesce(conversions, 0) as conversions,
        observed_from, observed_to
    from {{ source('raw', 'meta_insights_daily') }}
    where level = 'campaign'
    union all
    select
        'google_ads', account_id, date_day, cost_micros::decimal(18, 0) * 0.000001, coalesce(conversions, 0),
        observed_from, observed_to
    from {{ source('raw', 'google_ads_daily') }}
    where level = 'campaign'
),

raw_totals as (
    select platform, account_id, date_day, sum(spend) as spend, sum(conversions) as conversions
    from raw_rows
    where
        observed_from < {{ knowledge_end(newest_as_of()) }}
        and observed_to >= {{ knowledge_end(newest_as_of()) }}
    group by all
)

select p.*, r.spend as raw_spend, r.conversions as raw_conversions
from panel as p
left join raw_totals as r using (platform, account_id, date_day)
where
    coalesce(p.spend, 0) <> coalesce(r.spend, 0)
    or coalesce(p.conversions, 0) <> coalesce(r.conversions, 0)
