select
    account_id,
    metric_id,
    metric_name,
    integration_name,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'klaviyo_metrics') }}
