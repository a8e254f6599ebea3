"""What is known of the outside world and of the data's own age: external factors, and maturity curves."""

from functools import partial

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import EXTERNAL_FACTORS, MATURITY_CURVES, RELEASE_CALENDAR
from liftos_pipeline.stages.factors import external_factors, release_calendar
from liftos_pipeline.stages.maturity import maturity_curves

factors = stage_asset(
    EXTERNAL_FACTORS,
    "factors",
    [["intermediate", "int_macro__as_known"], ["intermediate", "int_releases__as_of"]],
    lambda inputs: [inputs.factors(), inputs.releases()],
    lambda frames, _settings, as_of: [partial(external_factors, frames[0], frames[1], as_of)],
    ("factor", "value", "unit", "observation_date", "expected_on", "is_stale"),
)

calendar = stage_asset(
    RELEASE_CALENDAR,
    "factors",
    [["intermediate", "int_releases__as_of"]],
    lambda inputs: [inputs.releases()],
    lambda frames, _settings, as_of: [partial(release_calendar, frames[0], as_of)],
    ("series_id", "observation_date", "expected_on", "released_on", "status"),
)

maturity = stage_asset(
    MATURITY_CURVES,
    "factors",
    [["intermediate", "int_conversions__by_age"]],
    lambda inputs: [inputs.triangle()],
    lambda frames, settings, _as_of: [partial(maturity_curves, frames[0], settings.liftos_confidence_level)],
    ("platform", "metric", "age_days", "completeness", "completeness_low", "completeness_high", "n_days"),
)
