"""What a directed acyclic graph says about separation: ancestors, paths, d-separation.

Smallest separators stand in ``separators``, adjustment sets in ``adjustment``. No data, no figures here.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from liftos_pipeline.domain import CausalGraph
from liftos_pipeline.errors import LiftosError

Nodes = frozenset[str]
T = TypeVar("T")
_State = tuple[str, bool]
"""A node, and whether it was entered against an arrow (from its child)."""


@dataclass(frozen=True)
class Dag:
    """A directed acyclic graph.

    ``parents`` and ``children`` hold every node, parents before children; ``latent`` names those that nobody observes.
    """

    parents: Mapping[str, tuple[str, ...]]
    children: Mapping[str, tuple[str, ...]]
    latent: Nodes

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes in topological order."""
        return tuple(self.parents)

    @property
    def observed(self) -> Nodes:
        return frozenset(self.parents) - self.latent

    def without_effects_of(self, node: str) -> Dag:
        """The same graph without the arrows out of a node: only back-door paths leave it."""
        return self._keeping(lambda cause, _: cause != node)

    def without(self, node: str) -> Dag:
        """The same graph with a node cut off from all others."""
        return self._keeping(lambda cause, effect: node not in (cause, effect))

    def _keeping(self, is_kept: Callable[[str, str], bool]) -> Dag:
        parents = {
            effect: tuple(cause for cause in causes if is_kept(cause, effect))
            for effect, causes in self.parents.items()
        }
        return Dag(parents, _turned(parents), self.latent)


def make_dag(edges: Iterable[tuple[str, str]], latent: Iterable[str] = (), nodes: Iterable[str] = ()) -> Dag:
    """Graph of plain edges.

    Parameters
    ----------
    edges : iterable of (cause, effect)
    latent : iterable of str
        Unobserved nodes.
    nodes : iterable of str
        Nodes that may have no edge at all.

    Raises
    ------
    LiftosError
        A cycle, which is named; a latent node that the graph does not have; a node without a name.
    """
    pairs = sorted(set(edges))
    names = sorted({*nodes, *(name for pair in pairs for name in pair)})
    if not all(names):
        raise LiftosError("nodes with names", "an empty name", "Name every node.")
    causes: dict[str, list[str]] = {name: [] for name in names}
    for cause, effect in pairs:
        causes[effect].append(cause)
    _refuse_unknown(latent, causes)
    order = _topological(causes)
    parents = {name: tuple(causes[name]) for name in order}
    return Dag(parents, _turned(parents), frozenset(latent))


def dag_of(graph: CausalGraph) -> Dag:
    """The frozen record as a graph to reason with.

    Raises
    ------
    LiftosError
        As ``make_dag``; or nodes and ``roles`` do not match.
    """
    dag = make_dag(graph.edges, graph.latent)
    _refuse_unknown([*graph.roles, *graph.adjustment_set], dag.parents)
    missing = sorted(set(dag.nodes) - set(graph.roles))
    if missing:
        raise LiftosError("a role for every node", f"none for {', '.join(missing)}", "Add them to roles.")
    return dag


def ancestors(dag: Dag, nodes: Iterable[str]) -> Nodes:
    """The nodes themselves and everything that acts on them."""
    return _reached(dag.parents, nodes)


def descendants(dag: Dag, nodes: Iterable[str]) -> Nodes:
    """The nodes themselves and everything that they act on."""
    return _reached(dag.children, nodes)


def d_separated(dag: Dag, first: str, second: str, given: Iterable[str] = ()) -> bool:
    """Whether every path between two nodes is blocked by a set that holds neither.

    References
    ----------
    Pearl (2009), Causality, section 1.2.3. Shachter (1998), Bayes-ball.
    """
    return connecting_path(dag, first, second, given) is None


def connecting_path(dag: Dag, first: str, second: str, given: Iterable[str] = ()) -> tuple[str, ...] | None:
    """A shortest path between two nodes that a set leaves open, or None.

    Raises
    ------
    LiftosError
        Unknown nodes, or the set holds an end.
    """
    fixed = frozenset(given)
    _refuse_unknown([first, second, *fixed], dag.parents)
    if first == second or fixed & {first, second}:
        raise LiftosError(
            "two different nodes outside the set given",
            f"{first}, {second} given {', '.join(sorted(fixed)) or 'nothing'}",
            "Take the ends out of the set.",
        )
    opened = ancestors(dag, fixed)
    start: _State = (first, True)
    came_from: dict[_State, _State | None] = {start: None}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        if state[0] == second:
            return tuple(node for node, _ in traced(came_from, state))
        for following in _onward(dag, state, fixed, opened):
            if following not in came_from:
                came_from[following] = state
                waiting.append(following)
    return None


def directed_path(dag: Dag, cause: str, effect: str) -> tuple[str, ...] | None:
    """A shortest chain of arrows from one node to another, or None."""
    came_from: dict[str, str | None] = {cause: None}
    waiting = deque([cause])
    while waiting:
        node = waiting.popleft()
        if node == effect:
            return tuple(traced(came_from, node))
        for following in dag.children[node]:
            if following not in came_from:
                came_from[following] = node
                waiting.append(following)
    return None


def treks(dag: Dag, first: str, second: str) -> Iterator[tuple[str, ...]]:
    """Paths without colliders that leave the first node against an arrow: up to a common cause, down to the second."""
    goal = ancestors(dag, [second])
    stack: list[tuple[tuple[str, ...], bool]] = [((first,), True)]
    while stack:
        path, is_upward = stack.pop()
        node = path[-1]
        if node == second:
            yield path
            continue
        down = () if len(path) == 1 else dag.children[node]
        stack.extend(((*path, step), False) for step in reversed(down) if step in goal and step not in path)
        if is_upward:
            stack.extend(((*path, step), True) for step in reversed(dag.parents[node]) if step not in path)


def traced(came_from: Mapping[T, T | None], last: T) -> list[T]:
    """The way to ``last`` that a search wrote down."""
    path: list[T] = []
    place: T | None = last
    while place is not None:
        path.append(place)
        place = came_from[place]
    return path[::-1]


def shown(dag: Dag, path: tuple[str, ...]) -> str:
    """A path with its arrows."""
    words = [path[0]]
    for before, after in itertools.pairwise(path):
        words.append(f"{'->' if before in dag.parents[after] else '<-'} {after}")
    return " ".join(words)


def _refuse_unknown(names: Iterable[str], known: Mapping[str, object]) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise LiftosError(
            f"nodes of the graph: {', '.join(sorted(known)) or 'it has none'}",
            ", ".join(unknown),
            "Correct the name, or add the node with its edges.",
        )


def _topological(causes: Mapping[str, list[str]]) -> list[str]:
    """Parents before children, otherwise by name."""
    order: list[str] = []
    placed: set[str] = set()
    left = list(causes)
    while left:
        ready = [name for name in left if placed.issuperset(causes[name])]
        if not ready:
            raise _cyclic(causes, left)
        order.extend(ready)
        placed.update(ready)
        left = [name for name in left if name not in placed]
    return order


def _cyclic(causes: Mapping[str, list[str]], left: list[str]) -> LiftosError:
    """Every node that is left has a cause that is left: going back along them must come round."""
    walk = [left[0]]
    while walk[-1] not in walk[:-1]:
        walk.append(next(cause for cause in causes[walk[-1]] if cause in left))
    cycle = walk[walk.index(walk[-1]) :][::-1]
    return LiftosError(
        "a graph without cycles",
        " -> ".join(cycle),
        "Nothing causes itself: drop an edge, or split a node into what it was before and after.",
    )


def _turned(parents: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    children: dict[str, list[str]] = {name: [] for name in parents}
    for effect, causes in parents.items():
        for cause in causes:
            children[cause].append(effect)
    return {name: tuple(effects) for name, effects in children.items()}


def _reached(arrows: Mapping[str, tuple[str, ...]], nodes: Iterable[str]) -> Nodes:
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(arrows[node])
    return frozenset(found)


def _onward(dag: Dag, state: _State, fixed: Nodes, opened: Nodes) -> Iterator[_State]:
    """Where an open path may go on: through a node that is not given; back up where it or a descendant is."""
    node, is_from_child = state
    if is_from_child:
        if node not in fixed:
            yield from ((parent, True) for parent in dag.parents[node])
            yield from ((child, False) for child in dag.children[node])
        return
    if node not in fixed:
        yield from ((child, False) for child in dag.children[node])
    if node in opened:
        yield from ((parent, True) for parent in dag.parents[node])
