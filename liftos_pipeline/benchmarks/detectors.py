"""The register of detectors' worlds: detector to the function that measures its cells. One ``detect_*.py`` per detector."""

from __future__ import annotations

from liftos_pipeline.benchmarks import detect_fatigue, detect_regimes, detect_treatments
from liftos_pipeline.benchmarks.operating_points import Scenarios

SCENARIOS: dict[str, Scenarios] = {
    detect_fatigue.DETECTOR: detect_fatigue.cells,
    detect_regimes.DETECTOR: detect_regimes.cells,
from liftos_pipeline.benchmarks import detect_lists, detect_treatments
from liftos_pipeline.benchmarks import detect_lists, detect_scores, detect_treatments
from liftos_pipeline.benchmarks import detect_lists, detect_precedence, detect_scores, detect_treatments
from liftos_pipeline.benchmarks.operating_points import Scenarios

SCENARIOS: dict[str, Scenarios] = {
    "list_health": detect_lists.cells,
    "confounder_score": detect_scores.cells,
    "temporal_precedence": detect_precedence.cells,
    detect_treatments.DETECTOR: detect_treatments.cells,
}
