"""The register of detectors' worlds: detector to the function that measures its cells. One ``detect_*.py`` per detector."""

from __future__ import annotations

from liftos_pipeline.benchmarks import detect_fatigue, detect_regimes, detect_treatments
from liftos_pipeline.benchmarks.operating_points import Scenarios

SCENARIOS: dict[str, Scenarios] = {
    detect_fatigue.DETECTOR: detect_fatigue.cells,
    detect_regimes.DETECTOR: detect_regimes.cells,
    detect_treatments.DETECTOR: detect_treatments.cells,
}
