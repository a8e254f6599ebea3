{{ config(materialized='table_macro', parameters=['as_of_day']) }}
-- The same for streams that are read as a whole: entities, memberships, FRED series.
select
    source,
    stream,
    account_id,
    case
        when min(first_seen) < {{ knowledge_end('as_of_day') }} then {{ knowledge_end('as_of_day') }}
        else min(first_seen) + interval 1 microsecond
    end as known_at
from {{ ref('int_receipts__first_seen') }}
group by all
