select
    account_id,
    campaign_id,
    message_id,
    campaign_name,
    status,
    channel,
    send_at,
    list_id,
    included_ids,
    excluded_ids,
    template_id,
    subject_hash,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'klaviyo_campaigns') }}
