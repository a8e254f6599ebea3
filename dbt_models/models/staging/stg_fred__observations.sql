SELECT
    account_id AS series_id,
    observation_date,
    realtime_start,
    realtime_end,
    value,
    vintage_kind,
    backend,
    observed_from,
    observed_to,
    source_mode
FROM {{ source('raw', 'fred_observations') }}
