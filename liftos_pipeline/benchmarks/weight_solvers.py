"""Weights of one treated unit by ourselves and by each peer, on one pair of matrices. Timing and judging are elsewhere.

A solver prepares its inputs, in the peer's own format and untimed, and returns what is timed: from inputs to weights
and, where periods are weighted too, the estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.benchmarks.runners import OURS

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csc_matrix

Floats = NDArray[np.float64]
Weigh = Callable[[], tuple[Floats, float | None]]

PEERS = ("osqp", "clarabel", "quadprog", "pysyncon", "mlsynth", "scpi_pkg", "azcausal")
_TIGHT = 1e-12


@dataclass(frozen=True, eq=False)
class Problem:
    """A panel of outcomes whose first unit is treated from period ``n_pre`` on.

    ``Y`` : ndarray, shape (T, J + 1).
    """

    Y: Floats
    n_pre: int

    @property
    def treated(self) -> Floats:
        return self.Y[: self.n_pre, 0].copy()

    @property
    def donors(self) -> Floats:
        return self.Y[: self.n_pre, 1:].copy()


def installed() -> tuple[str, ...]:
    """Peers that can be imported here."""
    return tuple(name for name in PEERS if find_spec(name) is not None)


def solver_of(name: str, method: str) -> Callable[[Problem], Weigh]:
    """The function behind a solver's name."""
    return _SOLVERS[name, method]


def all_placebos(problem: Problem) -> None:
    """Ours: the treated unit, and every donor by the other donors."""
    from liftos_pipeline.causal.kernels.simplex import nearest_points

    units = np.arange(problem.Y.shape[1])
    donors = units[1:]
    nearest_points(
        problem.Y[: problem.n_pre],
        units.tolist(),
        [donors, *(np.delete(donors, place) for place in range(len(donors)))],
    )


def _ours(problem: Problem) -> Weigh:
    from liftos_pipeline.causal.kernels.simplex import nearest_points

    Z, donors = problem.Y[: problem.n_pre], np.arange(1, problem.Y.shape[1])
    return lambda: (nearest_points(Z, [0], [donors])[0].weights, None)


def _our_synthetic_did(problem: Problem) -> Weigh:
    from liftos_pipeline.causal.estimators.synthetic_did import Cohort, fit_cohort

    cohort = Cohort(problem.Y[:, :1], problem.Y[:, 1:], problem.n_pre)

    def weigh() -> tuple[Floats, float]:
        fit = fit_cohort(cohort)
        return fit.omega, fit.effect

    return weigh


def _upper(D: Floats) -> csc_matrix:
    from scipy import sparse

    return sparse.csc_matrix(np.triu(D.T @ D))


def _osqp(problem: Problem) -> Weigh:
    """Polished, at a tolerance of 1e-9: at its default of 1e-3 the weights are wrong in the second digit."""
    import osqp
    from scipy import sparse

    x, D = problem.treated, problem.donors
    n = D.shape[1]
    constraints = sparse.vstack([np.ones((1, n)), sparse.eye(n)]).tocsc()
    low, high = np.append(1.0, np.zeros(n)), np.append(1.0, np.full(n, np.inf))

    def weigh() -> tuple[Floats, None]:
        model = osqp.OSQP()
        options = {"eps_abs": 1e-9, "eps_rel": 1e-9, "polishing": True, "max_iter": 100_000, "verbose": False}
        model.setup(_upper(D), -D.T @ x, constraints, low, high, **options)
        return np.asarray(model.solve().x), None

    return weigh


def _clarabel(problem: Problem) -> Weigh:
    """At tolerances of 1e-12: its default of 1e-8 leaves the objective that far from the best."""
    import clarabel
    from scipy import sparse

    x, D = problem.treated, problem.donors
    n = D.shape[1]
    constraints = sparse.vstack([np.ones((1, n)), -sparse.eye(n)]).tocsc()
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(n)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _TIGHT

    def weigh() -> tuple[Floats, None]:
        solver = clarabel.DefaultSolver(
            _upper(D), -D.T @ x, constraints, np.append(1.0, np.zeros(n)), cones, settings
        )
        return np.asarray(solver.solve().x), None

    return weigh


def _quadprog(problem: Problem) -> Weigh:
    """With a ridge of 1e-9 of the mean square: it needs a positive definite matrix."""
    import quadprog

    x, D = problem.treated, problem.donors
    n = D.shape[1]
    constraints, limits = np.column_stack([np.ones(n), np.eye(n)]), np.append(1.0, np.zeros(n))

    def weigh() -> tuple[Floats, None]:
        gram = D.T @ D
        gram[np.diag_indices(n)] += 1e-9 * np.trace(gram) / n
        return np.asarray(quadprog.solve_qp(gram, D.T @ x, constraints, limits, 1)[0]), None

    return weigh


def _pysyncon(problem: Problem) -> Weigh:
    """``Synth`` with predictor weights that undo its scaling of the predictors."""
    import pandas as pd
    from pysyncon import Synth

    donors, treated = pd.DataFrame(problem.donors), pd.Series(problem.treated, name="treated")
    spread = pd.concat([donors, treated], axis=1).std(axis=1).to_numpy()

    def weigh() -> tuple[Floats, None]:
        model = Synth()
        model.fit(X0=donors, X1=treated, Z0=donors, Z1=treated, custom_V=spread**2)
        return np.asarray(model.W), None

    return weigh


def _long(problem: Problem) -> tuple[pd.DataFrame, list[str]]:
    """Columns unit, t and y, and the names of the units, the treated one first."""
    import pandas as pd

    n_periods, n_units = problem.Y.shape
    names = [f"unit{number:05d}" for number in range(n_units)]
    columns = {
        "unit": np.tile(names, n_periods),
        "t": np.repeat(np.arange(n_periods), n_units),
        "y": problem.Y.ravel(),
    }
    return pd.DataFrame(columns), names


def _scpi(problem: Problem) -> Weigh:
    """``scest`` with weights on the simplex, without its prediction intervals."""
    from scpi_pkg.scdata import scdata
    from scpi_pkg.scest import scest

    frame, names = _long(problem)
    before, after = np.arange(problem.n_pre), np.arange(problem.n_pre, len(problem.Y))
    roles = {"id_var": "unit", "time_var": "t", "outcome_var": "y", "unit_tr": names[0], "unit_co": names[1:]}
    data = scdata(df=frame, period_pre=before, period_post=after, verbose=False, **roles)

    def weigh() -> tuple[Floats, None]:
        found = scest(data, w_constr={"name": "simplex"}).w
        of_donor = dict(zip(found.index.get_level_values(-1), found.to_numpy().ravel(), strict=True))
        return np.array([of_donor[name] for name in names[1:]]), None

    return weigh


def _mlsynth(problem: Problem) -> Weigh:
    """``VanillaSC`` on the panel as a frame, without inference."""
    from mlsynth import VanillaSC

    frame, names = _long(problem)
    frame["d"] = ((frame["unit"] == names[0]) & (frame["t"] >= problem.n_pre)).astype(int)
    roles = {"df": frame, "outcome": "y", "treat": "d", "unitid": "unit", "time": "t"}

    def weigh() -> tuple[Floats, None]:
        found = VanillaSC({**roles, "display_graphs": False, "inference": False}).fit().weights.donor_weights
        return np.array([found.get(name, 0.0) for name in names[1:]]), None

    return weigh


def _azcausal(problem: Problem) -> Weigh:
    """Weights of units and of periods, and the estimate, as ours."""
    import pandas as pd
    from azcausal.core.panel import CausalPanel
    from azcausal.estimators.panel.sdid import SDID

    outcome = pd.DataFrame(problem.Y)
    treated = pd.DataFrame(0, index=outcome.index, columns=outcome.columns)
    treated.iloc[problem.n_pre :, 0] = 1
    panel = CausalPanel(data={"outcome": outcome, "intervention": treated})
    panel.setup(outcome="outcome", intervention="intervention")

    def weigh() -> tuple[Floats, float]:
        effect = SDID().fit(panel).effect
        return effect["omega"].to_numpy(), float(effect.value)

    return weigh


_SOLVERS: dict[tuple[str, str], Callable[[Problem], Weigh]] = {
    (OURS, "synthetic_control"): _ours,
    ("osqp", "synthetic_control"): _osqp,
    ("clarabel", "synthetic_control"): _clarabel,
    ("quadprog", "synthetic_control"): _quadprog,
    ("pysyncon", "synthetic_control"): _pysyncon,
    ("mlsynth", "synthetic_control"): _mlsynth,
    ("scpi_pkg", "synthetic_control"): _scpi,
    (OURS, "synthetic_did"): _our_synthetic_did,
    ("azcausal", "synthetic_did"): _azcausal,
}
