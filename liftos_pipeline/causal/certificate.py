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
from numpy.typing import NDArray

from liftos_pipeline.causal.diagnostics.replays import Placement, Replays, draw_replays
from liftos_pipeline.causal.estimators import ESTIMATORS
from liftos_pipeline.causal.inference.replay_bounds import (
    Bounds,
    Membership,
    percentile_limits,
    resampled_weights,
    simultaneous_rates,
    weighted_mean,
    weighted_quantile,
)
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import REFUSED, UNDEFINED, EffectEstimate
from liftos_pipeline.causal.trials import Prepare, Progress, Trial, Trials, run_trials
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

CLEARED, WIDENED, BLOCKED, NOT_APPLICABLE = "cleared", "widened", "blocked", "not_applicable"
CLEARED_EXCESS, BLOCKED_EXCESS = 0.01, 0.025
"""Above the nominal size: below the first a method is cleared; one whose lower bound is above the second is blocked."""
ROUNDING = 1e-9
POWER = 0.8
MIN_REPLAYS = 20
LIFT, SHARE_OF_SPREAD = 0.1, 0.5
"""Of the mean outcome, or of its standard deviation where the mean is not positive: the effect that is injected."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """Size, coverage, bias and smallest detectable effect of methods on one panel.

    Attributes
    ----------
    table : DataFrame
        One row per method: ``status`` (cleared, widened, blocked, not_applicable), ``reason``, ``answered`` (replays),
        ``size`` with simultaneous ``size_low`` and ``size_high``, ``coverage`` of the injected effect with
        ``coverage_low`` and ``coverage_high``, ``bias`` in units of the effect's scale with limits, ``injected``,
        ``detectable`` (the effect that the released interval would tell from zero in 80 % of the replays) with limits,
        ``widening`` (factor on each side of an interval).
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

    def applied_to(self, found: EffectEstimate) -> EffectEstimate:
        """The estimate under this certificate: as it is, with a wider interval, or refused.

        The certificate's row stands in ``diagnostics["certificate"]``.
        """
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
    ``level`` of these intervals would have held zero.

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
    """
    if n_replays < MIN_REPLAYS:
        raise LiftosError(f"at least {MIN_REPLAYS} replays", str(n_replays), "500 are usual.")
    names = list(ESTIMATORS if methods is None else methods)
    if not names:
        raise LiftosError("at least one method", "none", f"Choose among {', '.join(ESTIMATORS)}.")
    chosen = options or {}
    replays = draw_replays(
        panel, n_replays, seed, placement=placement, n_treated=n_treated, n_pre=n_pre, n_post=n_post
    )
    injected, mean = _effect(replays.panel, effect)
    trials = []
    for name in names:
        is_share = name in ESTIMATORS and ESTIMATORS[name].scale == "proportion"
        share = injected / mean if mean > 0 else LIFT
        trials += [Trial(name, size, chosen.get(name, {})) for size in (0.0, share if is_share else injected)]
    answers = run_trials(
        replays, trials, level=level, seed=seed, prepare=prepare, workers=workers, progress=progress
    )
    weights = resampled_weights(_members(replays), seed)
    return Certificate(
        table=_table(answers[::2], answers[1::2], weights, level),
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


def _effect(panel: Panel, effect: float | None) -> tuple[float, float]:
    """The injected effect and the mean of the untreated outcome."""
    untreated = panel.y[panel.d == 0]
    mean, spread = float(untreated.mean()), float(untreated.std())
    if effect is not None:
        if not (math.isfinite(effect) and effect != 0):
            raise LiftosError("an effect other than 0", repr(effect), "Leave it out for a tenth of the mean.")
        return float(effect), mean
    return (LIFT * mean if mean > 0 else SHARE_OF_SPREAD * spread), mean


def _members(replays: Replays) -> Membership:
    draws = replays.draws
    replay = np.repeat(np.arange(len(draws)), [len(draw.units) for draw in draws])
    dates = np.concatenate([draw.starts for draw in draws])
    n_dates = int(np.ptp(dates)) + 1
    block = max(1, replays.n_post) if replays.placement == "adoption" else max(1, round(n_dates ** (1 / 3)))
    units = np.concatenate([draw.units for draw in draws])
    return Membership(replay, units, dates - dates.min(), len(draws), replays.panel.n_units, n_dates, block)


def _table(nulls: Sequence[Trials], lifted: Sequence[Trials], weights: Floats, level: float) -> pd.DataFrame:
    sizes = _rates([np.where(null.answered, null.rejects, np.nan) for null in nulls], weights, level)
    covered = _rates([np.where(part.answered, part.covers(part.truth), np.nan) for part in lifted], weights, level)
    rows = []
    for place, (null, part) in enumerate(zip(nulls, lifted, strict=True)):
        if not null.answered.any():
            rows.append(
                {"method": null.method, "status": NOT_APPLICABLE, "reason": _most_common(null), "answered": 0}
            )
            continue
        widening = _widening(null, level)
        size, low, high = (float(side[place]) for side in (sizes.value, sizes.low, sizes.high))
        status = judged(size, low, level)
        errors = np.where(part.answered, part.estimate - part.truth, np.nan)
        rows.append(
            {
                "method": null.method,
                "status": status,
                "reason": _reason(status, size, low, widening, int(null.answered.sum())),
                "answered": int(null.answered.sum()),
                "size": size,
                "size_low": low,
                "size_high": high,
                "coverage": float(covered.value[place]),
                "coverage_low": float(covered.low[place]),
                "coverage_high": float(covered.high[place]),
                "injected": part.truth,
                **_with_limits("bias", np.array([np.nanmean(errors)]), weighted_mean(errors, weights), level),
                **_detectable(null, widening if status == WIDENED else 1.0, weights, level),
                "widening": widening if status == WIDENED else 1.0,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"answered": int})


COLUMNS = (
    *("method", "status", "reason", "answered", "size", "size_low", "size_high"),
    *("coverage", "coverage_low", "coverage_high", "injected", "bias", "bias_low", "bias_high"),
    *("detectable", "detectable_low", "detectable_high", "widening"),
)


def judged(size: float, low: float, level: float) -> str:
    """Status of a method from its size and the simultaneous lower bound of it."""
    nominal = 1.0 - level
    if low > nominal + BLOCKED_EXCESS:
        return BLOCKED
    return CLEARED if size < nominal + CLEARED_EXCESS - ROUNDING else WIDENED


def _rates(hits: list[Floats], weights: Floats, level: float) -> Bounds:
    return simultaneous_rates(hits, weights, level)


def _reason(status: str, size: float, low: float, widening: float, answered: int) -> str | None:
    seen = f"leaves out a true zero in {100 * size:.1f} % of {answered} replays of this panel"
    if status == BLOCKED:
        return f"{seen}, at least {100 * low:.1f} %"
    return f"{seen}: each side of its interval is multiplied by {widening:.3g}" if status == WIDENED else None


def _most_common(null: Trials) -> str:
    reasons = [reason for reason in null.reasons if reason is not None]
    return max(sorted(set(reasons)), key=reasons.count)


def _widening(null: Trials, level: float) -> float:
    """Factor on each side of the intervals at which ``level`` of them hold zero: an order statistic, as in a rank test."""
    side = np.where(null.estimate > 0, null.estimate - null.ci_low, null.estimate - null.ci_high)
    ratio = np.divide(null.estimate, side, out=np.zeros_like(side), where=np.isfinite(side) & (side != 0))
    ratio = np.sort(ratio[null.answered])
    place = math.ceil((len(ratio) + 1) * level) - 1
    return max(1.0, float(ratio[min(place, len(ratio) - 1)]))


def _detectable(null: Trials, widening: float, weights: Floats, level: float) -> dict[str, float]:
    """An effect is seen where the lower limit, moved up with it, leaves zero behind: at minus the limit without it."""
    low = null.estimate - widening * (null.estimate - null.ci_low)
    needed = np.where(null.answered, -low, np.inf)
    value = weighted_quantile(needed, np.ones((1, len(needed))), POWER)
    return _with_limits("detectable", value, weighted_quantile(needed, weights, POWER), level)


def _with_limits(name: str, value: Floats, drawn: Floats, level: float) -> dict[str, float]:
    low, high = percentile_limits(drawn, level)
    return {name: float(value[0]), f"{name}_low": low, f"{name}_high": high}


def licensed(found: EffectEstimate, row: Mapping[str, Any]) -> EffectEstimate:
    """An estimate under its row of a certificate: as it is, with a wider interval, or refused."""
    facts: dict[str, object] = {**found.diagnostics, "certificate": dict(row)}
    if row["status"] == WIDENED:
        return _widened(found, float(row["widening"]), str(row["reason"]), facts)
    warnings = found.warnings
    if row["status"] == BLOCKED:
        facts[REFUSED] = found.refused or row["reason"]
        warnings = (*warnings, f"refused: {row['reason']}")
    elif row["status"] == NOT_APPLICABLE:
        warnings = (*warnings, f"no certificate: {row['reason']}")
    return dataclasses.replace(found, diagnostics=facts, warnings=warnings)


def _widened(found: EffectEstimate, factor: float, reason: str, facts: dict[str, object]) -> EffectEstimate:
    path = found.path
    if path is not None:
        moved = {
            name: path["estimate"] + factor * (path[name] - path["estimate"])
            for name in ("ci_low", "ci_high", "band_low", "band_high")
            if name in path
        }
        path = path.assign(**moved)
    undefined = {**found.undefined, "p_value": "the interval was widened by the certificate; it has no p-value"}
    return dataclasses.replace(
        found,
        ci_low=found.estimate - factor * (found.estimate - found.ci_low),
        ci_high=found.estimate + factor * (found.ci_high - found.estimate),
        p_value=math.nan,
        path=path,
        diagnostics={**facts, UNDEFINED: undefined},
        warnings=(*found.warnings, f"widened: {reason}"),
    )
