"""Causal effects and confounders from panels of units and periods: a library without pipeline, tables or settings.

Registers and the calls that go through them. Everything else is imported from its own module.
"""

from __future__ import annotations

from dataclasses import replace

from liftos_pipeline.causal.certificate import Certificate, certify
from liftos_pipeline.causal.columns import Tabular
from liftos_pipeline.causal.confounders import DETECTORS
from liftos_pipeline.causal.estimators import ESTIMATORS
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.power import power
from liftos_pipeline.causal.power_result import Power
from liftos_pipeline.causal.pushdown import refuse_unless_pushed
from liftos_pipeline.causal.results import Detection, EffectEstimate, Read
from liftos_pipeline.causal.specification import checked_options, one_of
from liftos_pipeline.errors import LiftosError

__all__ = [
    "DETECTORS",
    "ESTIMATORS",
    "Certificate",
    "Detection",
    "EffectEstimate",
    "Panel",
    "Power",
    "certify",
    "detect",
    "estimate",
    "power",
]


def estimate(name: str, panel: Panel, level: float = 0.95, seed: int = 0, **options: object) -> EffectEstimate:
    """Estimate an effect by a registered method.

    Parameters
    ----------
    name : str
        A key of ``ESTIMATORS``.
    level : float
        Level of the interval.
    seed : int
        Seed of everything random: fixed seed, same bits.
    **options
        The method's own keyword options; ``estimand`` defaults to the first that it supports.

    Raises
    ------
    LiftosError
        Unknown method, option or estimand; a panel that the method cannot use.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"geo": list("abcd"), "d": [1, 0, 1, 0], "y": [3.0, 1.0, 4.0, 2.0]})
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="geo")
    >>> estimate("difference_in_means", panel).estimate
    2.0
    """
    if name not in ESTIMATORS:
        raise LiftosError(f"a method among {', '.join(ESTIMATORS)}", repr(name), "Choose one of them.")
    spec = ESTIMATORS[name]
    if not isinstance(panel, Panel):
        raise LiftosError("a Panel", type(panel).__name__, "Build it with Panel.from_frame.")
    if not 0.0 < level < 1.0:
        raise LiftosError("a level between 0 and 1", repr(level), "0.95 asks for a 95 % interval.")
    if panel.n_treated == 0:
        raise LiftosError("treated rows", "a panel that nobody is treated in", "Plan a test on it with power.")
    call = checked_options(name, spec.function, options, {"level": level, "seed": seed})
    one_of("estimand", str(call.get("estimand", spec.estimands[0])), spec.estimands)
    if spec.treatment == "binary" and not panel.is_binary:
        raise LiftosError(
            f"0 or 1 in treatment {panel.roles.treatment} for {name}",
            "other numbers",
            "Use the method iv for a dose, or code the treatment as 0/1.",
        )
    if panel.is_remote:
        refuse_unless_pushed(name, panel, call)
    return spec.function(panel if spec.streams or panel.is_remote else panel.held(), **call)


def detect(
    name: str,
    df: Tabular,
    unit: str,
    period: str | None = None,
    value: str | None = None,
    seed: int = 0,
    **options: object,
) -> Detection:
    """Look for a confounder by a registered detector.

    Parameters
    ----------
    name : str
        A key of ``DETECTORS``.
    df : DataFrame or pyarrow.Table
        Rows with the columns that the roles name.
    unit, period, value : str
        Column names.
    **options
        The detector's own keyword options.

    Raises
    ------
    LiftosError
        Unknown detector or option; a table that the detector cannot read.
    """
    if name not in DETECTORS:
        raise LiftosError(f"a detector among {', '.join(DETECTORS)}", repr(name), "Choose one of them.")
    spec = DETECTORS[name]
    offered = {"unit": unit, "period": period, "value": value, "seed": seed}
    found = spec.function(df, **checked_options(name, spec.function, options, offered))
    shown = next((options[role] for role in _SHOWN if isinstance(options.get(role), str)), None)
    return replace(found, read=Read(df, unit, period, value or (str(shown) if shown else None)))


_SHOWN = ("cpm", "cpc", "impression_share")
"""Columns that a picture shows where no ``value`` is named."""
