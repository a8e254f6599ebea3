select
    account_id,
    experiment_id,
    experiment_name,
    experiment_type,
    status,
    start_on,
    end_on,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'google_ads_experiments') }}
