"""Kernels over rows that stay on other machines, with several parts that come back pickled: the same numbers."""

from __future__ import annotations

import builtins
import pickle
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from liftos_pipeline.causal import ESTIMATORS, Panel, estimate
from liftos_pipeline.causal.engines.frame import ArrayRows
from liftos_pipeline.causal.engines.rows import Block, Part
from liftos_pipeline.causal.engines.spark_session import spark_session
from liftos_pipeline.causal.panel import StreamedPanel
from liftos_pipeline.causal.pushdown import PUSHED
from liftos_pipeline.causal.specification import options_of
from liftos_pipeline.errors import LiftosError
from tests.scale.calls import ADOPTION, CONFOUNDED, DOSE, SAME, distance

N_PARTS = 3


class PartedRows(ArrayRows):
    """Rows in three parts that are visited apart and sent back, as an engine on other machines does."""

    def map_blocks(
        self, names: Sequence[str], make: Callable[[], Part], visit: Callable[[Part, Block], None]
    ) -> list[Part]:
        places = np.array_split(np.arange(self._n_rows), N_PARTS)
        return [self._sent(names, place, make, visit) for place in places]

    def map_units(
        self, names: Sequence[str], make: Callable[[], Part], visit: Callable[[Part, Block], None]
    ) -> list[Part]:
        unit, period = self._columns["unit"], self._columns["period"]
        order = np.lexsort([period, unit])
        return [self._sent(names, order[unit[order] % N_PARTS == part], make, visit) for part in range(N_PARTS)]

    def _sent(self, names, place, make, visit):
        part = make()
        visit(part, {name: self._columns[name][place] for name in names})
        return pickle.loads(pickle.dumps(part))


def remote(table: pd.DataFrame, **roles) -> Panel:
    held = Panel.from_frame(table, **roles)
    order = np.random.default_rng(0).permutation(held.n_rows)
    rows = PartedRows({name: values[order] for name, values in held.rows._columns.items()})  # type: ignore[attr-defined]

    def refuse() -> Panel:
        raise AssertionError("the rows were asked for")

    return StreamedPanel(held.roles, rows, held.index, refuse, is_remote=True)


def ragged() -> pd.DataFrame:
    """Missing rows, units seen once and a period that one unit has."""
    rng = np.random.default_rng(3)
    unit, t = np.repeat(np.arange(40), 12), np.tile(np.arange(12), 40)
    x = rng.normal(size=(2, 480))
    d = ((t >= 6) & (unit % 2 == 0)).astype(int)
    b = (rng.random(480) < 1 / (1 + np.exp(-x[0]))).astype(int)
    z = rng.normal(size=480)
    table = pd.DataFrame({"unit": unit, "t": t, "d": d, "b": b, "z": z, "dose": z + x[0] + rng.normal(size=480)})
    table = table.assign(x0=x[0], x1=x[1], w=rng.random(480) + 0.5, cl=unit % 17)
    table = table.assign(y=5 + unit / 9 + x[0] + d + rng.normal(size=480))
    stays = (rng.random(480) < 0.8) & ((unit >= 3) | (t == unit))
    lone = table[(unit == 9) & stays].head(1).assign(t=99)
    return pd.concat([table[stays], lone])


ROLES = {"adoption": ADOPTION, "confounded": {**CONFOUNDED, "outcome": "y", "covariates": ["x0", "x1"]}}
ROLES["dose"] = {**DOSE, "outcome": "y", "covariates": ["x0", "x1"]}
CASES = [
    ("did", "adoption", {}),
    ("did", "adoption", {"weights": "w", "covariates": ["x0"]}),
    ("did", "adoption", {"cluster": "cl"}),
    ("ipw", "confounded", {"cluster": "cl"}),
    ("doubly_robust", "confounded", {"weights": "w"}),
    ("iv", "dose", {"weights": "w", "cluster": "cl"}),
    ("iv", "dose", {"instruments": ["z", "x0", "x1"], "covariates": ["w"]}),
]


@pytest.mark.parametrize(("method", "roles", "more"), CASES)
def test_ragged_panels_have_the_numbers_of_a_frame(method, roles, more):
    called = {**ROLES[roles], **more}
    expected = estimate(method, Panel.from_frame(ragged(), **called))
    found = estimate(method, remote(ragged(), **called))
    assert distance(found, expected) <= SAME
    assert found.warnings == expected.warnings


@pytest.mark.parametrize("method", ["event_study", "staggered_did"])
def test_balanced_panels_have_the_numbers_of_a_frame(method):
    rng = np.random.default_rng(1)
    unit, t = np.repeat(np.arange(45), 10), np.tile(np.arange(10), 45)
    d = (t >= np.array([4, 6, 10])[unit % 3]).astype(int)
    table = pd.DataFrame({"unit": unit, "t": t, "d": d, "y": 1e4 + d + rng.normal(size=450)})
    options = {"aggregation": "dynamic"} if method == "staggered_did" else {}
    expected = estimate(method, Panel.from_frame(table, **ADOPTION), **options)
    found = estimate(method, remote(table, **ADOPTION), **options)
    assert distance(found, expected) <= SAME


def test_what_is_pushed_are_options_that_exist():
    for name, restricted in PUSHED.items():
        assert set(restricted) <= set(options_of(ESTIMATORS[name].function))


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("doubly_robust", {"learner": "lasso"}, "learner 'linear' for doubly_robust on Spark; found 'lasso'"),
        ("did", {"inference": "wild_bootstrap"}, "inference 'cluster' for did"),
        ("event_study", {}, "found weights, units without a row in some period"),
        ("imputation_did", {}, "one of did, event_study, staggered_did, ipw, doubly_robust, iv on Spark"),
    ],
)
def test_what_needs_the_rows_is_refused(method, options, message):
    with pytest.raises(LiftosError, match=message):
        estimate(method, remote(ragged(), **ADOPTION, weights="w"), **options)


def test_without_pyspark_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith("pyspark"):
            raise ImportError("No module named 'pyspark'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(LiftosError, match=r"found No module named 'pyspark'. Install the extra: .*\[spark\]"):
        spark_session()
