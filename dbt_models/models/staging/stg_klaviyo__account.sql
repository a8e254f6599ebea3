SELECT
    account_id,
    account_name,
    currency_code,
    account_timezone,
    observed_from,
    observed_to,
    source_mode
FROM {{ source('raw', 'klaviyo_account') }}
