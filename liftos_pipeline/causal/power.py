"""How small an effect a design could see on the user's own panel, and what it would take to see a smaller one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.planned import Assignment
from liftos_pipeline.causal.inference.covariance import ROUNDING
from liftos_pipeline.causal.inference.long_difference import power_of
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.power_designs import needed_for, other_designs, recommended_design
from liftos_pipeline.causal.power_question import Question, Running, question_of
from liftos_pipeline.causal.power_result import Needed, PanelNoise, Power
from liftos_pipeline.causal.simulated_power import Asked, SimulatedPower
from liftos_pipeline.causal.trials import Progress
from liftos_pipeline.causal.verdicts import BLOCKED, CLEARED, judged
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]

CURVE = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
"""Effects of the power curve, as multiples of the one that is detectable by formula."""


def power(
    panel: Panel,
    method: str = "did",
    *,
    effect: float | None = None,
    relative: bool = False,
    n_treated: int | None = None,
    n_pre: int | None = None,
    n_post: int | None = None,
    assigned: Assignment | None = None,
    power: float = 0.8,
    level: float = 0.95,
    n_replays: int = 500,
    seed: int = 0,
    options: Mapping[str, object] | None = None,
    treated_grid: Sequence[int] | None = None,
    post_grid: Sequence[int] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Power:
    """How small an effect a design could see, whether it sees the one asked for, and what that would take.

    Noise is measured where nobody was treated: in the panel's rows before each unit's treatment, or in a panel before
    anyone is (``Panel.untreated``). A formula that respects clusters and serial correlation answers for every design; for
    the design at hand the method itself is replayed on placebo treatments with injected effects, and its answer is
    the one announced.

    Parameters
    ----------
    panel : Panel
        With periods. Rows from each unit's treatment on are left out.
    method : str
        A key of ``ESTIMATORS``.
    effect : float, optional
        That should be seen, in outcome units; its sign is the side looked at.
    relative : bool
        Whether ``effect`` is a share of the untreated mean: 0.05 is 5 %.
    n_treated, n_pre, n_post : int, optional
        Units treated, periods before and after the start. Those of the panel's own treatment by default, at most half
        its units and half and a seventh of its periods; half its units where nobody is treated.
    assigned : {"unit", "cluster"}, optional
        What is assigned at random. Whole clusters by default where the panel names clusters of several units.
    power, level : float
        Probability of seeing the effect, and level of the interval that is to leave out zero.
    n_replays : int
        Placebo treatments; 0 for the formula alone.
    options : mapping, optional
        The method's own.
    treated_grid, post_grid : sequence of int, optional
        Units treated and periods after the start of the other designs; by default a quarter to four times the design's.
    workers, progress
        As :func:`~liftos_pipeline.causal.trials.run_trials`; the numbers do not depend on ``workers``.

    Raises
    ------
    LiftosError
        No periods; too few untreated units or periods for the design; an effect of 0 or a relative one where the mean is
        not positive; a power or level outside (0, 1), a power that is not above half the complement of the level; an
        unknown method or option, or one that answers on no replay.

    Notes
    -----
    The formula is that of ``did``: MDE = (t_{1 - a/2} + t_{power}) sqrt(V (1/k + 1/(N - k))) for k of N units treated, V
    the variance of a unit's mean after the start minus its mean before: s^2 [v(m) + v(r) - 2 c]. V is the mean, over the
    panel's windows, of the variance between units, where unit and period effects have cancelled. Whole clusters multiply
    it by 1 + (m - 1) ICC, ICC being that of the same differences and m the mean size of a unit's cluster. Other methods
    are more or less precise: their designs are told on the scale of the simulated answer.

    Noise that is known from few windows or clusters may be larger than it looks, and power falls faster with it than it
    rises: the announced effect carries ``allowance``, so that power is as asked on average over panels like this one.

    The formula takes limits to have their size; those of ``did`` (CR1) are too narrow with few clusters, which shows as
    ``simulated.size`` and as a simulated answer below the formula's.

    Windows longer than the panel are extrapolated by white plus autoregressive noise. Covariates are used in the replays
    but not in the formula.

    References
    ----------
    Burlig, Preonas and Woerman (2020), Journal of Development Economics 144, section 2. McKenzie (2012), Journal of
    Development Economics 99(2): more periods before and after. Bloom (1995), Evaluation Review 19(5): minimum detectable
    effects.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"geo": np.repeat(np.arange(40), 60), "day": np.tile(np.arange(60), 40)})
    >>> table["orders"] = 20.0 + rng.normal(size=40)[table["geo"]] + rng.normal(size=len(table))
    >>> panel = Panel.untreated(table, outcome="orders", unit="geo", period="day")
    >>> found = power(panel, effect=0.005, relative=True, n_treated=20, n_pre=20, n_post=10, n_replays=100)
    >>> found.can_see, found.analytic > found.effect
    (False, True)
    """
    question = question_of(
        panel,
        Asked(method, options or {}, level, power, 1, math.nan, seed),
        effect,
        relative,
        assigned,
        (n_treated, n_pre, n_post),
        Running(n_replays, workers, progress),
    )
    return _answer(question, treated_grid, post_grid)


def _answer(question: Question, treated_grid: Sequence[int] | None, post_grid: Sequence[int] | None) -> Power:
    asked, noise, design = question.asked, question.noise, question.noise.design
    size = abs(question.effect)
    reach = noise.reach(design)
    if not reach.std_error > ROUNDING * float(np.nanmax(np.abs(noise.untreated.Y))):
        raise LiftosError(
            "an outcome with noise", "one that unit and period effects explain", "Any effect would be seen."
        )
    analytic = question.told(reach.detectable)
    effects = np.array(sorted({*(analytic * m for m in CURVE), *([] if math.isnan(size) else [size])}))
    found = question.simulate(design, effects) if question.running.n_replays else None
    allowed = 1.0 if found is None else reach.allowance
    detectable = analytic if found is None else allowed * found.detectable
    is_known = math.isfinite(detectable) and detectable > 0
    scaled = replace(noise, scale=question.own(detectable) / reach.detectable if is_known else math.nan)
    designs = other_designs(question, scaled, treated_grid, post_grid)
    curve = _curve(question, effects, found)
    chances = _chances(curve, size, found is not None)
    is_blocked = found is not None and judged(found.size, found.size_low, asked.level) == BLOCKED
    can_see = None if math.isnan(size) else bool(detectable <= size and not is_blocked)
    needed = (
        Needed(None, None, None)
        if can_see is None or is_blocked or not is_known
        else needed_for(scaled, question.own(size))
    )
    seen = noise.measured(design.n_pre, design.n_post)
    unseen = _unseen(question, detectable, chances[0], allowed, needed)
    if found is not None and is_blocked:
        unseen = _blocked(asked, found)
    return Power(
        method=asked.method,
        outcome=question.panel.roles.outcome,
        level=asked.level,
        power=asked.power,
        seed=asked.seed,
        design=design,
        n_units=round(seen.n_units),
        n_clusters=seen.n_clusters,
        mean=asked.mean,
        detectable=detectable,
        detectable_low=math.nan if found is None else allowed * found.detectable_low,
        detectable_high=math.nan if found is None else allowed * found.detectable_high,
        analytic=analytic,
        allowance=reach.allowance,
        independent=question.told(noise.independent().detectable),
        effect=question.effect,
        effect_power=chances[0],
        effect_power_low=chances[1],
        effect_power_high=chances[2],
        can_see=can_see,
        reason=None if can_see is not False else unseen,
        needed=needed,
        simulated=found,
        noise=PanelNoise(
            math.sqrt(noise.noise.variance),
            noise.noise.lag_one,
            seen.parts.intraclass,
            seen.parts.design_effect if design.assigned == "cluster" else 1.0,
        ),
        curve=curve,
        designs=designs,
        recommended=None if found is None or is_blocked else recommended_design(question, designs),
        warnings=_warnings(question, found),
    )


def _curve(question: Question, effects: Floats, found: SimulatedPower | None) -> pd.DataFrame:
    asked, noise = question.asked, question.noise
    curve = pd.DataFrame({"effect": effects, "effect_relative": math.nan})
    if asked.mean > 0:
        curve["effect_relative"] = effects / asked.mean
    for name in ("power", "power_low", "power_high"):
        curve[name] = math.nan if found is None else getattr(found, name)
    own = np.array([question.own(effect) for effect in effects])
    for name, reach in (("analytic", noise.reach(noise.design)), ("independent", noise.independent())):
        curve[f"power_{name}"] = power_of(own, reach.std_error, reach.freedom, asked.level)
    return curve


def _chances(curve: pd.DataFrame, size: float, is_simulated: bool) -> tuple[float, float, float]:
    """Power at the effect asked for, with limits where it is simulated."""
    at = curve[curve["effect"] == size]
    if len(at) == 0:
        return math.nan, math.nan, math.nan
    row = at.iloc[0]
    return (
        float(row["power" if is_simulated else "power_analytic"]),
        float(row["power_low"]),
        float(row["power_high"]),
    )


def _unseen(question: Question, detectable: float, chance: float, allowed: float, needed: Needed) -> str:
    design, asked = question.noise.design, question.asked
    told = (
        f"an effect of {abs(question.effect):.4g} is seen in {100 * chance:.0f} % of cases, "
        f"{100 * asked.power:g} % are asked for"
    )
    if not math.isfinite(detectable):
        return f"{told}; no effect that was tried is seen as often: choose another method or design"
    ways = [
        f"{needed.n_treated} treated units of these" if needed.n_treated else "",
        f"{needed.n_units} units in all with the same share treated" if needed.n_units else "",
        f"{needed.n_post} periods after the start" if needed.n_post else "",
    ]
    part = f" ({100 * (allowed - 1):.1f} % allowed for noise that few windows show)" if allowed > 1.0 else ""
    text = f"{told}; the smallest that is seen as often is {detectable:.4g}{part}. Needed: {', or '.join(filter(None, ways))}"
    missing = [
        *([] if needed.n_treated else [f"no number of treated units among these {question.noise.n_units:.0f}"]),
        *([] if needed.n_post else [f"no duration with {design.n_treated} treated units"]),
    ]
    return f"{text} ({' and '.join(missing)} would do)" if missing else text


def _blocked(asked: Asked, found: SimulatedPower) -> str:
    return (
        f"{asked.method} leaves out a true zero in {100 * found.size:.1f} % of replays of this panel, at least "
        f"{100 * found.size_low:.1f} %: what it sees is not to be believed. Choose another method, or treat more units"
    )


def _warnings(question: Question, found: SimulatedPower | None) -> tuple[str, ...]:
    told, asked = [], question.asked
    if question.panel.has_weights:
        told.append("the formula takes sampling weights as unrelated to the noise")
    if found is None:
        if asked.method != "did":
            told.append(f"the formula is that of did: replays would say what {asked.method} sees")
        return tuple(told)
    status = judged(found.size, found.size_low, asked.level)
    if status == BLOCKED:
        told.append(f"power is overstated: {_blocked(asked, found)}")
    elif status != CLEARED:
        told.append(
            f"{asked.method} leaves out a true zero in {100 * found.size:.1f} % of replays: its power may be overstated"
        )
    if found.answered < found.n_replays:
        told.append(
            f"{asked.method} answered in {found.answered} of {found.n_replays} replays; the others saw nothing"
        )
    if not found.is_exact_shift:
        told.append(
            f"effects were injected one by one at {len(found.effects)} sizes; between them power is drawn straight"
        )
    if found.n_dates == 1:
        told.append("the window leaves room for one date: all replays share its noise")
    return tuple(told)
