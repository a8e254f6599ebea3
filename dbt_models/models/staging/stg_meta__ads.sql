select
    account_id,
    ad_id,
    adset_id,
    campaign_id,
    ad_name,
    status,
    creative_id,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'meta_ads') }}
