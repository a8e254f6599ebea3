select
    account_id,
    ad_group_id,
    campaign_id,
    ad_group_name,
    status,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'google_ads_ad_groups') }}
