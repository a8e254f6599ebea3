select
    account_id,
    study_id,
    cell_id,
    study_name,
    study_type,
    start_on,
    end_on,
    cell_name,
    treatment_pct,
    control_pct,
    from_json(campaign_ids, '["VARCHAR"]') as campaign_ids,
    from_json(region_names, '["VARCHAR"]') as region_names,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'meta_ad_studies') }}
