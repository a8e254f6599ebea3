select
    account_id as series_id,
    observation_date,
    realtime_start,
    realtime_end,
    value,
    vintage_kind,
    backend,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'fred_observations') }}
