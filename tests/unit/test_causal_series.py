"""Long tables on the regular grid that detectors read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from liftos_pipeline.causal.confounders.series import read_series
from liftos_pipeline.errors import LiftosError


def two_columns(days: pd.DatetimeIndex) -> pd.DataFrame:
    n = len(days)
    return pd.DataFrame(
        {"unit": ["b"] * n + ["a"] * n, "day": [*days, *days], "x": np.arange(2.0 * n), "y": -np.arange(2.0 * n)}
    )


def test_columns_share_one_grid_whatever_the_order_of_rows():
    frame = two_columns(pd.date_range("2025-01-01", periods=10)).drop(index=3).sample(frac=1.0, random_state=1)
    for table in (frame, pa.Table.from_pandas(frame, preserve_index=False)):
        series = read_series(table, "unit", "day", "y", "x")
        assert series.units.tolist() == ["a", "b"]
        assert series.values.shape == (2, 2, 10)
        np.testing.assert_array_equal(series.values[1, 0], np.arange(10.0, 20.0))
        np.testing.assert_array_equal(series.values[0, 1], [0, -1, -2, np.nan, -4, -5, -6, -7, -8, -9])
        assert series.is_daily


def test_midnights_of_a_zone_are_days_and_other_instants_are_universal_time():
    local = pd.date_range("2025-02-01", periods=60, tz="America/New_York")
    series = read_series(two_columns(local), "unit", "day", "x")
    assert series.is_daily
    assert series.periods[[0, -1]].tolist() == [pd.Timestamp("2025-02-01"), pd.Timestamp("2025-04-01")]
    noon = two_columns(pd.date_range("2025-06-01 12:00", periods=60, tz="America/New_York"))
    assert read_series(noon, "unit", "day", "x").periods[0] == np.datetime64("2025-06-01T16:00")


def test_infinite_values_are_refused_unless_asked_for():
    frame = two_columns(pd.date_range("2025-01-01", periods=10)).assign(x=np.inf)
    with pytest.raises(LiftosError, match="0 missing and 20 infinite"):
        read_series(frame, "unit", "day", "x")
    assert np.isinf(read_series(frame, "unit", "day", "y", "x", allow_infinite=True).values[1]).all()
