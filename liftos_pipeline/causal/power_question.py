"""What is asked about power, validated before anything is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.design_noise import DesignNoise, table_of_outcomes
from liftos_pipeline.causal.diagnostics.planned import (
    Assignment,
    Design,
    first_design,
    planned_replays,
    untreated_outcomes,
)
from liftos_pipeline.causal.diagnostics.replays import MIN_CONTROLS
from liftos_pipeline.causal.estimators import ESTIMATORS
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.simulated_power import Asked, SimulatedPower, simulate_power
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.causal.trials import Progress
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

MIN_REPLAYS = 20


@dataclass(frozen=True)
class Running:
    """How many placebo treatments (0: the formula alone), in how many processes, and who is told."""

    n_replays: int
    workers: int
    progress: Progress | None


@dataclass(frozen=True, eq=False)
class Question:
    """Everything that is asked, validated. ``effect`` is NaN where none is."""

    panel: Panel
    asked: Asked
    noise: DesignNoise
    effect: float
    running: Running

    def told(self, own: float) -> float:
        """An effect in the units of the noise, in outcome units, without sign."""
        if not self.asked.is_proportional:
            return own
        return self.asked.mean * self.asked.sign * math.expm1(self.asked.sign * own)

    def own(self, told: float) -> float:
        """The way back."""
        if not self.asked.is_proportional:
            return told
        share = self.asked.sign * told / self.asked.mean
        return math.inf if share <= -1.0 else self.asked.sign * math.log1p(share)

    def simulate(self, design: Design, effects: Floats) -> SimulatedPower:
        """Replay the method in a design, at effects in outcome units without sign."""
        running = self.running
        replays = planned_replays(self.panel, design, running.n_replays, self.asked.seed)
        return simulate_power(replays, self.asked, effects, running.workers, running.progress)


def question_of(
    panel: Panel,
    asked: Asked,
    effect: float | None,
    relative: bool,
    assigned: Assignment | None,
    numbers: tuple[int | None, int | None, int | None],
    running: Running,
) -> Question:
    """Validate a call.

    Parameters
    ----------
    asked : Asked
        Its ``sign`` and ``mean`` are filled in here.
    numbers : tuple
        Units treated, periods before and after; None where left open.

    Raises
    ------
    LiftosError
        As :func:`~liftos_pipeline.causal.power.power`.
    """
    _refuse(asked, effect, running.n_replays)
    panel = panel.held()
    untreated = untreated_outcomes(panel)
    design = first_design(panel.index, untreated, _assigned(panel, assigned), *numbers)
    _refuse_design(design, panel)
    mean = float(np.nanmean(untreated.Y))
    wanted = _absolute(effect, relative, mean, asked)
    table = table_of_outcomes(untreated, asked.is_proportional)
    noise = DesignNoise(table, design, asked.level, asked.power, _weight_factor(panel))
    return Question(panel, replace(asked, sign=-1 if wanted < 0 else 1, mean=mean), noise, wanted, running)


def _refuse(asked: Asked, effect: float | None, n_replays: int) -> None:
    method, level, power = asked.method, asked.level, asked.power
    if method not in ESTIMATORS:
        raise LiftosError(f"a method among {', '.join(ESTIMATORS)}", repr(method), "Choose one of them.")
    if not 0.0 < level < 1.0:
        raise LiftosError("a level between 0 and 1", repr(level), "0.95 asks for a 95 % interval.")
    if not 1.0 - level < power < 1.0:
        raise LiftosError(
            f"a power above {1.0 - level:.3g}, which chance alone gives, and below 1", repr(power), "0.8 is usual."
        )
    if effect is not None and not (math.isfinite(effect) and effect != 0.0):
        raise LiftosError("an effect other than 0", repr(effect), "Leave it out to learn what could be seen.")
    if n_replays != 0 and n_replays < MIN_REPLAYS:
        raise LiftosError(
            f"at least {MIN_REPLAYS} replays, or 0 for the formula alone", str(n_replays), "500 are usual."
        )


def _assigned(panel: Panel, assigned: Assignment | None) -> Assignment:
    cluster = panel.index.unit_cluster
    if assigned is not None:
        one_of("assigned", assigned, ("unit", "cluster"))
    if assigned == "cluster" and cluster is None:
        raise LiftosError(
            "clusters that hold whole units",
            "units with rows in several",
            "Assign units, or name another cluster.",
        )
    are_grouped = cluster is not None and panel.n_clusters < panel.n_units
    return assigned or ("cluster" if are_grouped else "unit")


def _refuse_design(design: Design, panel: Panel) -> None:
    numbers = {"n_treated": design.n_treated, "n_pre": design.n_pre, "n_post": design.n_post}
    wrong = {name: value for name, value in numbers.items() if value != int(value) or value < 1}
    if wrong:
        raise LiftosError("whole numbers from 1 on", str(wrong), "Say how many units and periods the test has.")
    if design.n_treated > panel.n_units - MIN_CONTROLS:
        raise LiftosError(
            f"at least {MIN_CONTROLS} units left untreated",
            f"{design.n_treated} of {panel.n_units} treated",
            f"Treat at most {panel.n_units - MIN_CONTROLS}, or add units."
            if panel.n_units > MIN_CONTROLS
            else "Add units.",
        )
    if design.assigned == "cluster" and panel.n_clusters <= MIN_CONTROLS:
        raise LiftosError(
            f"more than {MIN_CONTROLS} clusters", str(panel.n_clusters), "Add clusters, or assign units."
        )


def _absolute(effect: float | None, relative: bool, mean: float, asked: Asked) -> float:
    """The effect in outcome units; NaN where none is asked for."""
    if (relative or asked.is_proportional) and not mean > 0:
        raise LiftosError(
            "an untreated outcome with a positive mean",
            f"{mean:.6g}",
            "Tell the effect in outcome units, with did.",
        )
    if effect is None:
        return math.nan
    return effect * mean if relative else effect


def _weight_factor(panel: Panel) -> float:
    """Mean square of the units' weights over their squared mean."""
    if not panel.has_weights:
        return 1.0
    weights = np.bincount(panel.unit, panel.row_weights) / np.bincount(panel.unit)
    return float(np.mean(weights**2) / np.mean(weights) ** 2)
