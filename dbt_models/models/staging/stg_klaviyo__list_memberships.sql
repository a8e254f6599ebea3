SELECT
    account_id,
    list_id,
    profile_id,
    joined_at,
    observed_from,
    observed_to,
    source_mode
FROM {{ source('raw', 'klaviyo_list_memberships') }}
