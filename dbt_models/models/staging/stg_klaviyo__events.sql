select
    account_id,
    event_id,
    date_day,
    occurred_at,
    metric_id,
    metric_name,
    profile_id,
    message_id,
    flow_id,
    numeric_value,
    currency_code,
    order_id,
    is_machine_open,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'klaviyo_events') }}
