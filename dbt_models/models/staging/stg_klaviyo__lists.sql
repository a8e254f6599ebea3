select
    account_id,
    list_id,
    list_name,
    created_at,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'klaviyo_lists') }}
