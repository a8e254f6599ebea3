"""The bundled offline platform server: the platforms' own wire formats, fed by a simulated world."""

from liftos_pipeline.platforms.app import CLOCK_HEADER, SIMULATED_ORIGIN, simulated_app

__all__ = ["CLOCK_HEADER", "SIMULATED_ORIGIN", "simulated_app"]
