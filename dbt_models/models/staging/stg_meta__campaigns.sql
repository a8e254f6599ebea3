select
    account_id,
    campaign_id,
    campaign_name,
    status,
    objective,
    daily_budget,
    lifetime_budget,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'meta_campaigns') }}
