SELECT
    account_id,
    budget_id,
    {{ from_micros('amount_micros') }} AS amount,
    explicitly_shared,
    reference_count,
    period,
    observed_from,
    observed_to,
    source_mode
FROM {{ source('raw', 'google_ads_campaign_budgets') }}
