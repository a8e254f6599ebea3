select
    account_id,
    experiment_id,
    arm_id,
    arm_name,
    is_control,
    traffic_split_pct,
    from_json(campaign_ids, '["VARCHAR"]') as campaign_ids,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'google_ads_experiment_arms') }}
