"""The register of detectors' worlds: detector to the function that measures its cells. One ``detect_*.py`` per detector."""

from __future__ import annotations

from liftos_pipeline.benchmarks import (
    detect_assignments,
    detect_budget,
    detect_fatigue,
    detect_lists,
    detect_market,
    detect_precedence,
    detect_regimes,
    detect_scores,
    detect_seasonality,
    detect_treatments,
)
from liftos_pipeline.benchmarks.operating_points import Scenarios

SCENARIOS: dict[str, Scenarios] = {
    detect_budget.DETECTOR: detect_budget.cells,
    detect_fatigue.DETECTOR: detect_fatigue.cells,
    detect_regimes.DETECTOR: detect_regimes.cells,
    "list_health": detect_lists.cells,
    detect_seasonality.DETECTOR: detect_seasonality.cells,
    detect_market.DETECTOR: detect_market.cells,
    "confounder_score": detect_scores.cells,
    "temporal_precedence": detect_precedence.cells,
    detect_treatments.DETECTOR: detect_treatments.cells,
    detect_assignments.DETECTOR: detect_assignments.cells,
}
