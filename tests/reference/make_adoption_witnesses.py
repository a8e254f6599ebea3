"""Makes the numbers of other libraries in ``adoption_witnesses.json``, from data that the test generates too.

Run from the repository's root, in an environment that has the peers:

    python -m venv peers && peers/bin/pip install pyfixest==0.60.0 csdid==0.4.3 diff-diff==3.13.0
    peers/bin/python tests/reference/make_adoption_witnesses.py
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

STORE = Path(__file__).with_name("adoption_witnesses.json")

EVENT_STUDIES = {
    "balanced": {},
    "balanced, unit weights": {"weights": "w"},
    "balanced, row weights": {"weights": "v"},
    "balanced, covariate": {"covariates": ["z"]},
    "balanced, states": {"cluster": "state"},
    "unbalanced": {"missing": 0.2},
    "unbalanced, row weights and covariate": {"missing": 0.2, "weights": "v", "covariates": ["z"]},
}
GROUP_TIMES = {
    "never treated": {},
    "not yet treated": {"control_group": "not_yet_treated"},
    "not yet treated, none never": {"control_group": "not_yet_treated", "never": False},
    "anticipation, universal base": {"anticipation": 1, "base_period": "universal"},
    "not yet treated, anticipation": {"control_group": "not_yet_treated", "anticipation": 2},
    "not yet treated, universal base": {"control_group": "not_yet_treated", "base_period": "universal"},
    "states": {"cluster": "state"},
    "covariates": {"covariates": ["x", "z"]},
    "covariates, not yet treated": {"control_group": "not_yet_treated", "covariates": ["x", "z"]},
    "covariates, universal base": {"base_period": "universal", "covariates": ["z"]},
    "covariates, weights, states": {"covariates": ["x"], "weights": "w", "cluster": "state"},
}
IMPUTATIONS = {
    "balanced": {},
    "unbalanced": {"missing": 0.1, "units": 400},
    "unbalanced, covariate": {"missing": 0.1, "units": 400, "covariates": ["z"]},
}


def frame(missing: float = 0.0, units: int = 240, never: bool = True) -> pd.DataFrame:
    """Cohorts 3, 5, 6 and 9 of 11 periods; effects that differ by cohort and grow; errors that persist."""
    rng = np.random.default_rng(20_260)
    n_periods = 11
    start = rng.choice([0, 3, 5, 6, 9], size=units)
    t = np.arange(1, n_periods + 1)
    e = rng.standard_normal((units, n_periods))
    for j in range(1, n_periods):
        e[:, j] += 0.5 * e[:, j - 1]
    x = rng.standard_normal(units)
    z = x[:, None] + rng.standard_normal((units, n_periods))
    treated = (start[:, None] > 0) & (t >= start[:, None])
    effect = np.where(treated, 1.0 + 0.2 * (t - start[:, None]) + 0.5 * (start == 5)[:, None], 0.0)
    y = 3.0 + x[:, None] * (1 + 0.1 * t) + 0.5 * z + np.cumsum(rng.standard_normal(n_periods)) + effect + e
    table = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), n_periods),
            "t": np.tile(t, units),
            "d": treated.ravel().astype(int),
            "y": y.ravel(),
            "x": np.repeat(x, n_periods),
            "z": z.ravel(),
            "w": np.repeat(rng.uniform(0.5, 2.0, units), n_periods),
            "v": rng.uniform(0.5, 2.0, units * n_periods),
            "state": np.repeat(np.arange(units) % 30, n_periods),
        }
    )
    keep = rng.random(len(table)) >= missing
    if not never:
        keep &= np.repeat(start > 0, n_periods)
    return table[keep].reset_index(drop=True)


def usable(table: pd.DataFrame) -> pd.DataFrame:
    """With the adoption period that the rows show (0: never), without units treated throughout or seen once."""
    by_unit = table.groupby("unit")
    table = table[(by_unit.d.transform("min") == 0) & (by_unit.t.transform("size") > 1)]
    first = table[table.d == 1].groupby("unit").t.min()
    last = table[table.d == 0].groupby("unit").t.max().loc[first.index]
    dates, open_units = [], first.index
    while len(open_units):  # the fewest dates that every unit's missing rows agree with
        dates.append(first[open_units].min())
        open_units = open_units[last[open_units] >= dates[-1]]
    adoption = first.map(lambda period: max(date for date in dates if date <= period))
    return table.assign(g=table.unit.map(adoption).fillna(0).astype(int)).reset_index(drop=True)


def event_study(missing: float = 0.0, weights=None, covariates=(), cluster: str = "unit") -> dict[str, object]:
    import pyfixest as pf

    table = usable(frame(missing))
    table["e"] = np.where(table.g > 0, table.t - table.g, -1).clip(-4, 5)
    formula = "y ~ i(e, ref=-1)" + "".join(f" + {name}" for name in covariates) + " | unit + t"
    # Whether pyfixest counts the fixed effects depends on PYTHONHASHSEED: it is told not to, and they are counted here.
    fit = pf.feols(
        formula,
        table,
        vcov={"CRV1": cluster},
        weights=weights,
        ssc=pf.ssc(k_adj=True, k_fixef="none", G_adj=True),
        fixef_rm="none",
        fixef_tol=1e-12,
    )
    n, p, n_periods = len(table), len(fit.coef()), table.t.nunique()
    factor = (n - p) / (n - p - n_periods)
    k = p - len(covariates)
    beta, variance = fit.coef().to_numpy()[:k], fit._vcov[:k, :k] * factor
    lead = np.arange(k) < 3
    mean = (~lead) / (~lead).sum()
    return {
        "coefficients": list(beta),
        "std_errors": list(np.sqrt(np.diag(variance))),
        "wald": float(beta[lead] @ np.linalg.solve(variance[np.ix_(lead, lead)], beta[lead])),
        "estimate": float(mean @ beta),
        "std_error": float(np.sqrt(mean @ variance @ mean)),
    }


def group_times(
    control_group: str = "never_treated",
    never: bool = True,
    anticipation: int = 0,
    base_period: str = "varying",
    cluster=None,
    covariates=(),
    weights=None,
) -> dict[str, object]:
    from csdid.att_gt import ATTgt

    fit = ATTgt(
        yname="y",
        tname="t",
        idname="unit",
        gname="g",
        data=usable(frame(never=never)),
        control_group=control_group.replace("_", ""),
        anticipation=anticipation,
        xformla="y ~ " + " + ".join(covariates) if covariates else None,
        clustervar=cluster,
        weights_name=weights,
    ).fit(est_method="dr", base_period=base_period, bstrap=False)
    found: dict[str, object] = {}
    for kind in ("simple", "group", "calendar", "dynamic"):
        average = fit.aggte(typec=kind, bstrap=False, cband=False).atte
        found[kind] = [float(average["overall_att"]), float(average["overall_se"])]
    errors = np.asarray(average["se_egt"], dtype=float).ravel()
    found["path"] = [
        [int(point), float(value), float(np.nan_to_num(error))]
        for point, value, error in zip(average["egt"], average["att_egt"], errors, strict=True)
    ]
    columns = (fit.results[name] for name in ("group", "year", "att", "se"))
    rows = zip(*(np.asarray(column, dtype=float).ravel() for column in columns), strict=True)
    found["cells"] = [[int(g), int(t), att, se] for g, t, att, se in rows if np.isfinite(se)][::4]
    return found


def imputation(missing: float = 0.0, units: int = 240, covariates=()) -> dict[str, object]:
    import pyfixest as pf
    from diff_diff import ImputationDiD

    table = usable(frame(missing, units))
    found: dict[str, object] = {}
    for name, leave_one_out in (("plain", False), ("leave_one_out", True)):
        fit = ImputationDiD(leave_one_out=leave_one_out).fit(
            table, outcome="y", unit="unit", time="t", first_treat="g", covariates=list(covariates) or None
        )
        found[name] = [float(fit.overall_att), float(fit.overall_se)]
    untreated = table[table.d == 0].copy()
    untreated["e"] = np.where(untreated.g > 0, untreated.t - untreated.g, -9).clip(-9, -1)
    untreated.loc[untreated.e < -3, "e"] = -9
    many = untreated.groupby("unit").t.transform("size") > 1
    formula = "y ~ i(e, ref=-9)" + "".join(f" + {name}" for name in covariates) + " | unit + t"
    rows = untreated[many]
    fit = pf.feols(
        formula,
        rows,
        vcov={"CRV1": "unit"},
        ssc=pf.ssc(k_adj=True, k_fixef="none", G_adj=False),
        fixef_rm="none",
        fixef_tol=1e-12,
    )
    n, p = len(rows), len(fit.coef())
    factor = (n - p) / (n - p - rows.t.nunique())
    found["leads"] = list(fit.coef().to_numpy()[:3])
    found["lead_errors_without_g"] = list(fit.se().to_numpy()[:3] * np.sqrt(factor))
    return found


def main() -> None:
    warnings.filterwarnings("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        found = {
            "event_study": {name: event_study(**case) for name, case in EVENT_STUDIES.items()},
            "staggered_did": {name: group_times(**case) for name, case in GROUP_TIMES.items()},
            "imputation_did": {name: imputation(**case) for name, case in IMPUTATIONS.items()},
        }
    lines = [
        f' "{method}": {{\n'
        + ",\n".join(f'  "{name}": {json.dumps(case)}' for name, case in cases.items())
        + "\n }"
        for method, cases in found.items()
    ]
    STORE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
