select
    account_id,
    budget_id,
    (amount_micros::decimal(18, 0) * 0.000001)::decimal(18, 6) as daily_budget,
    explicitly_shared,
    reference_count,
    period,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'google_ads_campaign_budgets') }}
