"""Synthetic control: a weighted mean of donors that follows the treated unit before the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.causal.estimators.donor_panel import DonorPanel, donor_panel
from liftos_pipeline.causal.estimators.predictors import (
    PREDICTOR_WEIGHTS,
    Predictor,
    PredictorWeights,
    predictor_table,
    search_weights,
)
from liftos_pipeline.causal.inference.permutation import conformal_inference, ratio_inference
from liftos_pipeline.causal.kernels.simplex import SimplexFit, nearest_points
from liftos_pipeline.causal.panel import Panel
from liftos_pipeline.causal.results import EffectEstimate, Inference, effect_from
from liftos_pipeline.causal.specification import one_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_MISSED = 20.0
MOST_GAPS = 40
"""Donors whose gaps a result carries."""
N_DRAWS = 10_000
"""Sets of placebo units where several units are treated."""
POOR_FIT = 2.0
"""Error before the start, beside the median of the donors' own placebos, from which on there is a warning."""
_NO_FACTS: Mapping[str, object] = {}
_PATH_COLUMNS = ("std_error", "ci_low", "ci_high", "band_low", "band_high")


@dataclass(frozen=True, eq=False)
class _Fitted:
    """One unit and its synthetic control.

    Attributes
    ----------
    column : int
        Of the unit.
    synthetic : ndarray, shape (T,)
    gap : ndarray, shape (T,)
        Outcome less the synthetic one.
    facts : mapping
        What the search of predictor weights found.
    """

    column: int
    n_pre: int
    fit: SimplexFit
    synthetic: Floats
    gap: Floats
    facts: Mapping[str, object]

    @property
    def pre_square(self) -> float:
        return float(np.mean(self.gap[: self.n_pre] ** 2))

    @property
    def post_square(self) -> float:
        return float(np.mean(self.gap[self.n_pre :] ** 2))


@dataclass(frozen=True, eq=False)
class _Model:
    """How weights are found."""

    panel: Panel
    units: DonorPanel
    predictors: tuple[Predictor, ...] | None
    predictor_weights: PredictorWeights
    seed: int

    def fitted(self, columns: Sequence[int], donors: Sequence[Integers], n_pre: int) -> list[_Fitted]:
        """Synthetic controls of columns whose start is the same."""
        Y = self.units.Y
        if self.predictors is None:
            before = Y[:n_pre]
            if self.predictor_weights == "inverse_variance":
                spread = before.std(axis=1, keepdims=True)
                before = np.divide(before, spread, out=np.zeros_like(before), where=spread > 0)
            found = [(fit, _NO_FACTS) for fit in nearest_points(before, columns, donors)]
        else:
            found = [self._by_predictors(c, d, n_pre) for c, d in zip(columns, donors, strict=True)]
        fits = []
        for column, (fit, facts) in zip(columns, found, strict=True):
            synthetic = Y[:, fit.members] @ fit.weights
            fits.append(_Fitted(int(column), n_pre, fit, synthetic, Y[:, column] - synthetic, facts))
        return fits

    def _by_predictors(self, column: int, donors: Integers, n_pre: int) -> tuple[SimplexFit, Mapping[str, object]]:
        assert self.predictors is not None
        kind = self.predictor_weights
        half = n_pre // 2 if kind == "cross_validated" else 0
        table = predictor_table(self.panel, self.units, self.predictors, half, n_pre)
        X = table.scaled()
        facts: dict[str, object] = {}
        v = np.full(len(X), 1.0 / len(X))
        if kind in ("nested", "cross_validated"):
            rng = np.random.default_rng([self.seed, column])
            Z = self.units.Y
            if kind == "nested":
                search = search_weights(X, Z[:n_pre], column, donors, rng)
            else:
                early = predictor_table(self.panel, self.units, self.predictors, 0, half).scaled()
                search = search_weights(early, Z[half:n_pre], column, donors, rng)
            v = search.weights
            facts = {"predictor_loss": search.loss, "is_identified": search.is_identified}
        elif kind == "none":
            X = table.values
            v = np.ones(len(X))
        facts["predictors"] = dict(zip(table.names, v.tolist(), strict=True))
        return nearest_points(np.sqrt(v)[:, None] * X, [column], [donors])[0], facts


def synthetic_control(
    panel: Panel,
    *,
    level: float,
    seed: int,
    estimand: str = "att",
    predictors: Sequence[Predictor] | None = None,
    predictor_weights: PredictorWeights = "none",
    inference: Literal["placebo", "conformal"] = "placebo",
) -> EffectEstimate:
    """Mean gap, after the start, between treated units and weighted means of units that are never treated.

    Weights are not negative and add to one; by default they minimise the squared gap in all periods before the start,
    and each solution carries a proof of how near it is to the optimum.

    Parameters
    ----------
    predictors : sequence, optional
        What weights are to match in place of every outcome before the start: names of covariates or of the outcome
        (mean over the periods before), or ``(name, period)`` or ``(name, (first, last))``.
    predictor_weights : str
        ``none``: predictors as they are. ``inverse_variance``: each over its standard deviation across units (for
        outcomes, in each period). ``nested``: weights whose synthetic control is nearest to the outcome before the start.
        ``cross_validated``: nearest in the later half of it, from predictors of the earlier half.
    inference : str
        ``placebo``: rank, among donors treated as if they were treated, of the ratio of the errors after and before; its
        interval holds the constant effects that this test does not reject, and is unbounded with too few donors
        (fewer than 19 at 95 %). ``conformal``: rank among shifts of the residuals in time.

    Raises
    ------
    LiftosError
        A panel without periods, donors or periods before the start; a treated unit with missing periods; unknown
        predictors; weights that could not be shown to be best.

    References
    ----------
    Abadie, Diamond and Hainmueller (2010), JASA 105(490). Abadie (2021), Journal of Economic Literature 59(2).

    Examples
    --------
    >>> import pandas as pd
    >>> from liftos_pipeline.causal import Panel, estimate
    >>> rows = [(u, t, int(u % 4 == 1 and t >= 6), (7 * u * t) % 5) for u in range(12) for t in range(9)]
    >>> table = pd.DataFrame(rows, columns=["shop", "week", "d", "noise"])
    >>> table["y"] = 20 + table["shop"] + table["week"] + 3 * table["d"] + table["noise"]
    >>> panel = Panel.from_frame(table, outcome="y", treatment="d", unit="shop", period="week")
    >>> est = estimate("synthetic_control", panel)
    >>> round(est.estimate, 2), round(est.ci_low, 2), round(est.ci_high, 2)
    (3.28, 2.92, 3.65)
    """
    one_of("predictor_weights", predictor_weights, PREDICTOR_WEIGHTS)
    one_of("inference", inference, ("placebo", "conformal"))
    if predictor_weights == "cross_validated" and not (predictors and all(isinstance(p, str) for p in predictors)):
        raise LiftosError(
            "names of predictors for cross-validated weights, whose halves are the periods",
            "none" if predictors is None else "predictors with periods of their own",
            "Name predictors without periods, or use predictor_weights='nested'.",
        )
    if predictors is not None and len(predictors) == 0:
        raise LiftosError("at least one predictor", "none", "Leave predictors out to match every outcome before.")
    units = donor_panel(panel, "synthetic_control", uses_covariates=predictors is not None)
    model = _Model(panel, units, None if predictors is None else tuple(predictors), predictor_weights, seed)
    treated = _treated(model)
    placebos = {n_pre: _placebos(model, n_pre) for n_pre in sorted(set(units.start.tolist()))}
    if inference == "placebo":
        found = _placebo_inference(treated, placebos, level, seed)
    else:
        found = _conformal(model, treated, level)
    estimate = float(np.mean([one.gap[one.n_pre :].mean() for one in treated]))
    diagnostics = {
        **_facts(units, treated, placebos, _leave_one_out(model, treated)),
        "inference": inference,
        "seed": seed,
    }
    warnings = (*units.warnings, *_warnings(units, treated, placebos, found))
    effect = effect_from(panel, "synthetic_control", estimand, estimate, found, diagnostics, warnings)
    return replace(effect, path=_path(units, treated), weights=_weights(units, treated))


def _treated(model: _Model) -> list[_Fitted]:
    units = model.units
    fits: list[_Fitted] = []
    for column, n_pre in enumerate(units.start.tolist()):
        fits += model.fitted([column], [units.donors], n_pre)
    return fits


def _placebos(model: _Model, n_pre: int) -> list[_Fitted]:
    """Every donor as if it were treated, by the other donors."""
    columns = model.units.donors.tolist()
    return model.fitted(columns, [model.units.others(column) for column in columns], n_pre)


def _placebo_inference(
    treated: list[_Fitted], placebos: Mapping[int, list[_Fitted]], level: float, seed: int
) -> Inference:
    """Rank of the ratio of errors; with several treated units, among sets of as many different donors."""
    pre = float(np.sqrt(np.mean([one.pre_square for one in treated])))
    post = np.concatenate([one.gap[one.n_pre :] for one in treated])
    weight = np.concatenate([np.full(len(one.gap) - one.n_pre, 1 / (len(one.gap) - one.n_pre)) for one in treated])
    table = {n_pre: np.array([[p.post_square, p.pre_square] for p in found]) for n_pre, found in placebos.items()}
    n_donors = len(next(iter(table.values())))
    if len(treated) == 1:
        squares = table[treated[0].n_pre]
    else:
        rng = np.random.default_rng(seed)
        copies = -(-len(treated) // n_donors)
        drawn = rng.permuted(np.tile(np.arange(n_donors), (N_DRAWS, copies)), axis=1)[:, : len(treated)]
        squares = np.mean([table[one.n_pre][drawn[:, place]] for place, one in enumerate(treated)], axis=0)
    ratios = np.sqrt(
        np.divide(squares[:, 0], squares[:, 1], out=np.full(len(squares), np.inf), where=squares[:, 1] > 0)
    )
    return ratio_inference(post, weight / weight.sum(), pre, ratios, level, n_donors + len(treated))


def _conformal(model: _Model, treated: list[_Fitted], level: float) -> Inference:
    """Shifts of the residuals of one treated unit, or of the mean of several with the same start."""
    starts = {one.n_pre for one in treated}
    if len(starts) > 1 or model.predictors is not None:
        found = "several starts" if len(starts) > 1 else "named predictors"
        raise LiftosError(
            "one start and every outcome as predictor for conformal inference", found, "Use inference='placebo'."
        )
    n_pre, units = starts.pop(), model.units
    target = units.Y[:, : units.n_treated].mean(axis=1)
    donors = units.Y[:, units.donors]
    is_post = np.arange(units.n_periods) >= n_pre
    scale = np.ones((units.n_periods, 1))
    if model.predictor_weights == "inverse_variance":
        spread = units.Y.std(axis=1, keepdims=True)
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)

    def residuals_at(effect: float) -> Floats:
        untreated = np.where(is_post, target - effect, target)
        columns = np.column_stack([untreated, donors])
        weights = nearest_points(scale * columns, [0], [np.arange(1, columns.shape[1])])[0].weights
        left: Floats = untreated - donors @ weights
        return left

    estimate = float(np.mean([one.gap[n_pre:].mean() for one in treated]))
    pre = float(np.sqrt(np.mean([one.pre_square for one in treated])))
    step = max(pre, abs(estimate) / 25, 1e-6 * float(np.ptp(target)), 1e-300)
    n_post = units.n_periods - n_pre
    return conformal_inference(residuals_at, n_post, estimate, step, level, units.n_donors + units.n_treated)


def _facts(
    units: DonorPanel,
    treated: list[_Fitted],
    placebos: Mapping[int, list[_Fitted]],
    leave_one_out: list[dict[str, object]],
) -> dict[str, object]:
    first = treated[0]
    pre, post = (float(np.mean([getattr(one, name) for one in treated])) for name in ("pre_square", "post_square"))
    facts: dict[str, object] = {
        "placebo_gaps": _placebo_gaps(units, treated, placebos),
        "n_donors": units.n_donors,
        "n_pre_periods": sorted({one.n_pre for one in treated}),
        "pre_rmspe": pre**0.5,
        "post_rmspe": post**0.5,
        "rmspe_ratio": (post / pre) ** 0.5 if pre > 0 else float("nan"),
        "placebo_pre_rmspe": float(np.median([p.pre_square**0.5 for p in placebos[first.n_pre]])),
        "objective": [one.fit.objective for one in treated],
        "objective_gap": [one.fit.gap for one in treated],
        "donors_used": [int(np.count_nonzero(one.fit.weights)) for one in treated],
        "outside_donors_share": _outside(units, treated),
        "leave_one_out": leave_one_out,
        "standard_error": "none: permutation",
    }
    for one in treated:
        facts |= dict(one.facts)
    return facts


def _placebo_gaps(
    units: DonorPanel, treated: list[_Fitted], placebos: Mapping[int, list[_Fitted]]
) -> dict[str, list[float]]:
    """Gaps of donors that their own synthetic controls follow before the start, for a figure; of one treated unit.

    Left out is what misses by more than twenty times the treated unit's squared error, as in figure 5 of the paper.
    """
    if len(treated) > 1:
        return {}
    nearest = sorted(placebos[treated[0].n_pre], key=lambda one: one.pre_square)[:MOST_GAPS]
    near = [one for one in nearest if one.pre_square <= MOST_MISSED * treated[0].pre_square]
    return {str(units.labels[one.column]): one.gap.tolist() for one in near}


def _outside(units: DonorPanel, treated: list[_Fitted]) -> float:
    """Share of periods before the start in which a treated unit lies above or below all donors."""
    shares = []
    for one in treated:
        donors, own = units.Y[: one.n_pre, units.donors], units.Y[: one.n_pre, one.column]
        shares.append(np.mean((own > donors.max(axis=1)) | (own < donors.min(axis=1))))
    return float(np.max(shares))


def _leave_one_out(model: _Model, treated: list[_Fitted]) -> list[dict[str, object]]:
    """The estimate of each treated unit without each donor that it uses."""
    found: list[dict[str, object]] = []
    labels = model.units.labels
    for one in treated:
        used = one.fit.members[one.fit.weights > 0]
        fits = model.fitted(
            [one.column] * len(used), [model.units.others(int(donor)) for donor in used], one.n_pre
        )
        found += [
            {
                "unit": labels[one.column],
                "without": labels[donor],
                "estimate": float(fit.gap[one.n_pre :].mean()),
                "pre_rmspe": fit.pre_square**0.5,
            }
            for donor, fit in zip(used, fits, strict=True)
        ]
    return found


def _warnings(
    units: DonorPanel, treated: list[_Fitted], placebos: Mapping[int, list[_Fitted]], found: Inference
) -> tuple[str, ...]:
    warnings = []
    if np.isinf(found.ci_high):
        warnings.append(
            f"{units.n_donors} donors are too few for an interval at {100 * found.level:g} %: no effect can be rejected"
        )
    for one in treated:
        name = units.labels[one.column]
        usual = float(np.median([p.pre_square**0.5 for p in placebos[one.n_pre]]))
        if one.pre_square**0.5 > POOR_FIT * usual:
            warnings.append(
                f"the synthetic control of {name} is off by {one.pre_square**0.5:.3g} before the start, "
                f"{one.pre_square**0.5 / usual:.2g} times as much as a donor's: the gap after it may be no effect"
                if usual > 0
                else f"the synthetic control of {name} misses it before the start, those of the donors do not"
            )
        if one.fit.is_exact:
            warnings.append(
                f"{name} is a weighted mean of the donors in all that is matched: other weights do as well"
            )
        if one.facts.get("is_identified") is False:
            warnings.append(f"the predictors of {name} can be met exactly: their weights are not identified")
    outside = _outside(units, treated)
    if outside > 0.5:
        warnings.append(
            f"a treated unit lies outside its donors in {100 * outside:.0f} % of the periods before: no weighted mean "
            "of them can follow it"
        )
    return tuple(warnings)


def _path(units: DonorPanel, treated: list[_Fitted]) -> pd.DataFrame:
    """Mean gap by periods since the start, over the event times that all treated units have."""
    times = units.event_times()
    rows = [one.n_pre + times for one in treated]
    observed = np.mean([units.Y[row, one.column] for row, one in zip(rows, treated, strict=True)], axis=0)
    synthetic = np.mean([one.synthetic[row] for row, one in zip(rows, treated, strict=True)], axis=0)
    table = {"event_time": times, "estimate": observed - synthetic, **dict.fromkeys(_PATH_COLUMNS, np.nan)}
    return pd.DataFrame({**table, "observed": units.origin + observed, "synthetic": units.origin + synthetic})


def _weights(units: DonorPanel, treated: list[_Fitted]) -> pd.DataFrame:
    parts = []
    for one in treated:
        part = pd.DataFrame({"unit": units.labels[one.fit.members], "weight": one.fit.weights})
        parts.append(part if len(treated) == 1 else part.assign(treated_unit=units.labels[one.column]))
    return pd.concat(parts, ignore_index=True)
