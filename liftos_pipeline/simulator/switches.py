"""What a world may have beside the common process: one frozen group of parameters per block, with its equations.

A block that a scenario leaves out is not drawn, and a block never changes the draws of another one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Assignment:
    """How units come to their changes: drawn per unit with shares ``randomized``, ``quasi`` and the rest::

    randomized               hazard base_hazard, whatever the unit
    quasi_experimental       on one date per account and treatment, U(*days): with probability ``compliance`` if
                             round(6 + 1.6 quality), the usual quality score, is above ``cutoff``, else 1 - compliance
    observational            the hazard of the scenario
    """

    randomized: float = 0.34
    quasi: float = 0.33
    days: tuple[int, int] = (40, 100)
    cutoff: int = 7
    compliance: float = 0.9


@dataclass(frozen=True)
class Fatigue:
    """Meta audiences tire of a creative::

        F[t] = .95 F[t-1] + impressions[t] / audience, times .2 on the day of a refresh
        log CTR = a - b F + trend_per_day * t + .5 week + e,   e AR(1) with ``shock_rho`` and ``shock_sd``

    with b = 0 for ``1 - share`` of the units, else U(*decay). The platform shows 1 + F as frequency. Refreshes are
    logged creative changes, every U(*refresh_gap_days) days for ``share_refreshed`` of the units, never for the
    others; they replace the adopted creative change. Clicks tire, orders do not.

    Parameters
    ----------
    audience_days : float
        The audience in days of usual impressions: F settles at 20 / audience_days.
    """

    share: float = 0.5
    decay: tuple[float, float] = (0.05, 0.40)
    trend_per_day: float = -0.0006
    audience_days: float = 16.0
    refresh_gap_days: tuple[float, float] = (30.0, 60.0)
    share_refreshed: float = 0.8
    shock_rho: float = 0.5
    shock_sd: float = 0.08


@dataclass(frozen=True)
class Regimes:
    """Google clicks cost less while the quality of an ad is rewarded::

        log CPC = mu - d s[t] + .1 rival + .3 demand + AR(1),   P(s stays 0) = stay[0], P(s stays 1) = stay[1]

    with d = 0, and s = 0 throughout, for ``1 - share`` of the units, else U(*saving); AR(1) with rho U(*shock_rho) and
    ``shock_sd``. The logged quality score is set every seventh day to round(5.5 + 1.2 quality + 2 s + .7 N(0, 1)), within
    1 to 10.
    """

    share: float = 0.5
    saving: tuple[float, float] = (0.15, 0.50)
    stay: tuple[float, float] = (0.975, 0.96)
    shock_rho: tuple[float, float] = (0.2, 0.6)
    shock_sd: float = 0.12


@dataclass(frozen=True)
class Churn:
    """Subscribers leave at a weekly hazard that depends on their age and on the state of their list::

        log h = log weekly_hazard + age_slope log(1 + age in weeks) + drift t / 30 + week's shock N(0, shock_sd^2)

    with drift = 0 for ``1 - share`` of the lists, else U(*drift) a month. They leave at sends, with probability
    1 - exp(-h * days since the send before / 7), so that more sends do not make a list worse.
    """

    weekly_hazard: float = 0.04
    age_slope: float = -0.30
    share: float = 0.5
    drift: tuple[float, float] = (0.03, 0.10)
    shock_sd: float = 0.15


@dataclass(frozen=True)
class GeoExperiment:
    """Advertising is raised in regions that were drawn by lot; their orders come beside those of the campaigns::

        log mean orders = log(orders * w_g) + demand + AR(1)_g + lift (1 - exp(-(e + 1) / 3)) for treated regions
        log spend = log(spend_usd * w_g) + .5 (week + annual) + .05 N(0, 1) + dose for treated regions

    e days after ``start_day``, until the day before ``stop_day``; w_g log-normal with ``size_sd``; AR(1) with rho
    U(.3, .7) and ``shock_sd``. Only the shoppers of the regions tell where they live.
    """

    geos: int = 40
    treated: int = 20
    start_day: int = 84
    stop_day: int = 140
    orders: float = 20.0
    spend_usd: float = 120.0
    size_sd: float = 0.5
    shock_sd: float = 0.10
    lift: float = 0.10
    dose: float = 0.40


@dataclass(frozen=True)
class MarketShock:
    """What hits everybody on one date: for ``days`` days demand and prices shift by log points, and the macro factor
    jumps by ``macro`` standard units, from where it returns at its own pace (.97 a day), visible in FRED's series."""

    day: int
    days: int
    demand: float
    price: float
    macro: float


@dataclass(frozen=True)
class Restatement:
    """A platform shows Binomial(final, 1 - pending exp(-age / delay_days)) conversions, all from ``final_days`` on."""

    pending: float = 0.4
    delay_days: float = 4.0
    final_days: int = 28


@dataclass(frozen=True)
class Outages:
    """Days for which a platform has no rows for an account, though it delivered: they begin with probability
    1 / ``gap_days`` a day and end with probability 1 / ``mean_days``. The rows never come."""

    gap_days: float = 45.0
    mean_days: float = 3.0


@dataclass(frozen=True)
class TrackingBreak:
    """From a day U(*days) on, ``share`` of an ad platform's accounts report ``factor`` of their conversions."""

    share: float = 0.5
    days: tuple[int, int] = (80, 130)
    factor: float = 0.1


@dataclass(frozen=True)
class AttributionChange:
    """From ``day`` on, both ad platforms attribute by clicks alone: the exposure behind their claims of organic orders is
    multiplied by ``factor``, and Meta's attribution setting says so."""

    day: int = 90
    factor: float = 0.5


@dataclass(frozen=True)
class OrganicSteps:
    """Spend moves by itself, for good and unlogged: with ``rate`` a unit-day it steps by +-U(*size) log points."""

    rate: float = 1 / 400
    size: tuple[float, float] = (0.15, 0.50)


@dataclass(frozen=True)
class Cells:
    """Rows that a platform lacks, and rows whose spend it shows times U(*outlier): shares of unit-days."""

    missing: float = 0.01
    outliers: float = 0.002
    outlier: tuple[float, float] = (3.0, 10.0)
