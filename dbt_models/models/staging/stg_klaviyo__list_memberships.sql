select
    account_id,
    list_id,
    profile_id,
    joined_at,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'klaviyo_list_memberships') }}
