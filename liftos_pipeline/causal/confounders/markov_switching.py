"""Two-state switching mean with AR(1) errors for many series: likelihood ratio against one mean, and its bootstrap.

Arrays in, arrays out, on all cores. Cleaning and what counts as a regime do not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.kernels.threads import for_each_block

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_DRAWS = 99
_BLOCK = 16


@dataclass(frozen=True, eq=False)
class Regimes:
    """The fit to m series of up to n periods.

    Attributes
    ----------
    statistic : ndarray, shape (m,)
        Twice the rise of the log-likelihood over an AR(1) with one mean.
    difference : ndarray, shape (m,)
        Mean of the state that rules less often, less that of the other; in units of the series.
    persistence : ndarray, shape (m,)
        Autocorrelation of the AR(1) with one mean, which selects the critical value.
    chance : ndarray, shape (m, n)
        Probability, given the whole series, that the rarer state ruled; NaN beyond a series' length.
    """

    statistic: Floats
    difference: Floats
    persistence: Floats
    chance: Floats


def fit_regimes(values: Floats, lengths: Integers) -> Regimes:
    """Fit both models to each series by maximum likelihood, conditional on the first value.

    The filter is exact: the mean of yesterday's state enters today's forecast, so that pairs of states are followed.
    Means, autocorrelation, variance and transitions are improved in turn (ECM) from three starts.

    Parameters
    ----------
    values : ndarray, shape (m, n)
        One series per row from its first element, not constant; what lies beyond ``lengths`` is ignored.
    lengths : ndarray, shape (m,)

    References
    ----------
    Hamilton (1989), Econometrica 57(2). Kim (1994), Journal of Econometrics 60(1-2). Meng and Rubin (1993),
    Biometrika 80(2).
    """
    from liftos_pipeline.causal.confounders.regime_kernel import DIFFERENCE, fit

    statistic, difference, persistence = np.empty((3, len(values)))
    chance = np.full(values.shape, np.nan)

    def work(first: int, stop: int) -> None:
        for row in range(first, stop):
            standard, scale = _standard(values[row, : lengths[row]])
            own, parameters = np.empty(lengths[row]), np.empty(6)
            statistic[row], persistence[row] = fit(standard, own, parameters)
            second_is_rarer = own.mean() <= 0.5
            chance[row, : lengths[row]] = own if second_is_rarer else 1.0 - own
            difference[row] = (1.0 if second_is_rarer else -1.0) * scale * parameters[DIFFERENCE]

    for_each_block(work, len(values), _BLOCK)
    return Regimes(statistic, difference, persistence, chance)


def bootstrap_p_values(values: Floats, lengths: Integers, statistic: Floats, alpha: float, seed: int) -> Floats:
    """Chance of a likelihood ratio as large without regimes, shape (m,).

    The null world of a series is an autoregression of up to seven lags, fitted to it with one mean, with its own
    residuals drawn again: neither heavy tails nor a moving average is taken for a regime. A series stops early when it
    can no longer be rejected at ``alpha``, or when its statistic is out of reach of the draws. Its draws hang on
    ``seed`` and on its own values, not on the series beside it.

    Parameters
    ----------
    values, lengths
        As :func:`fit_regimes`.
    statistic : ndarray, shape (m,)
        Of :func:`fit_regimes`.

    References
    ----------
    Buhlmann (1997), Bernoulli 3(2): the sieve. Besag and Clifford (1991), Biometrika 78(2): stopping.
    """
    from liftos_pipeline.causal.confounders.regime_kernel import exceedances

    most = max(MOST_DRAWS, int(np.ceil(1.0 / alpha)))
    enough = int(np.floor(alpha * (most + 1) + 1e-9))
    fewest = int(np.ceil(1.0 / alpha - 1e-9)) - 1
    p_value = np.empty(len(values))

    def work(first: int, stop: int) -> None:
        for row in range(first, stop):
            standard, _ = _standard(values[row, : lengths[row]])
            stream = int(np.random.SeedSequence([seed, crc32(standard.tobytes())]).generate_state(1)[0])
            count, draws = exceedances(standard, statistic[row], most, enough, fewest, stream)
            p_value[row] = count / draws if draws < most and count else (count + 1.0) / (draws + 1.0)

    for_each_block(work, len(values), _BLOCK)
    return p_value


def _standard(series: Floats) -> tuple[Floats, float]:
    scale = float(series.std())
    return (series - series.mean()) / scale, scale
