"""Makes the numbers of other libraries in ``shipped_witnesses.json``, from the data sets in ``data/``.

Run from the repository's root, in an environment that has the peers:

    python -m venv peers && peers/bin/pip install pyfixest==0.60.0 csdid==0.4.3 differences==0.3.0 \
        linearmodels==7.1 doubleml==0.11.4 statsmodels==0.15.0 pyarrow "pandas<3"
    peers/bin/python -m tests.reference.make_shipped_witnesses
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from liftos_pipeline.causal.propensity.model import panel_folds
from tests.reference import shipped

STORE = Path(__file__).with_name("shipped_witnesses.json")
TRIM = (0.1, 0.9)
N_FOLDS = 5
SEED = 0


def training() -> dict[str, object]:
    """statsmodels: difference in means with HC2, logit, weighted means. DoubleML: the interactive model."""
    import statsmodels.api as sm

    experiment = shipped.workers("nsw").astype(float)
    fit = sm.OLS(experiment["re78"], sm.add_constant(experiment["treat"])).fit(cov_type="HC2")
    survey = shipped.workers("cps")
    logit = sm.Logit(survey["treat"], shipped.scaled(survey)).fit(disp=0, maxiter=200, tol=1e-10, method="newton")
    coefficients = [float(value) for value in logit.params]
    everyone, alike = shipped.comparison(coefficients), shipped.comparison(coefficients, *TRIM)
    return {
        "difference": [float(fit.params["treat"]), float(fit.bse["treat"])],
        "logit": coefficients,
        "ipw": {
            "ate": _weighted_means(everyone, "ate"),
            "att": _weighted_means(everyone, "att"),
            "overlap": _weighted_means(everyone, "overlap"),
            "trimmed": _weighted_means(alike, "ate"),
        },
        "doubly_robust": {"ate": _interactive(alike, "ATE"), "att": _interactive(everyone, "ATTE")},
    }


def _weighted_means(frame: pd.DataFrame, estimand: str) -> list[float]:
    import statsmodels.api as sm

    e, d = frame["e"], frame["treat"]
    ones = np.ones(len(frame))
    treated, control = {"ate": (1 / e, 1 / (1 - e)), "att": (ones, e / (1 - e)), "overlap": (1 - e, e)}[estimand]
    fit = sm.WLS(frame["re78"], sm.add_constant(d.astype(float)), weights=np.where(d == 1, treated, control)).fit(
        cov_type="HC0"
    )
    n = len(frame)
    return [float(fit.params["treat"]), float(fit.bse["treat"]) * float(np.sqrt(n / (n - 1)))]


def _interactive(frame: pd.DataFrame, score: str) -> list[float]:
    """The same folds, scores and outcome models: ridge worth one row on standardised covariates."""
    import doubleml as dml
    from doubleml.utils import DMLDummyClassifier, PSProcessorConfig
    from sklearn.linear_model import Ridge

    panel = shipped.workers_panel(frame)
    folds = panel.to_input_order(panel_folds(panel, N_FOLDS, SEED))
    X = frame[shipped.ADJUSTED].to_numpy()
    data = dml.DoubleMLData.from_arrays(
        (X - X.mean(axis=0)) / X.std(axis=0), frame["re78"].to_numpy(float), frame["treat"].to_numpy(float)
    )
    model = dml.DoubleMLIRM(
        data,
        Ridge(alpha=1.0),
        DMLDummyClassifier(),
        n_folds=N_FOLDS,
        score=score,
        ps_processor_config=PSProcessorConfig(clipping_threshold=0.01),
    )
    model.set_sample_splitting(
        [[(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(N_FOLDS)]]
    )
    model.fit(external_predictions={"d": {"ml_m": frame[["e"]].to_numpy()}})
    n = len(frame)
    return [float(model.coef[0]), float(model.se[0]) * float(np.sqrt(n / (n - 1)))]


def schooling(instruments: list[str]) -> dict[str, object]:
    """linearmodels: 2SLS and LIML with HC1, first stage; pyfixest: effective F."""
    import pyfixest as pf
    from linearmodels.iv import IV2SLS, IVLIML

    frame = shipped.card()
    exogenous = frame[shipped.CONTROLS].assign(one=1.0)
    roles = (frame["lwage"], exogenous, frame["educ"], frame[instruments])
    clustered = {"cov_type": "clustered", "clusters": frame["unit"], "debiased": True}
    two_stage, liml = IV2SLS(*roles).fit(**clustered), IVLIML(*roles).fit(**clustered)
    classical = IV2SLS(*roles).fit(cov_type="unadjusted", debiased=True)
    first = two_stage.first_stage.diagnostics.loc["educ"]
    slopes = np.linalg.lstsq(exogenous.to_numpy(float), frame[instruments].to_numpy(float), rcond=None)[0]
    own = frame.assign(
        **dict(zip(instruments, (frame[instruments].to_numpy() - exogenous.to_numpy() @ slopes).T, strict=True))
    )
    fixest = pf.feols(
        f"lwage ~ {' + '.join(shipped.CONTROLS)} | educ ~ {' + '.join(instruments)}", own, vcov={"CRV1": "unit"}
    )
    fixest.first_stage()
    fixest.IV_Diag()
    return {
        "2sls": [float(two_stage.params["educ"]), float(two_stage.std_errors["educ"])],
        "classical_error": float(classical.std_errors["educ"]),
        "liml": [float(liml.params["educ"]), float(liml.std_errors["educ"])],
        "kappa": float(liml.kappa),
        "first_stage_f": float(first["f.stat"]) / len(instruments),
        "partial_r2": float(first["partial.rsquared"]),
        "effective_f": float(fixest._eff_F),
        "wooldridge_regression": float(np.squeeze(two_stage.wooldridge_regression.stat)),
    }


def two_way(frame: pd.DataFrame, roles: dict[str, str], weights: str | None = None) -> dict[str, object]:
    """pyfixest: coefficient, CR1 with G / (G - 1) * (n - 1) / (n - k), and CRV3 without (G - 1) / G.

    With a single treated cluster pyfixest's CRV3 raises, since the coefficient is gone without that cluster.
    """
    import pyfixest as pf

    y, d, unit, t = roles["outcome"], roles["treatment"], roles["unit"], roles["period"]
    # Whether pyfixest counts the fixed effects depends on PYTHONHASHSEED: it counts nothing, they are counted here.
    options = {
        "data": frame,
        "weights": weights,
        "ssc": pf.ssc(k_adj=False, G_adj=False),
        "fixef_tol": 1e-14,
        "fixef_rm": "none",
    }
    fit = pf.feols(f"{y} ~ {d} | {unit} + {t}", vcov={"CRV1": unit}, **options)
    n, n_clusters = len(frame), frame[unit].nunique()
    factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - 1 - frame[t].nunique())
    found = {"estimate": float(fit.coef()[d]), "cr1": float(fit.se()[d]) * factor**0.5}
    if frame.loc[frame[d] == 1, unit].nunique() > 1:
        jackknife = pf.feols(f"{y} ~ {d} + C({t}) | {unit}", vcov={"CRV3": unit}, **options)
        found["crv3"] = float(jackknife.se()[d])
    return found


def leads_and_lags() -> dict[str, object]:
    """pyfixest on the castle laws, population weights, event times -4 .. 3 with binned ends."""
    import pyfixest as pf

    frame = shipped.castle()
    frame["e"] = np.where(frame["first"] > 0, frame["year"] - frame["first"], -1).clip(-4, 3)
    fit = pf.feols(
        "l_homicide ~ i(e, ref=-1) | sid + year",
        frame,
        vcov={"CRV1": "sid"},
        weights="popwt",
        ssc=pf.ssc(k_adj=True, k_fixef="none", G_adj=True),
        fixef_rm="none",
        fixef_tol=1e-14,
    )
    n, p = len(frame), len(fit.coef())
    factor = (n - p) / (n - p - frame["year"].nunique())
    return {"coefficients": list(fit.coef()), "std_errors": list(fit.se() * np.sqrt(factor))}


def group_times(frame: pd.DataFrame, roles: dict[str, str], **options: object) -> dict[str, object]:
    """csdid: averages and their standard errors, without G / (G - 1)."""
    from csdid.att_gt import ATTgt

    y, unit, t = roles["outcome"], roles["unit"], roles["period"]
    covariates = options.get("covariates")
    fit = ATTgt(
        yname=y,
        tname=t,
        idname=unit,
        gname="first",
        data=frame,
        control_group="nevertreated",
        xformla=f"{y} ~ {covariates}" if covariates else None,
        weights_name=options.get("weights"),
    ).fit(est_method="dr", base_period="varying", bstrap=False)
    found: dict[str, object] = {}
    for kind in ("simple", "group", "calendar", "dynamic"):
        average = fit.aggte(typec=kind, bstrap=False, cband=False).atte
        found[kind] = [float(average["overall_att"]), float(average["overall_se"])]
    columns = (fit.results[name] for name in ("group", "year", "att", "se"))
    rows = zip(*(np.asarray(column, dtype=float).ravel() for column in columns), strict=True)
    found["cells"] = [[int(g), int(when), att, se] for g, when, att, se in rows]
    return found


def another_library() -> dict[str, list[float]]:
    """differences: the averages of the counties without covariates."""
    from differences import ATTgt

    frame = shipped.mpdta()
    frame["first"] = frame["first"].replace(0, np.nan)
    data = frame[["countyreal", "year", "first", "lemp"]].set_index(["countyreal", "year"])
    fit = ATTgt(data=data, cohort_column="first")
    fit.fit("lemp", progress_bar=False)
    kinds = {"simple": "simple", "group": "cohort", "calendar": "time", "dynamic": "event"}
    found = {}
    for name, kind in kinds.items():
        table = fit.aggregate(kind, overall=kind != "simple")
        found[name] = [float(value) for value in table.to_numpy().ravel()[:2]]
    return found


CASTLE = {"outcome": "l_homicide", "treatment": "post", "unit": "sid", "period": "year"}
ORGANS = {"outcome": "Rate", "treatment": "d", "unit": "State", "period": "Quarter_Num"}
COUNTIES = {"outcome": "lemp", "treatment": "d", "unit": "countyreal", "period": "year"}


def main() -> None:
    warnings.filterwarnings("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        found = {
            "training": training(),
            **{name: schooling(instruments) for name, instruments in shipped.PROXIMITY.items()},
            "organ donations": two_way(shipped.organ_donations(), ORGANS),
            "castle": two_way(shipped.castle(), CASTLE),
            "castle, population": two_way(shipped.castle(), CASTLE, "popwt"),
            "castle, leads and lags": leads_and_lags(),
            "castle, group-times": group_times(shipped.castle(), CASTLE),
            "castle, group-times, population": group_times(shipped.castle(), CASTLE, weights="popwt"),
            "mpdta": group_times(shipped.mpdta(), COUNTIES),
            "mpdta, lpop": group_times(shipped.mpdta(), COUNTIES, covariates="lpop"),
            "mpdta, differences": another_library(),
        }
    lines = (f' "{name}": {json.dumps(numbers)}' for name, numbers in found.items())
    STORE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
