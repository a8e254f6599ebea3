SELECT
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
    {{ from_micros('cost_micros') }} AS spend,
    observed_from,
    observed_to,
    source_mode
FROM {{ source('raw', 'google_ads_keyword_quality_daily') }}
