SELECT
    account_id,
    campaign_id,
    campaign_name,
    status,
    channel_type,
    budget_id,
    observed_from,
    observed_to,
    source_mode
FROM {{ source('raw', 'google_ads_campaigns') }}
