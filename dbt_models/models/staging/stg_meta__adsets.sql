select
    account_id,
    adset_id,
    campaign_id,
    adset_name,
    status,
    optimization_goal,
    daily_budget,
    targeting,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'meta_adsets') }}
