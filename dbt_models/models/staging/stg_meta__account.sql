select
    account_id,
    account_name,
    currency_code,
    account_timezone,
    status,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'meta_account') }}
