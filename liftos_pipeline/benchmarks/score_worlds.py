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
        Named by what they are: ``confounder_0``, ...
    n_adopters : int
    """

    frame: pd.DataFrame
    candidates: tuple[str, ...]
    n_adopters: int

    @property
    def confounders(self) -> frozenset[str]:
        return frozenset(name for name in self.candidates if name.startswith("confounder"))


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
        treated = self._adoption(np.tensordot(gamma, X, axes=1), rng)
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

    def _adoption(self, log_hazard: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """0/1 by unit and day. Nobody adopts on the first day; the base rate gives the share asked for."""
        relative = np.exp(log_hazard[:, :-1] + 0.3 * np.sin(np.arange(1, self.n_days) / 20.0))
        total = relative.sum(axis=1)
        low, high = 1e-9, 1.0
        for _ in range(BISECTIONS):
            base = np.sqrt(low * high)
            few = np.mean(-np.expm1(-base * total)) < self.adopting
            low, high = (base, high) if few else (low, base)
        adopts = rng.random(relative.shape) < -np.expm1(-base * relative)
        treated = np.zeros(log_hazard.shape, dtype=np.int64)
        treated[:, 1:] = np.maximum.accumulate(adopts, axis=1)
        return treated

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
        return ScorePanel(pd.DataFrame(roles | values), tuple(names), int(treated.any(axis=1).sum()))
