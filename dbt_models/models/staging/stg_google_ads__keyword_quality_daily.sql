select
    account_id,
    ad_group_id,
    criterion_id,
    date_day,
    campaign_id,
    keyword_text,
    match_type,
    historical_quality_score,
    creative_quality,
    landing_page_quality,
    predicted_ctr,
    impressions,
    clicks,
    (cost_micros::decimal(18, 0) * 0.000001)::decimal(18, 6) as spend,
    observed_from,
    observed_to,
    source_mode
from {{ source('raw', 'google_ads_keyword_quality_daily') }}
