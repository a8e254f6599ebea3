select
    account_id,
    campaign_id,
    campaign_name,
    status,
    channel_type,
    budget_id,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'google_ads_campaigns') }}
