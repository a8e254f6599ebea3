"""Work on blocks of rows: the same bits whatever the blocks and however many threads, and an error comes through."""

from __future__ import annotations

import numpy as np
import pytest

from liftos_pipeline.causal.confounders import joint_dating, segmentation
from liftos_pipeline.causal.confounders.calibration import autoregressive_series
from liftos_pipeline.causal.kernels import threads
from liftos_pipeline.causal.kernels.threads import for_each_block

N_SERIES = 61


def dated() -> tuple[segmentation.Stretches, segmentation.Stretches]:
    rng = np.random.default_rng(4)
    values = autoregressive_series(0.5, N_SERIES, 200, rng)
    values[::2, 90:] += 3.0
    start, stop = rng.integers(0, 30, N_SERIES), rng.integers(150, 200, N_SERIES)
    whole, candidates = segmentation.segment(values, start, stop, 0.05, 0.1)
    return whole, joint_dating.dated_together(values, candidates, start, stop, 0.05, 0.1)


@pytest.mark.parametrize(("block", "workers"), [(N_SERIES, 1), (7, 1), (7, 4), (1, 2), (60, 2)])
def test_blocks_and_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch, block: int, workers: int) -> None:
    expected = dated()
    assert len(expected[1].series) >= N_SERIES // 2
    monkeypatch.setattr(segmentation, "BLOCK", block)
    monkeypatch.setattr(joint_dating, "BLOCK", block)
    monkeypatch.setattr(threads, "_WORKERS", workers)
    for found, known in zip(dated(), expected, strict=True):
        for name, column in vars(known).items():
            np.testing.assert_array_equal(getattr(found, name), column, strict=True)


@pytest.mark.parametrize(("n_rows", "ends"), [(0, []), (1, [(0, 1)]), (4, [(0, 4)]), (5, [(0, 4), (4, 5)])])
def test_every_row_is_in_one_block(n_rows: int, ends: list[tuple[int, int]]) -> None:
    asked: list[tuple[int, int]] = []
    for_each_block(lambda first, stop: asked.append((first, stop)), n_rows, 4)
    assert sorted(asked) == ends


def test_an_error_in_a_block_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        for_each_block(lambda first, _stop: 1 // (first - 4), 12, 4)
