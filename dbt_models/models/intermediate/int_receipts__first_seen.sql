-- When each account-day was first pulled.
select
    source,
    stream,
    account_id,
    date_day,
    min(observed_at) as first_seen
from {{ source('ops', 'load_receipt') }}
group by all
