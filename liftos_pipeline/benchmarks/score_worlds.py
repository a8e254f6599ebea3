"""Made-up panels with staggered adoption, known confounders and candidates that only look like them. No measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.list_worlds import autoregression

Floats = NDArray[np.float64]

KINDS = ("confounder", "instrument", "prognostic", "noise", "mediator", "collider")
PERSISTENCE = 0.7
BISECTIONS = 40


@dataclass(frozen=True, eq=False)
class ScorePanel:
    """A table of units and days with the truth.

    Attributes
    ----------
    frame : DataFrame
        unit, account, day, treated, outcome and the candidates.
    candidates : tuple of str
    n_adopters : int
    confounders : frozenset of str
    """

    frame: pd.DataFrame
    candidates: tuple[str, ...]
    n_adopters: int
    confounders: frozenset[str]


@dataclass(frozen=True)
class ScoreWorld:
    """Adoption with hazard ``h exp(gamma'X_{t-1} + calendar)``, outcome ``beta'X + unit + AR(.5) + calendar + effect``.

    Every second candidate is constant within units, the others move by AR(.7) around a level. All share a factor with
    correlation ``rho``. Mediators and colliders are moved by treatment only.

    Attributes
    ----------
    counts : tuple of int
        Candidates of each of ``KINDS``.
    gamma, beta : tuple of float
        Range of the absolute effects per standard deviation.
    adopting : float
        Expected share of units that adopt.
    """

    n_units: int = 2_000
    n_days: int = 120
    counts: tuple[int, int, int, int, int, int] = (6, 4, 5, 9, 3, 3)
    gamma: tuple[float, float] = (0.3, 0.6)
    beta: tuple[float, float] = (0.15, 0.35)
    rho: float = 0.2
    adopting: float = 0.5

    def draw(self, rng: np.random.Generator) -> ScorePanel:
        kinds = np.repeat(KINDS, self.counts)
        X = self._candidates(int(np.sum(self.counts[:4])), rng)
        moves_adoption = np.isin(kinds[: len(X)], ("confounder", "instrument"))
        moves_outcome = np.isin(kinds[: len(X)], ("confounder", "prognostic"))
        gamma, beta = (
            np.where(chosen, rng.choice([-1.0, 1.0], len(X)) * rng.uniform(*sizes, len(X)), 0.0)
            for chosen, sizes in ((moves_adoption, self.gamma), (moves_outcome, self.beta))
        )
        log_hazard = np.tensordot(gamma, X, axes=1)[:, :-1] + 0.3 * np.sin(np.arange(1, self.n_days) / 20.0)
        treated = adoption(np.exp(log_hazard), self.adopting, rng)
        y = np.tensordot(beta, X, axes=1) + self._noise(rng) + 0.5 * treated
        after = []
        for kind in kinds[len(X) :]:
            own = 0.7 * (rng.standard_normal(y.shape) + rng.standard_normal((self.n_units, 1)))
            if kind == "mediator":
                own = own + treated
                y = y + 0.3 * own * treated
            else:
                own = own + (y + 1.0) * treated
            after.append(own)
        names = [f"{kind}_{place}" for place, kind in enumerate(kinds)]
        return self._panel(names, [*X, *after], treated, y)

    def _candidates(self, k: int, rng: np.random.Generator) -> Floats:
        shared, own = np.sqrt(self.rho), np.sqrt(1.0 - self.rho)
        unit = rng.standard_normal(self.n_units)
        moving = autoregression(self.n_units, self.n_days, PERSISTENCE, rng)
        X = np.empty((k, self.n_units, self.n_days))
        for place in range(k):
            level = rng.standard_normal(self.n_units)
            if place % 2 == 0:
                X[place] = (shared * unit + own * level)[:, None]
            else:
                around = autoregression(self.n_units, self.n_days, PERSISTENCE, rng)
                X[place] = shared * moving + own * np.sqrt(0.5) * (level[:, None] + around)
        return X

    def _noise(self, rng: np.random.Generator) -> Floats:
        day = np.arange(self.n_days)
        unit = 0.6 * rng.standard_normal((self.n_units, 1))
        calendar = 0.3 * np.sin(2.0 * np.pi * day / 7.0) + 0.002 * day
        noise: Floats = unit + 0.6 * autoregression(self.n_units, self.n_days, 0.5, rng) + calendar
        return noise

    def _panel(self, names: list[str], columns: list[Floats], treated: NDArray[np.int64], y: Floats) -> ScorePanel:
        unit, day = np.indices(y.shape).reshape(2, -1)
        roles = {"unit": unit, "account": unit // 20, "day": day, "treated": treated.ravel(), "outcome": y.ravel()}
        values = {name: column.ravel() for name, column in zip(names, columns, strict=True)}
        confounders = frozenset(name for name in names if name.startswith("confounder"))
        return ScorePanel(pd.DataFrame(roles | values), tuple(names), int(treated.any(axis=1).sum()), confounders)


@dataclass(frozen=True)
class DemandWorld:
    """Campaigns of accounts whose counts follow demand, adopted by demand, quality, agency, the economy and rivals.

    ``y ~ Poisson(exp(level + .15 quality + .2 price + calendar + u))`` with u AR(.5), sd .2; the outcome is its log.
    Adoption: ``h exp(c_u u_{t-1} / sd + c_q quality + .5 agency + .4 economy + .3 rivals)``, not before day 28.

    Attributes
    ----------
    confounding : float
        Factor of ``c_u = .8`` and ``c_q = .6``. At zero nothing confounds, while agency still moves adoption.
    volume : float
        Mean count of a unit and day.
    """

    n_units: int = 4_000
    n_days: int = 240
    confounding: float = 1.0
    volume: float = 31.0
    adopting: float = 0.5

    def draw(self, rng: np.random.Generator) -> ScorePanel:
        shape = (self.n_units, self.n_days)
        account = np.arange(self.n_units) // 20
        of_account = rng.standard_normal((3, self.n_units // 20 + 1))[:, account]
        quality, price = rng.standard_normal((2, self.n_units))
        u = autoregression(*shape, 0.5, rng)
        economy, rivals = (
            autoregression(1, self.n_days, 0.97, rng)[0],
            autoregression(1, self.n_days, 0.85, rng)[0],
        )
        level = 0.5 * of_account[0] + 0.3 * rng.standard_normal(self.n_units) + 0.15 * quality + 0.2 * price
        calendar = 0.12 * np.sin(2.0 * np.pi * np.arange(self.n_days) / 7.0) + 0.08 * economy - 0.1 * rivals
        y = np.log1p(rng.poisson(self.volume * np.exp(level[:, None] + calendar + 0.2 * u)))
        steady = self.confounding * 0.6 * quality + 0.5 * of_account[1]
        hazard = self.confounding * 0.8 * u[:, :-1] + steady[:, None] + 0.4 * economy[1:] + 0.3 * rivals[1:]
        relative = np.exp(hazard)
        relative[:, :27] = 0.0
        treated = adoption(relative, self.adopting, rng)
        yesterday = np.concatenate([y[:, :1], y[:, :-1]], axis=1)
        columns = {
            "quality": quality[:, None],
            "demand_yesterday": yesterday - np.cumsum(yesterday, axis=1) / np.arange(1, self.n_days + 1),
            "agency": of_account[1][:, None],
            "price": price[:, None],
            "economy": economy,
            "rivals": rivals,
            "account_size": of_account[2][:, None],
        }
        columns |= {f"steady_{place}": rng.standard_normal((self.n_units, 1)) for place in range(4)}
        columns |= {f"moving_{place}": autoregression(*shape, PERSISTENCE, rng) for place in range(5)}
        unit, day = np.indices(shape).reshape(2, -1)
        roles = {
            "unit": unit,
            "account": account[unit],
            "day": day,
            "treated": treated.ravel(),
            "outcome": y.ravel(),
        }
        values = {name: np.broadcast_to(column, shape).ravel() for name, column in columns.items()}
        confounders = frozenset({"quality", "demand_yesterday"} if self.confounding else ())
        return ScorePanel(
            pd.DataFrame(roles | values), tuple(columns), int(treated.any(axis=1).sum()), confounders
        )


def adoption(relative: Floats, adopting: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """0/1 by unit and day, from relative hazards of the second day on; the base rate gives the share asked for."""
    total = relative.sum(axis=1)
    low, high = 1e-9, 1.0
    for _ in range(BISECTIONS):
        base = np.sqrt(low * high)
        few = np.mean(-np.expm1(-base * total)) < adopting
        low, high = (base, high) if few else (low, base)
    adopts = rng.random(relative.shape) < -np.expm1(-base * relative)
    treated = np.zeros((len(relative), relative.shape[1] + 1), dtype=np.int64)
    treated[:, 1:] = np.maximum.accumulate(adopts, axis=1)
    return treated
