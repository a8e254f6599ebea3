{{ config(materialized='table_macro', parameters=['as_of_day', 'look_back', "known_until := timestamp '9999-12-31'"]) }}
-- Per account-day of the look-back window: the instant just before which its versions are read, and how that
-- knowledge came about. A day first pulled later than its as-of day is read at its first pull, unless that lies beyond
-- `known_until`.
select
    source,
    stream,
    account_id,
    date_day,
    case
        when first_seen < {{ read_at('as_of_day') }} then {{ read_at('as_of_day') }}
        else first_seen + interval 1 microsecond
    end as known_at,
    case
        when first_seen >= {{ knowledge_end('as_of_day') }} then 'reconstructed'
        when first_seen < {{ knowledge_end('date_day') }} then 'captured'
        else 'as_restated'
    end as vintage
from {{ ref('int_receipts__first_seen') }}
where
    date_day between as_of_day::date - look_back::integer + 1 and as_of_day::date
    and first_seen < {{ replay_end() }}
