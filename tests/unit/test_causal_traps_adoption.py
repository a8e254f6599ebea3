"""Every method of the register where units are seen once, periods lack an arm, or treatment is switched off: the numbers
of the clean table, a LiftosError, or NaN with a reason."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import EffectEstimate
from liftos_pipeline.errors import LiftosError
from tests.trap_worlds import (
    BY_ADOPTION,
    BY_ROWS,
    EXACT,
    KNOWN,
    METHODS,
    NEVER,
    WITH_SCORES,
    WITHIN_UNITS,
    assert_undefined,
    run,
    world,
    world_of,
)


@pytest.fixture(scope="module")
def clean() -> dict[str, EffectEstimate]:
    return {method: run(method, world_of(method)) for method in METHODS}


@pytest.mark.parametrize("method", KNOWN)
def test_a_unit_seen_once(clean, method):
    """Methods that compare within units drop it and say so; the others count one unit more."""
    row = {"unit": 999, "t": 2, "d": 0, "y": 50.0, "x0": 1.0, "x1": 3.0, "z": 0.0}
    found = run(method, pd.concat([world(), pd.DataFrame([row])], ignore_index=True))
    if method in BY_ROWS:
        assert (found.n_rows, found.n_units, found.n_clusters) == (481, 61, 61)
        return
    assert [found.estimate, found.std_error] == pytest.approx(
        [clean[method].estimate, clean[method].std_error], rel=EXACT
    )
    assert found.n_clusters == 60
    assert any("the only one of their unit" in text or "seen in one period" in text for text in found.warnings)


@pytest.mark.parametrize("method", WITHIN_UNITS)
@pytest.mark.parametrize(
    "change",
    [
        lambda f: f[f["t"] == 4],
        lambda f: f[f["t"] == f["unit"] % 8],
        lambda f: f.assign(d=(f["unit"] % 3 == 0).astype(int)),
        lambda f: f.assign(d=(f["t"] >= 4).astype(int)),
        lambda f: f[f["unit"] == 0],
    ],
    ids=["one period", "each unit once", "treated from the start", "all at once", "one unit"],
)
def test_panels_without_a_comparison_within_units_are_refused(method, change):
    with pytest.raises(LiftosError):
        run(method, change(world()))


@pytest.mark.parametrize("method", WITHIN_UNITS)
def test_periods_in_which_all_are_treated(method):
    """No control is left from period 6 on: group-times want other controls, and the imputation leaves these rows out."""
    frame = world(starts=(3, 5, 6))
    if method == "staggered_did":
        with pytest.raises(LiftosError, match="Use control_group='not_yet_treated'"):
            run(method, frame)
        return
    found = run(method, frame)
    if method == "imputation_did":
        assert "120 treated rows were left out" in found.warnings[0]
        before = run(method, frame[frame["t"] < 6])
        assert [found.estimate, found.std_error] == pytest.approx([before.estimate, before.std_error], rel=EXACT)
    else:
        assert any("adopt in 3 different periods" in text or "staggered over 3" in text for text in found.warnings)


@pytest.mark.parametrize("method", KNOWN)
@pytest.mark.parametrize("n_untreated", [1, 6])
def test_periods_in_which_none_is_treated(method, n_untreated):
    """One such period, or all but the last two."""
    frame = world(starts=(6, 7, NEVER))
    frame = frame[frame["t"] >= 6 - n_untreated]
    found = run(method, frame)
    assert (frame.groupby("t")["d"].max() == 0).sum() == n_untreated
    assert math.isfinite(found.std_error)
    assert (found.n_rows, found.n_treated) == (len(frame), 40)


@pytest.mark.parametrize("method", KNOWN)
def test_a_treatment_that_switches_off(method):
    frame = world().assign(d=lambda f: np.where((f["unit"] % 3 == 0) & (f["t"] > 5), 0, f["d"]))
    if method in BY_ADOPTION:
        with pytest.raises(LiftosError, match="20 units whose treatment switches off, first 0"):
            run(method, frame)
        return
    found = run(method, frame)
    assert math.isfinite(found.std_error)
    if method == "did":
        assert any("switched off" in text for text in found.warnings)


@pytest.mark.parametrize("method", KNOWN)
def test_one_treated_unit(method):
    frame = world(starts=(5, *[NEVER] * 59))
    if method in WITH_SCORES:
        with pytest.raises(LiftosError, match="at least 2 treated units outside each"):
            run(method, frame)
    elif method == "iv":
        assert any(text.startswith("weak instruments") for text in run(method, frame).warnings)
    else:
        assert_undefined(run(method, frame))
