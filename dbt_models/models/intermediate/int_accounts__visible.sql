{{ config(materialized='table_macro', parameters=['as_of_day', "known_until := timestamp '9999-12-31'"]) }}
-- The same for streams that are read as a whole: entities, memberships, FRED series.
with streams as (
    select source, stream, account_id, min(first_seen) as first_seen
    from {{ ref('int_receipts__first_seen') }}
    group by source, stream, account_id
)

select
    source,
    stream,
    account_id,
    case
        when first_seen < {{ read_at('as_of_day') }} then {{ read_at('as_of_day') }}
        else first_seen + interval 1 microsecond
    end as known_at
from streams
where first_seen < {{ replay_end() }}
