"""What holds, and what can be said, when instruments are weak: first-stage strength and Anderson-Rubin sets.

Instruments come as an orthonormal basis with the covariates partialled out, as sums per cluster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = list[float]

RULE_OF_THUMB = 10.0
WORST_CASE_BIAS = 0.10
SIZE = 0.05
SINGULAR = 1e-12
_CRITICAL_VALUE = "effective_f_critical_value"
ALMOST_REAL = 1e-6
"""Imaginary part, relative to the size, up to which a root may be a real one with rounding."""


@dataclass(frozen=True)
class FirstStage:
    """Strength of the instruments.

    Attributes
    ----------
    f, p_value : float
        Clustered Wald statistic of all instruments over their number, and its p-value from F(q, G - 1).
    effective_f : float
        The statistic of Montiel Olea and Pflueger; equal to ``f`` for one instrument.
    critical_value : float
        Below it, a bias of 2SLS above 10 % of the worst case is not rejected at 5 %.
    undefined : dict
        Reason of each field that is NaN.
    """

    f: float
    p_value: float
    effective_f: float
    critical_value: float
    undefined: dict[str, str] = field(default_factory=dict)

    @classmethod
    def unknown(cls, reason: str) -> FirstStage:
        """NaN in every field."""
        names = ("first_stage_f", "first_stage_p", "effective_f", _CRITICAL_VALUE)
        return cls(math.nan, math.nan, math.nan, math.nan, dict.fromkeys(names, reason))

    def without_critical_value(self, reason: str) -> FirstStage:
        """The same without a value that belongs to another estimator."""
        undefined = {**self.undefined, _CRITICAL_VALUE: reason}
        return replace(self, critical_value=math.nan, undefined=undefined)


def first_stage_strength(pi: Floats, zv: Floats, correction: float) -> FirstStage:
    """F statistic, effective F and its critical value.

    The critical value is the simplified one, which holds whatever the second stage: the 95 % quantile of a
    non-central chi-square over its degrees of freedom, both from the eigenvalues of the clustered covariance.

    Parameters
    ----------
    pi : ndarray, shape (q,)
        Coefficients of the first stage.
    zv : ndarray, shape (G, q)
        Sums of instrument times first-stage residual of at least two clusters.
    correction : float
        (n - 1) / (n - k) of the first stage.

    References
    ----------
    Montiel Olea and Pflueger (2013), JBES 31(3), the simplified test.
    """
    from scipy import special

    n_clusters, n_instruments = zv.shape
    covariance = correction * n_clusters / (n_clusters - 1) * zv.T @ zv
    trace = float(np.trace(covariance))
    if trace <= SINGULAR**2 * float(pi @ pi):
        return FirstStage(math.inf, 0.0, math.inf, _critical_value(np.ones(1)))
    effective_f = float(pi @ pi) / trace
    spectrum = np.linalg.eigvalsh(covariance) / trace
    critical_value = _critical_value(spectrum)
    if n_clusters <= n_instruments or spectrum[0] < SINGULAR:
        reason = f"sums of {n_clusters} clusters do not vary in {n_instruments} directions"
        undefined = dict.fromkeys(("first_stage_f", "first_stage_p"), reason)
        return FirstStage(math.nan, math.nan, effective_f, critical_value, undefined)
    f = float(pi @ np.linalg.solve(covariance, pi)) / n_instruments
    p_value = float(special.fdtrc(n_instruments, n_clusters - 1, f))
    return FirstStage(f, p_value, effective_f, critical_value)


def _critical_value(spectrum: Floats) -> float:
    """Quantile at which the 2SLS bias reaches its limit, from eigenvalues that sum to one."""
    from scipy import special

    x = 1.0 / WORST_CASE_BIAS
    freedom = (1.0 + 2.0 * x) / (float(spectrum @ spectrum) + 2.0 * x * float(spectrum.max()))
    return float(special.chndtrix(1.0 - SIZE, freedom, x * freedom)) / freedom


@dataclass(frozen=True)
class AndersonRubin:
    """Effects that the Anderson-Rubin test does not reject.

    Attributes
    ----------
    intervals : list of [low, high]
        In outcome units per unit of treatment; -inf and inf allowed, empty where every effect is rejected. One
        interval of NaN where there is no test.
    p_value : float
        Of no effect.
    undefined : dict
        Reason of each field that is NaN.
    """

    intervals: list[Interval]
    p_value: float
    undefined: dict[str, str] = field(default_factory=dict)

    @classmethod
    def unknown(cls, reason: str) -> AndersonRubin:
        """NaN in every field."""
        names = ("anderson_rubin_set", "anderson_rubin_p")
        return cls([[math.nan, math.nan]], math.nan, dict.fromkeys(names, reason))

    def text(self) -> str:
        """The set for a message."""
        return " and ".join(f"[{low:.6g}, {high:.6g}]" for low, high in self.intervals) or "empty"


def anderson_rubin(zy: Floats, zd: Floats, origin: float, level: float, correction: float) -> AndersonRubin:
    """Confidence set that keeps its level however weak the instruments are.

    If the effect is b, the clusters' sums of instrument times (y - b d) have mean zero. Hotelling's statistic of
    these sums is compared with F(q, G - q): for one instrument the t test on G independent numbers, which at 5 %
    rejects no more often whatever their variances are. The unrestricted Wald form, with residuals of the reduced
    form, rejects too often with few clusters.

    With m(b) the total of the sums and W(b) their scatter about the mean, b is in the set where the matrix
    W(b) - m(b) m(b)' / bound, quadratic in b, has no negative eigenvalue. Limits are real roots of its determinant.

    Parameters
    ----------
    zy, zd : ndarray, shape (G, q)
        Clusters' sums of instrument times outcome and times treatment.
    origin : float
        An effect near the set, from which roots are measured.
    correction : float
        (n - 1) / (n - k), k the columns that were partialled out.

    References
    ----------
    Anderson and Rubin (1949), Annals of Mathematical Statistics 20(1). Chernozhukov and Hansen (2008), Economics
    Letters 100(1): robust forms. Hotelling (1931), Annals of Mathematical Statistics 2(3). Bakirov and Szekely
    (2006), Journal of Mathematical Sciences 139(3): the t test under unequal variances.
    """
    from scipy import special

    n_clusters, q = zy.shape
    if n_clusters <= q or not _spans(zy - origin * zd, zy, origin * zd):
        return AndersonRubin.unknown(f"sums of {n_clusters} clusters do not vary in {q} directions")
    per_f = correction * q * n_clusters / (n_clusters - q)
    bound = per_f * float(special.fdtri(q, n_clusters - q, level))
    intervals = _not_negative(_quadratic(zy - origin * zd, zd, bound), origin)
    if not _spans(zy, zy, zy):
        return AndersonRubin(intervals, math.nan, {"anderson_rubin_p": "the reduced form has no variance"})
    total = zy.sum(axis=0)
    statistic = float(total @ np.linalg.solve(_scatter(zy, zy), total)) / per_f
    return AndersonRubin(intervals, float(special.fdtrc(q, n_clusters - q, statistic)))


def _scatter(a: Floats, b: Floats) -> Floats:
    return np.asarray((a - a.mean(axis=0)).T @ (b - b.mean(axis=0)))


def _spans(sums: Floats, *parts: Floats) -> bool:
    """Whether sums vary between clusters in every direction, against rounding of the parts they were made of."""
    spectrum = np.linalg.eigvalsh(_scatter(sums, sums))
    rounding = SINGULAR**2 * sum(float(np.sum(part**2)) for part in parts)
    return bool(spectrum[0] > SINGULAR * spectrum[-1] and spectrum[-1] > rounding)


def _quadratic(zu: Floats, zd: Floats, bound: float) -> tuple[Floats, Floats, Floats]:
    """Coefficients of 1, t, t^2 in W - m m' / bound for the sums ``zu - t zd``."""

    def form(a: Floats, b: Floats) -> Floats:
        return _scatter(a, b) - np.outer(a.sum(axis=0), b.sum(axis=0)) / bound

    cross = form(zu, zd)
    return form(zu, zu), -(cross + cross.T), form(zd, zd)


def _not_negative(coefficients: tuple[Floats, Floats, Floats], origin: float) -> list[Interval]:
    """Where a quadratic of symmetric matrices has no negative eigenvalue, shifted by ``origin``."""
    constant, linear, square = coefficients
    scale = math.sqrt(float(np.linalg.norm(constant)) / float(np.linalg.norm(square)))
    linear, square = linear * scale, square * scale**2
    roots = _real_roots(constant, linear, square)
    edges = [-math.inf, *roots, math.inf]
    found: list[Interval] = []
    for low, high in pairwise(edges):
        if math.isinf(low) or math.isinf(high):
            matrix = square
        else:
            middle = (low + high) / 2.0
            matrix = constant + middle * linear + middle**2 * square
        if np.linalg.eigvalsh(matrix)[0] < 0.0:
            continue
        if found and found[-1][1] == low:
            found[-1][1] = high
        else:
            found.append([low, high])
    return [[origin + scale * low, origin + scale * high] for low, high in found]


def _real_roots(constant: Floats, linear: Floats, square: Floats) -> list[float]:
    """Candidates for the real roots of the quadratic's determinant, by linearisation, in order.

    References
    ----------
    Tisseur and Meerbergen (2001), SIAM Review 43(2), section 3.
    """
    from scipy.linalg import eigvals

    size = len(constant)
    zero, identity = np.zeros((size, size)), np.eye(size)
    left = np.block([[zero, identity], [-constant, -linear]])
    right = np.block([[identity, zero], [zero, square]])
    numerator, denominator = eigvals(left, right, homogeneous_eigvals=True)
    finite = np.abs(denominator) > 0.0
    roots = numerator[finite] / denominator[finite]
    is_real = np.abs(roots.imag) <= ALMOST_REAL * np.abs(roots)
    return sorted(float(root) for root in roots[is_real].real)
