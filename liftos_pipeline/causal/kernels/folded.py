"""A panel's rows sorted by fold and arm, block by block: what cross-fitting walks over.

Small panels are kept after the first walk, others are read again on each. Which sums are taken belongs to the callers.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import BLOCK_ROWS, Block, Part, Rows
from liftos_pipeline.causal.kernels.threads import blas
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

KEPT_BYTES = 64_000_000
_HEAD_ROWS = 2_000
_WORKERS = min(4, os.cpu_count() or 1)
_FEW_ROWS = 4_096
"""Kept rows below which a second thread costs more than it saves."""


@dataclass(frozen=True, eq=False)
class FoldedBlock:
    """Rows in the order of fold and, within it, of arm.

    Attributes
    ----------
    values : ndarray, shape (k + 1, m)
        Ones, and the covariates less a constant near their mean.
    y, d, weight : ndarray, shape (m,)
        Outcome less a constant, treatment, row weight.
    edges : ndarray, shape (2 * n_folds + 1,)
        Bounds of fold and arm: untreated rows of fold 0, treated rows of fold 0, untreated rows of fold 1, ...
    codes : dict of ndarray, shape (m,)
        Further columns that were asked for.
    """

    values: Floats
    y: Floats
    d: Floats
    weight: Floats
    edges: Integers
    codes: dict[str, NDArray[Any]]

    @property
    def n_folds(self) -> int:
        return len(self.edges) // 2

    def fold(self, number: int) -> slice:
        """Rows of one fold."""
        return slice(int(self.edges[2 * number]), int(self.edges[2 * number + 2]))

    def arms(self) -> Iterator[tuple[int, int, slice]]:
        """Fold, arm (0 or 1) and rows of each pair that has any."""
        for place in range(len(self.edges) - 1):
            if self.edges[place] < self.edges[place + 1]:
                yield place // 2, place % 2, slice(int(self.edges[place]), int(self.edges[place + 1]))


@dataclass
class _Worker(Generic[Part]):
    part: Part
    buffer: Floats
    kept: list[FoldedBlock]


class FoldedRows:
    """The rows of a panel for cross-fitting.

    Parameters
    ----------
    rows : Rows
    n_rows : int
    covariates : sequence of str
        Roles of the covariates.
    fold_of_unit : ndarray, shape (N,)
    n_folds : int
    codes : sequence of str
        Roles to carry along, such as ``cluster``.
    is_weighted : bool
        Whether the rows have the role ``weight``.

    Attributes
    ----------
    origin : ndarray, shape (k,)
        Constants that are taken off the covariates; ``y_origin`` off the outcome.
    """

    def __init__(
        self,
        rows: Rows,
        n_rows: int,
        covariates: Sequence[str],
        fold_of_unit: Integers,
        n_folds: int,
        codes: Sequence[str] = (),
        is_weighted: bool = False,
    ) -> None:
        self.n_rows, self.n_folds, self.width = n_rows, n_folds, len(covariates) + 1
        self.codes = tuple(codes)
        self._rows, self._covariates = rows, tuple(covariates)
        self._arm_of_unit = (2 * fold_of_unit).astype(np.uint8 if n_folds < 128 else np.int64)
        optional = ["weight"] if is_weighted else []
        self._names = list(dict.fromkeys(["unit", "d", "y", *covariates, *codes, *optional]))
        self._keeps = 8 * n_rows * (self.width + 3 + len(codes)) <= KEPT_BYTES
        self._kept: list[list[FoldedBlock]] | None = None
        head = rows.head([*covariates, "y"], _HEAD_ROWS)
        means = np.array([np.mean(head[name], dtype=np.float64) for name in (*covariates, "y")])
        means = np.where(np.isfinite(means), means, 0.0)
        self.origin: Floats = means[:-1]
        self.y_origin = float(head["y"][0]) if np.isfinite(head["y"][0]) else 0.0

    def walk(self, make: Callable[[], Part], visit: Callable[[Part, FoldedBlock], None]) -> list[Part]:
        """Visit every block; one part per worker, in the order of the rows. As ``Rows.map_blocks``."""
        if self._kept is not None:
            return self._walk_kept(self._kept, make, visit)

        def start() -> _Worker[Part]:
            return _Worker(make(), np.empty((0 if self._keeps else self.width, BLOCK_ROWS)), [])

        def see(worker: _Worker[Part], block: Block) -> None:
            folded = self._folded(block, worker.buffer)
            if self._keeps:
                worker.kept.append(folded)
            visit(worker.part, folded)

        workers = self._rows.map_blocks(self._names, start, see)
        if self._keeps:
            blocks = [block for worker in workers for block in worker.kept]
            shares = np.linspace(0, len(blocks), min(_WORKERS, len(blocks)) + 1).round().astype(int)
            self._kept = [blocks[first:last] for first, last in itertools.pairwise(shares)]
        return [worker.part for worker in workers]

    def _walk_kept(
        self, kept: list[list[FoldedBlock]], make: Callable[[], Part], visit: Callable[[Part, FoldedBlock], None]
    ) -> list[Part]:
        def see(blocks: list[FoldedBlock]) -> Part:
            part = make()
            for block in blocks:
                visit(part, block)
            return part

        with blas().limit(limits=1):
            if len(kept) == 1 or self.n_rows < _FEW_ROWS:
                return [see(blocks) for blocks in kept]
            with ThreadPoolExecutor(len(kept)) as workers:
                return list(workers.map(see, kept))

    def _folded(self, block: Block, buffer: Floats) -> FoldedBlock:
        d = block["d"]
        place = self._arm_of_unit[block["unit"]] + (d == 1)
        order = np.argsort(place, kind="stable")
        edges = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=2 * self.n_folds))])
        values = buffer[:, : len(order)] if len(buffer) else np.empty((self.width, len(order)))
        values[0] = 1.0
        for row, name in enumerate(self._covariates, start=1):
            np.take(block[name], order, out=values[row])
            values[row] -= self.origin[row - 1]
        weight = block["weight"][order] if "weight" in block else np.ones(len(order))
        codes = {name: block[name][order] for name in self.codes}
        y = block["y"][order] - self.y_origin
        return FoldedBlock(values, y, d[order], weight, edges, codes)


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted cross-products by fold and arm, of ones, covariates (less ``origin``) and outcome (less ``y_origin``).

    Attributes
    ----------
    gram : ndarray, shape (n_folds, 2, k + 1, k + 1)
    moment : ndarray, shape (n_folds, 2, k + 1)
        With the outcome.
    square : ndarray, shape (n_folds, 2)
        Of the outcome.
    weight_square : ndarray, shape (n_folds, 2)
        Sum of squared weights.
    """

    gram: Floats
    moment: Floats
    square: Floats
    weight_square: Floats

    @property
    def total(self) -> Floats:
        """Cross-products of all rows, shape (k + 1, k + 1)."""
        total: Floats = self.gram.sum(axis=(0, 1))
        return total

    @property
    def arm_weights(self) -> Floats:
        """Weight of each fold and arm, shape (n_folds, 2)."""
        return self.gram[:, :, 0, 0]

    def outcome_sd(self, n_rows: int) -> float:
        """Standard deviation of the outcome within the arms, pooled; zero where it does not vary within them."""
        weight, total = self.arm_weights.sum(axis=0), self.moment.sum(axis=0)[:, 0]
        squares = float(np.sum(self.square.sum(axis=0) - total**2 / weight))
        if n_rows <= 2 or squares <= ROUNDING * float(self.square.sum()):
            return 0.0
        return float(np.sqrt(squares / weight.sum() * n_rows / (n_rows - 2)))

    def standardisation(self) -> Floats:
        """Matrix T, shape (k + 1, k + 1), that turns a block's values into ones and standardised covariates.

        A covariate without variance becomes zero.
        """
        total = self.total
        mean = total[0] / total[0, 0]
        spread = np.diag(total) / total[0, 0] - mean**2
        varies = spread > ROUNDING * np.diag(total) / total[0, 0]
        scale = np.where(varies, 1.0 / np.sqrt(np.where(varies, spread, 1.0)), 0.0)
        T = np.diag(scale)
        T[:, 0] = -mean * scale
        T[0, 0] = 1.0
        return T


ROUNDING = 1e-13
"""Share of a column's mean square below which its variance is a rounding error."""


def moments_of(folded: FoldedRows, keep: Callable[[FoldedBlock], Floats] | None = None) -> Moments:
    """Cross-products by fold and arm, in one walk.

    Parameters
    ----------
    keep : callable, optional
        Row weights of a block, shape (m,), in place of its own.

    Raises
    ------
    LiftosError
        A value is not finite.
    """
    shape = (folded.n_folds, 2, folded.width)

    def make() -> tuple[Floats, Floats, Floats, Floats]:
        return np.zeros((*shape, folded.width)), np.zeros(shape), np.zeros(shape[:2]), np.zeros(shape[:2])

    def visit(part: tuple[Floats, Floats, Floats, Floats], block: FoldedBlock) -> None:
        gram, moment, square, weight_square = part
        weight = block.weight if keep is None else keep(block)
        for fold, arm, rows in block.arms():
            values = block.values[:, rows]
            weighted = values * weight[rows]
            gram[fold, arm] += weighted @ values.T
            moment[fold, arm] += weighted @ block.y[rows]
            square[fold, arm] += weight[rows] @ block.y[rows] ** 2
            weight_square[fold, arm] += weight[rows] @ weight[rows]

    parts = folded.walk(make, visit)
    gram, moment, square, weight_square = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    if not (np.isfinite(gram).all() and np.isfinite(moment).all()):
        raise LiftosError(
            "finite numbers in every row",
            "missing or infinite ones",
            "Drop these rows, or state what the unknown values are before the call.",
        )
    return Moments(gram, moment, square, weight_square)
