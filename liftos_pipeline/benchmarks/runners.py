"""One run of a case by ourselves, by a scan of the same columns, or by a peer: from the file to estimate and error.

Each peer does what our method does as far as it can; where it cannot, its docstring says how it differs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from liftos_pipeline.benchmarks.cases import WINDOW, Case

if TYPE_CHECKING:
    import pandas as pd

Found = tuple[float, float]
Runner = Callable[[Case, Path], Found]

SCAN = "scan"
OURS = "liftos"
MEMORY_LIMIT = "300MB"
PEERS = ("pyfixest", "csdid", "differences", "econml", "doubleml", "linearmodels", "statsmodels")
_OPTIONS: dict[str, dict[str, Any]] = {"event_study": {"leads": WINDOW, "lags": WINDOW}}


def installed() -> tuple[str, ...]:
    """Peers that can be imported here."""
    return tuple(name for name in PEERS if find_spec(name) is not None)


def runner_of(name: str, method: str) -> Runner:
    """The function behind a runner's name; a peer has one for each method."""
    return _scan if name == SCAN else _ours if name == OURS else _PEER_RUNS[name, method]


def _scan(case: Case, path: Path) -> Found:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        sums = ", ".join(f"sum({name})" for name in case.design.columns)
        connection.execute(f"SELECT {sums} FROM panel").fetchall()
    return float("nan"), float("nan")


def _ours(case: Case, path: Path) -> Found:
    from liftos_pipeline.causal import Panel, estimate

    design = case.design
    panel = Panel.from_duckdb(
        path,
        "panel",
        outcome="y",
        treatment="d",
        unit="unit",
        period=None if design.kind == "lottery" else "t",
        covariates=design.covariates,
        instruments=design.instruments,
        cluster="g" if design.kind == "lottery" else None,
    )
    found = estimate(case.method, panel, **_OPTIONS.get(case.method, {}))
    return found.estimate, found.std_error


def _read(case: Case, path: Path) -> pd.DataFrame:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        frame: pd.DataFrame = connection.execute(f"SELECT {', '.join(case.design.columns)} FROM panel").df()
    return frame


def _with_adoption(frame: pd.DataFrame, never: float) -> pd.DataFrame:
    """``first``: the period in which a unit adopts."""
    first = frame.loc[frame["d"] == 1].groupby("unit")["t"].min()
    return frame.assign(first=frame["unit"].map(first).fillna(never))


def _pyfixest_did(case: Case, path: Path) -> Found:
    """Its own factor for parameters depends on the order of a set, so ours is put in its place."""
    import pyfixest as pf

    frame = _read(case, path)
    fit = pf.feols(
        f"y ~ {' + '.join(['d', *case.design.covariates])} | unit + t",
        frame,
        vcov={"CRV1": "unit"},
        ssc=pf.ssc(k_adj=False, G_adj=False),
        lean=True,
    )
    n, n_clusters = len(frame), frame["unit"].nunique()
    counted = 1 + case.design.n_covariates + frame["t"].nunique()
    factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - counted)
    return float(fit.coef()["d"]), float(fit.se()["d"]) * factor**0.5


def _pyfixest_event_study(case: Case, path: Path) -> Found:
    """Mean of the coefficients from event time 0 on; its factor is replaced as in ``did``."""
    import pyfixest as pf

    frame = _with_adoption(_read(case, path), np.nan)
    event = (frame["t"] - frame["first"]).clip(-WINDOW, WINDOW).fillna(-1)
    fit = pf.feols(
        "y ~ i(e, ref=-1) | unit + t",
        frame.assign(e=event.astype(int)),
        vcov={"CRV1": "unit"},
        ssc=pf.ssc(k_adj=False, G_adj=False),
        lean=True,
    )
    n, n_clusters, k = len(frame), frame["unit"].nunique(), len(fit.coef())
    factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - k - frame["t"].nunique())
    post = np.arange(k) >= WINDOW - 1
    mean = post / post.sum()
    return float(mean @ fit.coef().to_numpy()), float(mean @ fit._vcov @ mean * factor) ** 0.5


def _csdid(case: Case, path: Path) -> Found:
    """Without the factor G / (G - 1) in the variance."""
    from csdid.att_gt import ATTgt

    frame = _with_adoption(_read(case, path), 0.0)
    fit = ATTgt(
        yname="y", tname="t", idname="unit", gname="first", data=frame, control_group="nevertreated", xformla=None
    ).fit(est_method="dr", base_period="varying", bstrap=False)
    average: dict[str, Any] = fit.aggte(typec="simple", bstrap=False, cband=False).atte
    return float(average["overall_att"]), float(average["overall_se"])


def _differences(case: Case, path: Path) -> Found:
    """Without the factor G / (G - 1) in the variance."""
    from differences import ATTgt

    frame = _with_adoption(_read(case, path), np.nan).drop(columns="d").set_index(["unit", "t"])
    fit = ATTgt(data=frame, cohort_column="first")
    fit.fit("y", progress_bar=False)
    estimate, std_error = fit.aggregate("simple").to_numpy().ravel()[:2]
    return float(estimate), float(std_error)


def _econml(case: Case, path: Path) -> Found:
    """Plain logistic propensity in place of the lasso; rows are folded and are independent to it, whatever their unit."""
    from econml.dr import LinearDRLearner
    from sklearn.linear_model import LinearRegression, LogisticRegression

    frame = _read(case, path)
    learner = LinearDRLearner(
        model_propensity=LogisticRegression(max_iter=1_000),
        model_regression=LinearRegression(),
        min_propensity=0.01,
        cv=5,
        random_state=0,
    )
    learner.fit(frame["y"].to_numpy(), frame["d"].to_numpy(), X=None, W=frame[case.design.covariates].to_numpy())
    found = learner.intercept__inference(T=1)
    return float(found.point_estimate), float(found.stderr)


def _doubleml(case: Case, path: Path) -> Found:
    """Plain logistic propensity in place of the lasso; rows are folded and are independent to it, whatever their unit."""
    import doubleml as dml
    from sklearn.linear_model import LinearRegression, LogisticRegression

    frame = _read(case, path)
    data = dml.DoubleMLData(frame, "y", "d", x_cols=case.design.covariates)
    np.random.seed(0)  # noqa: NPY002  it draws its folds from the global state
    model = dml.DoubleMLIRM(data, LinearRegression(), LogisticRegression(max_iter=1_000), n_folds=5, score="ATE")
    model.fit()
    return float(model.coef[0]), float(model.se[0])


def _statsmodels(case: Case, path: Path) -> Found:
    """Weights that add to one in each arm; its standard error is that of the moment conditions together."""
    import statsmodels.api as sm
    from statsmodels.treatment.treatment_effects import TreatmentEffect

    frame = _read(case, path)
    x = sm.add_constant(frame[case.design.covariates].to_numpy())
    treated = frame["d"].to_numpy()
    choice = sm.Logit(treated, x).fit(disp=False)
    outcome = sm.OLS(frame["y"].to_numpy(), x)
    found = TreatmentEffect(outcome, treated, results_select=choice).ipw(return_results=True)
    return float(found.effect[0]), float(found.results_gmm.bse[0])


def _linearmodels(case: Case, path: Path) -> Found:
    from linearmodels.iv import IV2SLS

    frame = _read(case, path)
    exogenous = frame[case.design.covariates].assign(one=1.0)
    fit = IV2SLS(frame["y"], exogenous, frame["d"], frame[case.design.instruments]).fit(
        cov_type="clustered", clusters=frame["g"], debiased=True
    )
    return float(fit.params["d"]), float(fit.std_errors["d"])


def _pyfixest_iv(case: Case, path: Path) -> Found:
    import pyfixest as pf

    formula = f"y ~ {' + '.join(case.design.covariates)} | d ~ {' + '.join(case.design.instruments)}"
    fit = pf.feols(formula, _read(case, path), vcov={"CRV1": "g"}, lean=True)
    return float(fit.coef()["d"]), float(fit.se()["d"])


def silent(run: Runner, case: Case, path: Path) -> Found:
    """A run whose prints are kept from standard output."""
    with redirect_stdout(StringIO()):
        return run(case, path)


_PEER_RUNS: dict[tuple[str, str], Runner] = {
    ("pyfixest", "did"): _pyfixest_did,
    ("pyfixest", "event_study"): _pyfixest_event_study,
    ("pyfixest", "iv"): _pyfixest_iv,
    ("csdid", "staggered_did"): _csdid,
    ("differences", "staggered_did"): _differences,
    ("econml", "doubly_robust"): _econml,
    ("doubleml", "doubly_robust"): _doubleml,
    ("linearmodels", "iv"): _linearmodels,
    ("statsmodels", "ipw"): _statsmodels,
}
