"""External factors: FRED series as known at the as-of day."""

from liftos_pipeline.defs.stage import stage_asset
from liftos_pipeline.schema.results import EXTERNAL_FACTORS
from liftos_pipeline.stages.factors import external_factors

factors = stage_asset(
    EXTERNAL_FACTORS,
    "factors",
    [["intermediate", "int_macro__as_known"]],
    lambda inputs: [inputs.factors()],
    lambda frames, _settings, as_of: external_factors(frames[0], as_of),
    ("factor", "value", "unit", "observation_date", "is_stale"),
)
