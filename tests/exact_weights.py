"""The best objective of weights on the simplex in exact arithmetic, by an algorithm that shares no code with ours."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

Point = list[Fraction]


def exact_points(Z: np.ndarray) -> list[Point]:
    """Donors less the target (first column), without rounding."""
    rows = [[Fraction(float(value)) for value in row] for row in Z]
    return [[row[column] - row[0] for row in rows] for column in range(1, Z.shape[1])]


def objective_of(points: list[Point], weights: np.ndarray) -> Fraction:
    """Squared distance from the target, of weights as they are but made to add to one exactly."""
    exact = {place: Fraction(float(weight)) for place, weight in enumerate(weights) if weight}
    total = sum(exact.values())
    return _square([sum(w * points[k][t] for k, w in exact.items()) / total for t in range(len(points[0]))])


def best_objective(points: list[Point]) -> Fraction:
    """Nearest point of the hull to the origin (Wolfe 1976), in fractions: it ends after finitely many steps."""
    used = [min(range(len(points)), key=lambda k: _square(points[k]))]
    weights = [Fraction(1)]
    while True:
        nearest = [
            sum(w * points[k][t] for k, w in zip(used, weights, strict=True)) for t in range(len(points[0]))
        ]
        along = [_dot(nearest, point) for point in points]
        entering = min(range(len(points)), key=along.__getitem__)
        if along[entering] >= _square(nearest):
            return _square(nearest)
        used, weights = [*used, entering], [*weights, Fraction(0)]
        while True:
            affine = _affine_weights([points[k] for k in used])
            if all(w > 0 for w in affine):
                weights = affine
                break
            reach = min(w / (w - a) for w, a in zip(weights, affine, strict=True) if a <= 0 and w != a)
            moved = [w + reach * (a - w) for w, a in zip(weights, affine, strict=True)]
            kept = [place for place, w in enumerate(moved) if w > 0]
            used, weights = [used[place] for place in kept], [moved[place] for place in kept]


def _dot(a: Point, b: Point) -> Fraction:
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0))


def _square(a: Point) -> Fraction:
    return _dot(a, a)


def _affine_weights(points: list[Point]) -> list[Fraction]:
    """Weights that add to one, of any sign, whose combination is nearest to the origin: Gauss on the bordered products."""
    n = len(points)
    table = [[*(_dot(a, b) for b in points), Fraction(1), Fraction(0)] for a in points]
    table.append([*[Fraction(1)] * n, Fraction(0), Fraction(1)])
    for column in range(n + 1):
        pivot = next(row for row in range(column, n + 1) if table[row][column])
        table[column], table[pivot] = table[pivot], table[column]
        for row in range(n + 1):
            if row != column and table[row][column]:
                factor = table[row][column] / table[column][column]
                table[row] = [a - factor * b for a, b in zip(table[row], table[column], strict=True)]
    return [table[row][-1] / table[row][row] for row in range(n)]
