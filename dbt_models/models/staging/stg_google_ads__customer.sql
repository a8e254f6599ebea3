SELECT
    account_id,
    account_name,
    currency_code,
    account_timezone,
    status,
    observed_from,
    observed_to,
    source_mode
FROM {{ source('raw', 'google_ads_customer') }}
