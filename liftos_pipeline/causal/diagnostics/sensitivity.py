"""How strong an unobserved confounder would have to be: E-values and robustness values.

Bounds from observed covariates stand in ``benchmarks``, violations of parallel trends in ``honest_did``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from liftos_pipeline.errors import LiftosError

LOG_RISK_PER_STANDARD_DEVIATION = 0.91
"""Log risk ratio that stands for a difference of one standard deviation (VanderWeele and Ding 2017)."""


@dataclass(frozen=True)
class EValue:
    """Risk ratios that a confounder would need, with both treatment and outcome, to explain the effect away.

    ``limit`` is that for the end of the interval nearer to zero: 1 where the interval includes zero.
    """

    estimate: float
    limit: float


@dataclass(frozen=True)
class Robustness:
    """Strength that a confounder would need in a linear regression, as shares of residual variance.

    Attributes
    ----------
    partial_r2 : float
        Share of the outcome's residual variance that the treatment explains.
    rv_q : float
        Equal shares of treatment and outcome that a confounder must explain to lower the estimate by the share q.
    rv_q_alpha : float
        The same to make the lowered estimate insignificant at ``alpha``; 0 where it is so already.
    """

    partial_r2: float
    rv_q: float
    rv_q_alpha: float
    q: float
    alpha: float


def e_value(estimate: float, ci_low: float, ci_high: float, outcome_sd: float) -> EValue:
    """E-value of a difference in means, through the risk ratio that its standardised size stands for.

    Parameters
    ----------
    estimate, ci_low, ci_high : float
        In outcome units.
    outcome_sd : float
        Standard deviation of the outcome, of untreated rows or pooled.

    Raises
    ------
    LiftosError
        A standard deviation that is not positive.

    References
    ----------
    VanderWeele and Ding (2017), Annals of Internal Medicine 167(4), table 2.

    Examples
    --------
    >>> round(e_value(0.5, 0.1, 0.9, 1.0).estimate, 2)
    2.53
    """
    if not (math.isfinite(outcome_sd) and outcome_sd > 0):
        raise LiftosError("a positive standard deviation", repr(outcome_sd), "A constant outcome has no E-value.")
    if ci_low <= 0 <= ci_high:
        nearer = 0.0
    else:
        nearer = ci_low if estimate > 0 else ci_high
    return EValue(_e_value_of(estimate / outcome_sd), _e_value_of(nearer / outcome_sd))


def _e_value_of(standardised: float) -> float:
    log_risk = LOG_RISK_PER_STANDARD_DEVIATION * abs(standardised)
    if not log_risk < 300.0:
        return math.inf if log_risk >= 300.0 else math.nan
    risk = math.exp(log_risk)
    return risk + math.sqrt(risk * (risk - 1.0))


def robustness(t_statistic: float, degrees_of_freedom: float, q: float = 1.0, alpha: float = 0.05) -> Robustness:
    """Robustness values of a regression coefficient from its classical t statistic.

    Parameters
    ----------
    t_statistic : float
        Of the homoskedastic standard error: partial R2 is a property of the fit, not of its inference.
    degrees_of_freedom : float
        Of the residuals, above 1.
    q : float
        Share of the estimate to be explained away.

    Raises
    ------
    LiftosError
        Degrees of freedom of 1 or less, q that is not positive, alpha outside (0, 1).

    References
    ----------
    Cinelli and Hazlett (2020), JRSS B 82(1), sections 4.2 and 4.3.
    """
    from scipy import special

    if not (degrees_of_freedom > 1 and q > 0 and 0 < alpha < 1):
        raise LiftosError(
            "more than 1 degree of freedom, q above 0, alpha in (0, 1)",
            f"{degrees_of_freedom}, {q}, {alpha}",
            "Add rows or drop covariates.",
        )
    f2 = t_statistic**2 / degrees_of_freedom
    f_q = q * math.sqrt(f2)
    critical = -float(special.stdtrit(degrees_of_freedom - 1, alpha / 2)) / math.sqrt(degrees_of_freedom - 1)
    if f_q <= critical:
        rv_q_alpha = 0.0
    elif f_q > 1.0 / critical:
        rv_q_alpha = (f_q**2 - critical**2) / (1.0 + f_q**2)
    else:
        rv_q_alpha = _equal_strength(f_q - critical)
    return Robustness(f2 / (1.0 + f2), _equal_strength(f_q), rv_q_alpha, q, alpha)


def _equal_strength(f: float) -> float:
    return (math.sqrt(f**4 + 4.0 * f**2) - f**2) / 2.0
