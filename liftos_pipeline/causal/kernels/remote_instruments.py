"""``InstrumentColumns`` of rows on other machines, from walks over them: what comes back is as large as clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftos_pipeline.causal.engines.rows import Block, RemoteRows
from liftos_pipeline.causal.index import Index
from liftos_pipeline.causal.kernels.instruments import (
    ROUNDING,
    Chosen,
    ClusterSums,
    Control,
    Projections,
    choose,
    left_share,
    orthonormal,
    vary_in_one,
)
from liftos_pipeline.causal.kernels.sums import add_by_key
from liftos_pipeline.causal.kernels.twoway import origin_of
from liftos_pipeline.errors import LiftosError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Walk:
    """Sums over rows of what is made of a block's columns, less their centre and times the root of the weight."""

    rows: RemoteRows
    names: tuple[str, ...]
    centre: Floats
    weight_scale: float | None

    def sums(self, of: Callable[[Floats], Floats]) -> Floats:
        """Sum of arrays that ``of`` makes of a block's columns (c, m)."""
        read = self._columns()
        parts = self._map(list, lambda part, block: _add(part, of(read(block))), [])
        return np.asarray(sum(entry for part in parts for entry in part))

    def by_cluster(self, n_clusters: int, width: int, of: Callable[[Floats], Floats]) -> Floats:
        """Sums by cluster of values (width, m) that ``of`` makes of a block's columns, shape (G, width)."""
        read = self._columns()

        def visit(total: Floats, block: Block) -> None:
            add_by_key(total, block["cluster"], of(read(block)))

        parts = self._map(lambda: np.zeros((n_clusters, width)), visit, ["cluster"])
        return np.asarray(np.sum(parts, axis=0))

    def _columns(self) -> Callable[[Block], Floats]:
        names, centre, scale = self.names, self.centre[:, None], self.weight_scale

        def read(block: Block) -> Floats:
            columns = np.stack([np.asarray(block[name], dtype=np.float64) for name in names]) - centre
            return columns if scale is None else columns * np.sqrt(block["weight"] * scale)

        return read

    def _map(self, make: Callable, visit: Callable, codes: list[str]) -> list:  # type: ignore[type-arg]
        weight = [] if self.weight_scale is None else ["weight"]
        return self.rows.map_blocks([*self.names, *codes, *weight], make, visit)


def _add(part: list[Floats], values: Floats) -> None:
    if part:
        part[0] += values
    else:
        part.append(values)


@dataclass(frozen=True, eq=False)
class RemoteColumns:
    """As ``PartialledOut``. ``basis`` (q, q) makes the instruments left over orthonormal; ``gram`` is that of what is
    left of instruments, treatment and outcome."""

    walk: _Walk
    index: Index
    chosen: Chosen
    gram: Floats
    basis: Floats
    treatment_is_constant: bool

    @property
    def covariates(self) -> Integers:
        return self.chosen.covariates

    @property
    def instruments(self) -> Integers:
        return self.chosen.instruments

    @property
    def treatment_share(self) -> float:
        return left_share(float(self.gram[-2, -2]), float(self.chosen.lengths[0]))

    @property
    def outcome_share(self) -> float:
        return left_share(float(self.gram[-1, -1]), float(self.chosen.lengths[1]))

    def projections(self) -> Projections:
        gram = self.gram
        pi, rho = self.basis @ gram[:-2, -2], self.basis @ gram[:-2, -1]
        return Projections(pi, rho, float(gram[-2, -2]), float(gram[-2, -1]), float(gram[-1, -1]))

    def unexplained_share(self) -> float:
        chosen, slope = self.chosen, self.gram[-2, -1] / self.gram[-2, -2]

        def squares(block: Floats) -> Floats:
            left = chosen.left_over(block)
            return np.array([np.sum((left[-1] - slope * left[-2]) ** 2)])

        return float(self.walk.sums(squares)[0]) / float(self.gram[-1, -1])

    def cluster_sums(self, p: Projections) -> ClusterSums:
        chosen, basis, n_instruments = self.chosen, self.basis, len(p.pi)
        n_clusters = self.index.n_clusters

        def columns(block: Floats) -> tuple[Floats, Floats, Floats, Floats]:
            left = chosen.left_over(block)
            z = basis @ left[:-2]
            return z, left[-2] - p.pi @ z, left[-2], left[-1]

        def products(block: Floats) -> Floats:
            z, residual, d, y = columns(block)
            return np.concatenate([z * y, z * d, z * residual, [residual**2, residual * y]])

        sums = self.walk.by_cluster(n_clusters, 3 * n_instruments + 2, products)
        zy, zd, zv = (sums[:, start * n_instruments : (start + 1) * n_instruments] for start in range(3))
        left, residual_y = (float(total) for total in sums[:, -2:].sum(axis=0))
        if left <= ROUNDING * p.dd:
            return ClusterSums(zy, zd, zv, np.full(n_clusters, np.nan), np.nan)
        control = Control.of(p, left, residual_y)

        def influence(block: Floats) -> Floats:
            _, residual, d, y = columns(block)
            return control.influence(y, d - residual, residual)[None]

        return ClusterSums(zy, zd, zv, self.walk.by_cluster(n_clusters, 1, influence)[:, 0], control.slope)

    def varies_in_one_cluster(self) -> bool:
        names = [f"z{number}" for number in self.instruments]
        ends = {f"{end}_{name}": f"{end}({name})" for end in ("min", "max") for name in names}
        found = self.walk.rows.aggregate(["cluster"], ends)
        low, high = (
            np.stack([found.column(f"{end}_{name}").to_numpy() for name in names], axis=1)
            for end in ("min", "max")
        )
        return vary_in_one(low, high)


def remote_partial_out(
    rows: RemoteRows, index: Index, n_covariates: int, n_instruments: int, is_weighted: bool
) -> RemoteColumns:
    """Regress instruments, treatment and outcome on an intercept and the covariates, in three walks.

    Raises
    ------
    LiftosError
        A value is missing or not finite.
    """
    names = (*(f"x{j}" for j in range(n_covariates)), *(f"z{j}" for j in range(n_instruments)), "d", "y")
    origin = origin_of(rows, names)
    total, weight = float(index.n_rows), ["weight"] if is_weighted else []

    def weigh(part: Floats, block: Block) -> None:
        ones = np.ones(len(block["y"]))
        weights = block["weight"] if is_weighted else ones
        columns = np.stack([ones, *(block[name] - start for name, start in zip(names, origin, strict=True))])
        part += columns @ weights

    whole = np.sum(rows.map_blocks([*names, *weight], lambda: np.zeros(len(names) + 1), weigh), axis=0)
    scale = total / float(whole[0]) if is_weighted else None
    centre = origin + whole[1:] / whole[0]
    if not np.isfinite(centre).all():
        bad = [name for name, entry in zip(names, centre, strict=True) if not np.isfinite(entry)]
        raise LiftosError(
            "finite numbers in every row",
            f"missing or infinite ones in {', '.join(bad)}",
            "Drop these rows, or state what the unknown values are before the call.",
        )
    walk = _Walk(rows, names, centre, scale)
    products = walk.sums(lambda block: block @ block.T)
    chosen = choose(products, centre, total, n_covariates)

    def of_left(block: Floats) -> Floats:
        left = chosen.left_over(block)
        return np.asarray(left @ left.T)

    gram = walk.sums(of_left)
    lengths = np.sqrt(np.diag(gram)[:-2])[:, None]
    basis = orthonormal(gram[:-2, :-2] / lengths / lengths.T, lengths, np.eye(len(lengths)))
    ends = rows.aggregate([], {"low": "min(d)", "high": "max(d)"}).to_pydict()
    return RemoteColumns(walk, index, chosen, gram, basis, ends["low"] == ends["high"])
