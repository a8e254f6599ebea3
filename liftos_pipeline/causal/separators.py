"""Smallest sets that separate two nodes of a causal graph: vertex cuts of moralised graphs."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping

from liftos_pipeline.causal.graph import Dag, Nodes, ancestors, d_separated, traced

_Half = tuple[str, bool]
"""A node's entrance (False) or exit (True)."""


def smallest_separator(
    dag: Dag, first: str, second: str, allowed: Iterable[str], always: Iterable[str] = ()
) -> Nodes | None:
    """The smallest set that separates two nodes, of several the one nearest to the second; None if there is none.

    A smallest vertex cut of the moralised graph of their ancestors.

    Parameters
    ----------
    allowed : iterable of str
        Nodes that the set may use.
    always : iterable of str
        Nodes that are given in any case; they are not part of the answer.

    References
    ----------
    van der Zander, Liskiewicz and Textor (2019), Artificial Intelligence 270, section 4.
    """
    fixed = frozenset(always)
    usable = frozenset(allowed) - fixed - {first, second}
    region = ancestors(dag, {first, second, *fixed})
    if not d_separated(dag, first, second, (usable & region) | fixed):
        return None
    return _nearest_cut(_moral(dag, region, fixed), first, second, usable)


def _moral(dag: Dag, region: Nodes, fixed: Nodes) -> dict[str, set[str]]:
    """Neighbours in the moralised graph of ``region``, whose nodes in ``fixed`` are taken out."""
    neighbours: dict[str, set[str]] = {node: set() for node in sorted(region - fixed)}
    for node in region:
        family = [*dag.parents[node], node]
        for member in family:
            if member not in fixed:
                neighbours[member].update(other for other in family if other != member and other not in fixed)
    return neighbours


def _nearest_cut(neighbours: Mapping[str, set[str]], source: str, sink: str, usable: Nodes) -> Nodes:
    """Smallest vertex cut by augmenting paths through split nodes; the sink's side of it is as small as can be."""
    endless = len(neighbours) + 1
    room: dict[_Half, dict[_Half, int]] = {(node, half): {} for node in neighbours for half in (False, True)}
    for node, others in neighbours.items():
        room[node, False][node, True] = 1 if node in usable else endless
        room[node, True].setdefault((node, False), 0)
        for other in sorted(others):
            room[node, True][other, False] = endless
            room[other, False].setdefault((node, True), 0)
    while (path := _augmenting(room, (source, True), (sink, False))) is not None:
        for before, after in itertools.pairwise(path):
            room[before][after] -= 1
            room[after][before] += 1
    reaches = {(sink, False)}
    waiting = [(sink, False)]
    while waiting:
        half = waiting.pop()
        for before in room[half]:
            if before not in reaches and room[before][half] > 0:
                reaches.add(before)
                waiting.append(before)
    return frozenset(
        node for node in usable & set(neighbours) if (node, True) in reaches and (node, False) not in reaches
    )


def _augmenting(room: Mapping[_Half, Mapping[_Half, int]], source: _Half, sink: _Half) -> list[_Half] | None:
    came_from: dict[_Half, _Half | None] = {source: None}
    waiting = deque([source])
    while waiting:
        half = waiting.popleft()
        if half == sink:
            return traced(came_from, half)
        for following, left in room[half].items():
            if left > 0 and following not in came_from:
                came_from[following] = half
                waiting.append(following)
    return None
