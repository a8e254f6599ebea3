SELECT
    account_id,
    list_id,
    list_name,
    created_at,
    observed_from,
    observed_to,
    source_mode
FROM {{ source('raw', 'klaviyo_lists') }}
