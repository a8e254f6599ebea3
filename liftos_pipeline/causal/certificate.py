"""A certificate of size and coverage: what every method does on the user's own panel, where nobody was treated."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from liftos_pipeline.causal.diagnostics.replays import Placement, Replays, draw_replays
from liftos_pipeline.causal.estimators import ESTIMATORS
from liftos_pipeline.causal.inference.replay_bounds import Membership, resampled_weights
from liftos_pipeline.causal.licence import licensed
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.causal.trials import Prepare, Progress, Trial, run_trials
from liftos_pipeline.causal.verdicts import CLEARED, MIN_ANSWERS, WIDENED, verdicts
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIFT, SHARE_OF_SPREAD = 0.1, 0.5
"""Of the mean outcome, or of its standard deviation where the mean is not positive: the effect that is injected."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """Size, coverage, bias and smallest detectable effect of methods on one panel.

    Attributes
    ----------
    table : DataFrame
        One row per method: ``status`` (cleared, widened, blocked, undetermined, not_applicable), ``reason``,
        ``answered`` (replays), ``size`` with simultaneous ``size_low`` and ``size_high``, ``coverage`` of the injected
        effect with ``coverage_low`` and ``coverage_high``, ``bias`` in units of the effect's scale with limits,
        ``injected``, ``detectable`` (the effect that the released interval would tell from zero in 80 % of the
        replays) with limits, ``widening`` (factor on each side of an interval).
    effect : float
        Injected, in outcome units.
    n_replays, n_dates, n_units, n_treated, n_pre, n_post : int
        Replays, distinct placebo dates, units at hand, units treated on paper, periods before and after.
    """

    table: pd.DataFrame
    outcome: str
    placement: Placement
    effect: float
    level: float
    seed: int
    n_replays: int
    n_dates: int
    n_units: int
    n_treated: int
    n_pre: int
    n_post: int

    def row(self, method: str) -> Mapping[str, Any]:
        """What was found about one method.

        Raises
        ------
        LiftosError
            A method that was not replayed.
        """
        found = self.table[self.table["method"] == method]
        if len(found) == 0:
            raise LiftosError(
                f"a method among {', '.join(self.table['method'])}", repr(method), "Certify it: methods=[...]."
            )
        return {str(name): value for name, value in found.iloc[0].items()}

    @property
    def released(self) -> tuple[str, ...]:
        """Methods whose estimates may be used, as they are or widened."""
        may = self.table["status"].isin((CLEARED, WIDENED))
        return tuple(self.table.loc[may, "method"])

    def applied_to(self, found: EffectEstimate) -> EffectEstimate:
        """The estimate under this certificate: as it is, with a wider interval, or refused.

        The certificate's row stands in ``diagnostics["certificate"]``.

        Raises
        ------
        LiftosError
            A method that was not replayed, or an interval of another level.
        """
        if found.level != self.level:
            raise LiftosError(
                f"an estimate at level {self.level:g}, that of the certificate",
                f"{found.level:g}",
                "Certify and estimate at the same level.",
            )
        return licensed(found, {**self.row(found.method), "n_replays": self.n_replays})

    def summary(self) -> str:
        """A table for a person."""
        from liftos_pipeline.causal.summary import describe_certificate

        return describe_certificate(self)

    def to_dict(self) -> dict[str, object]:
        """Fields and rows as JSON types; NaN becomes None, an infinite number ``"Infinity"``."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "table"}
        rows = json.loads(
            self.table.replace([math.inf, -math.inf], ["Infinity", "-Infinity"]).to_json(orient="records")
        )
        return {**fields, "methods": rows}

    def plot(self) -> Figure:
        """Size, coverage and smallest detectable effect of every method that applies."""
        from liftos_pipeline.causal.plots.certificate import plot_certificate

        return plot_certificate(self)


def certify(
    panel: Panel,
    methods: Sequence[str] | None = None,
    *,
    n_replays: int = 500,
    effect: float | None = None,
    level: float = 0.95,
    seed: int = 0,
    placement: Placement = "adoption",
    n_treated: int | None = None,
    n_pre: int | None = None,
    n_post: int | None = None,
    options: Mapping[str, Mapping[str, object]] | None = None,
    prepare: Prepare | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Certificate:
    """Replay methods over placebo dates and placebo units of a panel, without and with an injected effect.

    A method whose size - the share of replays without any effect in which its interval leaves out zero - lies above
    its nominal value by 2.5 points even at the simultaneous lower bound is ``blocked``; one whose size is less than 1
    point above is ``cleared``; in between its intervals are ``widened``: each side is multiplied by the factor at which
    ``level`` of these intervals would have held zero. One that answered in fewer than 20 replays is ``undetermined``.

    Parameters
    ----------
    methods : sequence of str, optional
        Keys of ``ESTIMATORS``; all of them by default. Those that cannot answer here are ``not_applicable``.
    effect : float, optional
        Injected effect, in outcome units; by default a tenth of the mean of the untreated outcome, or, where that is
        not positive, half its standard deviation. Methods that tell proportions get it over the mean.
    placement, n_treated, n_pre, n_post
        As :func:`~liftos_pipeline.causal.diagnostics.replays.draw_replays`.
    options : mapping of str to mapping, optional
        Method to its options.
    prepare, workers, progress
        As :func:`~liftos_pipeline.causal.trials.run_trials`; the numbers do not depend on ``workers``.

    Raises
    ------
    LiftosError
        Fewer than 20 replays, a panel without room for placebos, an unknown method or option.

    Notes
    -----
    Units are treated at random in the replays, so they cannot show that the real ones were chosen for their prospects.
    Replays share units and dates: limits come from resampling both.

    References
    ----------
    Bertrand, Duflo and Mullainathan (2004), QJE 119(1). Kohavi, Tang and Xu (2020), Trustworthy Online Controlled
    Experiments, chapter 19: A/A tests.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [(u, t, int(u % 4 == 1 and t >= 16), (7 * u * t) % 5) for u in range(12) for t in range(20)]
    >>> table = pd.DataFrame(rows, columns=["shop", "week", "d", "noise"])
    >>> table["y"] = 20 + table["shop"] + table["week"] + table["noise"]
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="shop", period="week")
    >>> found = certify(panel, ["did", "difference_in_means"], n_replays=40).table
    >>> dict(zip(found["method"], found["status"]))
    {'did': 'widened', 'difference_in_means': 'blocked'}
    """
    if n_replays < MIN_ANSWERS:
        raise LiftosError(f"at least {MIN_ANSWERS} replays", str(n_replays), "500 are usual.")
    names = _named(methods, options or {})
    replays = draw_replays(
        panel, n_replays, seed, placement=placement, n_treated=n_treated, n_pre=n_pre, n_post=n_post
    )
    injected, mean = _effect(replays.panel, effect)
    trials = []
    for name in names:
        is_share = ESTIMATORS[name].scale == "proportion"
        share = injected / mean if mean > 0 else LIFT
        own = (options or {}).get(name, {})
        trials += [Trial(name, size, own) for size in (0.0, share if is_share else injected)]
    answers = run_trials(
        replays, trials, level=level, seed=seed, prepare=prepare, workers=workers, progress=progress
    )
    weights = resampled_weights(_members(replays), seed)
    return Certificate(
        table=verdicts(answers[::2], answers[1::2], weights, level),
        outcome=replays.panel.roles.outcome,
        placement=replays.placement,
        effect=injected,
        level=level,
        seed=seed,
        n_replays=n_replays,
        n_dates=len({draw.start for draw in replays.draws}),
        n_units=replays.panel.n_units,
        n_treated=round(float(np.mean([len(draw.units) for draw in replays.draws]))),
        n_pre=replays.n_pre,
        n_post=replays.n_post,
    )


def _named(methods: Sequence[str] | None, options: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Methods that are asked for, each once."""
    names = list(ESTIMATORS if methods is None else dict.fromkeys(methods))
    if not names:
        raise LiftosError("at least one method", "none", f"Choose among {', '.join(ESTIMATORS)}.")
    for name in (*names, *options):
        if name not in ESTIMATORS:
            raise LiftosError(f"a method among {', '.join(ESTIMATORS)}", repr(name), "Choose one of them.")
    lost = [name for name in options if name not in names]
    if lost:
        raise LiftosError(f"options of {', '.join(names)}", f"some of {', '.join(lost)}", "Name that method too.")
    return names


def _effect(panel: Panel, effect: float | None) -> tuple[float, float]:
    """The injected effect and the mean of the untreated outcome."""
    untreated = panel.y[panel.d == 0]
    mean, spread = float(untreated.mean()), float(untreated.std())
    if effect is not None:
        if not (math.isfinite(effect) and effect != 0):
            raise LiftosError("an effect other than 0", repr(effect), "Leave it out for a tenth of the mean.")
        return float(effect), mean
    if mean <= 0 and spread == 0:
        raise LiftosError(
            "an untreated outcome that varies", f"{mean:g} in every row", "Name the effect to inject."
        )
    return (LIFT * mean if mean > 0 else SHARE_OF_SPREAD * spread), mean


def _members(replays: Replays) -> Membership:
    draws = replays.draws
    replay = np.repeat(np.arange(len(draws)), [len(draw.units) for draw in draws])
    dates = np.concatenate([draw.starts for draw in draws])
    n_dates = int(np.ptp(dates)) + 1
    block = max(1, replays.n_post) if replays.placement == "adoption" else max(1, round(n_dates ** (1 / 3)))
    units = np.concatenate([draw.units for draw in draws])
    return Membership(replay, units, dates - dates.min(), len(draws), replays.panel.n_units, n_dates, block)
