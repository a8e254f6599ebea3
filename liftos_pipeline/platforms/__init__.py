"""The bundled offline platform server: the platforms' own wire formats, fed by a simulated world."""

from liftos_pipeline.platforms.app import CLOCK_HEADER, SIMULATED_ORIGIN, simulated_app, world_at
from liftos_pipeline.platforms.fault_plan import FaultPlan
from liftos_pipeline.platforms.faults import FAULTS, INJECTIONS
from liftos_pipeline.platforms.loopback import serve

__all__ = [
    "CLOCK_HEADER",
    "FAULTS",
    "INJECTIONS",
    "SIMULATED_ORIGIN",
    "FaultPlan",
    "serve",
    "simulated_app",
    "world_at",
]
