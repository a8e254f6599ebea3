"""Every method of the register on tables that trip estimators up: the numbers of the clean table, a LiftosError, or NaN
with a reason; never another exception and never another number without a word."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import EffectEstimate
from liftos_pipeline.errors import LiftosError
from tests.trap_worlds import (
    BY_ADOPTION,
    EXACT,
    KNOWN,
    LIMITS,
    METHODS,
    RELATIVE,
    WITH_SCORES,
    Change,
    assert_same,
    assert_undefined,
    run,
    world,
    world_of,
)


@pytest.fixture(scope="module")
def clean() -> dict[str, EffectEstimate]:
    return {method: run(method, world_of(method)) for method in METHODS}


def days(frame: pd.DataFrame) -> pd.Series:
    return pd.Timestamp("2026-02-26") + pd.to_timedelta(frame["t"], unit="D")


SMALL = ["unit", "t", "d", "y", "x0", "x1", "z"]
SAME: dict[str, Change] = {
    "8-bit integers": lambda f: f.astype(dict.fromkeys(SMALL, "int8")),
    "unsigned treatment": lambda f: f.astype({"d": "uint8", "t": "uint8"}),
    "32-bit floats": lambda f: f.astype({"y": "float32", "x0": "float32", "z": "float32"}),
    "integers that may be missing": lambda f: f.astype({"y": "Int64", "d": "Int8", "x0": "Int16"}),
    "a true or false treatment": lambda f: f.assign(d=f["d"] == 1),
    "shuffled rows": lambda f: f.sample(frac=1.0, random_state=3),
    "an index with repeats": lambda f: f.set_index(np.zeros(len(f), dtype=int)),
    "an outcome far from zero": lambda f: f.assign(y=f["y"] + 1e6),
    "dates": lambda f: f.assign(t=days(f)),
    "dates as objects": lambda f: f.assign(t=days(f).dt.date),
    "dates with a time zone": lambda f: f.assign(t=days(f).dt.tz_localize("America/New_York")),
    "month ends": lambda f: f.assign(t=pd.date_range("2026-01-31", periods=40, freq="ME")[f["t"]]),
    "text that sorts in time": lambda f: f.assign(t=days(f).dt.strftime("%Y-%m-%d")),
    "every seventh number": lambda f: f.assign(t=7 * f["t"]),
    "whole floats as keys": lambda f: f.assign(t=f["t"].astype(float), unit=f["unit"].astype(float)),
    "periods before zero": lambda f: f.assign(t=f["t"] - 100),
    "a column nobody named": lambda f: f.assign(other="text"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trap", SAME)
def test_same_numbers(clean, trap, method):
    if trap == "an outcome far from zero" and method in RELATIVE:
        found = run(method, world_of(method).assign(y=lambda f: 1e6 * f["y"]))
        assert_same(found, clean[method])
        return
    found = run(method, SAME[trap](world_of(method)))
    assert_same(found, clean[method])
    assert found.warnings == clean[method].warnings


@pytest.mark.parametrize("method", KNOWN)
@pytest.mark.parametrize("kind", ["object", "category"])
def test_units_by_name(method, kind):
    """Names are other keys than numbers, so folds differ: the same as the same names in another column type."""
    named = world().assign(unit=lambda f: "geo_" + f["unit"].astype(str).str.zfill(2))
    found, plain = run(method, named.astype({"unit": kind})), run(method, named)
    assert_same(found, plain)
    if method not in WITH_SCORES:
        assert_same(found, run(method, world()))


@pytest.mark.parametrize("method", KNOWN)
def test_a_gap_in_time_is_said_where_distance_matters(clean, method):
    found = run(method, world().assign(t=lambda f: f["t"] + 3 * (f["t"] >= 4)))
    assert_same(found, clean[method])
    assert any("periods are missing after 3" in text for text in found.warnings) == (method in BY_ADOPTION)


@pytest.mark.parametrize("method", KNOWN)
def test_text_that_does_not_sort_in_time(clean, method):
    frame = world().assign(t=lambda f: (f["t"] + 7).astype(str))
    if method in BY_ADOPTION:
        with pytest.raises(LiftosError, match="whose sorted order is their order in time"):
            run(method, frame)
    else:
        assert_same(run(method, frame), clean[method])


def with_missing(column: str) -> Change:
    return lambda f: f.assign(**{column: f[column].astype(float).where(np.arange(len(f)) != 4)})


REFUSED: dict[str, tuple[Change, str]] = {
    "outcome missing": (with_missing("y"), "finite values in outcome y; found 1 missing"),
    "treatment missing": (with_missing("d"), "finite values in treatment d; found 1 missing"),
    "covariate missing": (with_missing("x0"), "finite values in covariate x0; found 1 missing"),
    "period missing": (with_missing("t"), "a period in every row; found 1 of 480 rows"),
    "unit missing": (with_missing("unit"), "a unit in every row; found 1 of 480 rows"),
    "missing in an integer column": (
        lambda f: f.assign(y=f["y"].astype("Int64").where(f.index != 4)),
        "finite values in outcome y; found 1 missing",
    ),
    "infinite outcome": (lambda f: f.assign(y=f["y"].where(f.index != 4, np.inf)), "0 missing and 1 infinite"),
    "outcome as text": (lambda f: f.assign(y=f["y"].astype(str)), "a numeric column for outcome"),
    "a repeated row": (lambda f: pd.concat([f, f.iloc[[5]]]), "1 repeated pairs, first 0 at 5"),
    "a repeated pair with other values": (
        lambda f: pd.concat([f, f.iloc[[5]].assign(y=0.0, d=1)]),
        "1 repeated pairs, first 0 at 5",
    ),
    "units of mixed type": (
        lambda f: f.assign(unit=[str(u) if u % 2 else u for u in f["unit"]]),
        "text, whole numbers or dates as unit",
    ),
    "fractions as periods": (lambda f: f.assign(t=f["t"] / 3), "text, whole numbers or dates as period"),
    "all treated": (lambda f: f.assign(d=1), "all 480 rows treated"),
    "none treated": (lambda f: f.assign(d=0), "all 480 rows untreated"),
    "no rows": (lambda f: f.iloc[:0], "at least one row"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trap", REFUSED)
def test_refused_by_every_method(trap, method):
    change, message = REFUSED[trap]
    with pytest.raises(LiftosError, match=message):
        run(method, change(world_of(method)))


@pytest.mark.parametrize("method", [name for name in METHODS if name != "iv"])
def test_a_dose_is_refused_where_the_treatment_is_yes_or_no(method):
    with pytest.raises(LiftosError, match="0 or 1 in treatment d"):
        run(method, world().assign(d=lambda f: 2 * f["d"]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan])
def test_weights_that_are_none_are_refused(method, weight):
    with pytest.raises(LiftosError, match=r"positive weights|finite values in weights"):
        run(method, world().assign(w=np.where(np.arange(480) == 7, weight, 1.0)), weights="w")


# Covariates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", KNOWN)
def test_a_constant_covariate(clean, method):
    found = run(method, world().assign(x2=1.0), covariates=("x0", "x1", "x2"))
    assert_same(found, clean[method])
    assert "covariate x2 is constant and was dropped" in found.warnings


@pytest.mark.parametrize("method", KNOWN)
def test_a_collinear_covariate(clean, method):
    """Penalised models spread their coefficients over it, which moves the estimate by less than its hundredth."""
    found = run(method, world().assign(x2=lambda f: 2 * f["x0"] - f["x1"] + 3), covariates=("x0", "x1", "x2"))
    if method in WITH_SCORES:
        assert abs(found.estimate - clean[method].estimate) < 0.01 * found.std_error
        assert found.std_error == pytest.approx(clean[method].std_error, rel=0.01)
        return
    assert_same(found, clean[method])
    if method != "difference_in_means":
        assert any("covariate x2" in text and "dropped" in text for text in found.warnings)


@pytest.mark.parametrize("method", KNOWN)
def test_the_treatment_itself_as_a_covariate(clean, method):
    frame = world().assign(x2=lambda f: f["d"])
    names = ("x0", "x1", "x2")
    if method in ("staggered_did", "imputation_did", "iv"):
        with pytest.raises(LiftosError, match=r"collinear|determined by the other columns|a combination of"):
            run(method, frame, covariates=names)
    elif method in WITH_SCORES:
        assert "0.0 % of propensity scores lie in" in run(method, frame, covariates=names).refused
    else:
        assert_same(run(method, frame, covariates=names), clean[method])


@pytest.mark.parametrize("method", KNOWN)
def test_one_column_in_two_roles_is_refused(method):
    with pytest.raises(LiftosError, match="x1 in more than one role"):
        run(method, world(), covariates=("x0", "x1", "x1"))


# Outcomes and clusters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", KNOWN)
@pytest.mark.parametrize(("value", "kind"), [(100, "int8"), (100, "float64"), (7.3, "float64")])
def test_a_constant_outcome(method, value, kind):
    found = run(method, world().assign(y=np.full(480, value, dtype=kind)))
    assert found.estimate == pytest.approx(0.0, abs=1e-12)
    assert_undefined(found)


@pytest.mark.parametrize("method", KNOWN)
def test_an_outcome_that_is_the_treatment(method):
    found = run(method, world().assign(y=lambda f: 3.3 * f["d"]), covariates=())
    assert found.estimate == pytest.approx(3.3, rel=1e-12)
    assert_undefined(found)


@pytest.mark.parametrize("method", KNOWN)
def test_three_clusters(clean, method):
    found = run(method, world().assign(g=lambda f: f["unit"] // 3 % 3), cluster="g")
    assert found.estimate == pytest.approx(clean[method].estimate, rel=EXACT)
    assert found.n_clusters == 3
    assert found.diagnostics["degrees_of_freedom"] == 2
    assert found.ci_high - found.ci_low == pytest.approx(2 * 4.302652729911275 * found.std_error, rel=1e-9)


@pytest.mark.parametrize("method", [name for name in KNOWN if name != "iv"])
def test_one_cluster_per_arm(clean, method):
    found = run(method, world().assign(g=lambda f: (f["unit"] % 3 == 2) * 1), cluster="g")
    assert found.estimate == pytest.approx(clean[method].estimate, rel=EXACT)
    assert_undefined(found)


@pytest.mark.parametrize("method", KNOWN)
def test_one_cluster(clean, method):
    found = run(method, world().assign(g=0), cluster="g")
    assert found.estimate == pytest.approx(clean[method].estimate, rel=EXACT)
    assert_undefined(found)


# Whatever the method -------------------------------------------------------------------------------------------

ODD: dict[str, tuple[Change, dict[str, str]]] = {
    "one unit": (lambda f: f[f["unit"] == 0], {}),
    "one period": (lambda f: f[f["t"] == f["t"].max()], {}),
    "two periods": (lambda f: f[f["t"].isin([0, f["t"].max()])], {}),
    "each unit once": (lambda f: f[f["t"] == f["unit"] % 8 + 25 * (f["t"].max() > 8)], {}),
    "treated from the start": (lambda f: f.assign(d=(f["unit"] % 3 == 0).astype(int)), {}),
    "all at once": (lambda f: f.assign(d=(2 * f["t"] > f["t"].max()).astype(int)), {}),
    "all but one treated at last": (lambda f: f.assign(d=((f["t"] > 2) & (f["unit"] > 0)).astype(int)), {}),
    "switched off": (lambda f: f.assign(d=((f["unit"] % 3 == 0) & f["t"].between(3, 5)).astype(int)), {}),
    "a constant outcome": (lambda f: f.assign(y=100.0), {}),
    "an outcome that is the treatment": (lambda f: f.assign(y=3.3 * f["d"]), {}),
    "an outcome that is the unit": (lambda f: f.assign(y=f["unit"]), {}),
    "three clusters": (lambda f: f.assign(g=f["unit"] // 3 % 3), {"cluster": "g"}),
    "two clusters": (lambda f: f.assign(g=(f["unit"] % 3 == 2) * 1), {"cluster": "g"}),
    "a missing row": (lambda f: f[(f["unit"] != 0) | (f["t"] != 2)], {}),
    "weights": (lambda f: f.assign(w=1.0 + f["unit"] % 2), {"weights": "w"}),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trap", ODD)
def test_an_answer_with_reasons_or_a_clear_refusal(trap, method):
    change, roles = ODD[trap]
    try:
        found = run(method, change(world_of(method)), **roles)
    except LiftosError:
        return
    for name in ("estimate", *LIMITS):
        value = getattr(found, name)
        assert not math.isnan(value) or found.undefined.get(name) or found.refused, name
