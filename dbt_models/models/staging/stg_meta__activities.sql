select
    account_id,
    activity_key,
    date_day,
    event_at,
    event_type,
    change_class,
    object_type,
    object_id,
    actor_hash,
    old_budget,
    new_budget,
    detail,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'meta_activities') }}
