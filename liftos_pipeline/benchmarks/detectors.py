"""The register of detectors' worlds: detector to the function that measures its cells. One ``detect_*.py`` per detector."""

from __future__ import annotations

from liftos_pipeline.benchmarks.operating_points import Scenarios

SCENARIOS: dict[str, Scenarios] = {}
