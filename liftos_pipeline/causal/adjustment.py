"""Adjustment sets: what a causal graph says must, may and must not be held fixed to compare treated with untreated.

Separation itself stands in ``graph`` and ``separators``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from liftos_pipeline.causal.forbidden import Forbidden, after_treatment, opening
from liftos_pipeline.causal.graph import (
    Dag,
    Nodes,
    ancestors,
    connecting_path,
    d_separated,
    dag_of,
    descendants,
    directed_path,
    shown,
    treks,
)
from liftos_pipeline.causal.separators import smallest_separator
from liftos_pipeline.domain import CausalGraph
from liftos_pipeline.errors import LiftosError

IDENTIFIED, NOT_IDENTIFIED = "identified", "not_identified_by_adjustment"
DAY_LEVEL_ROLES = ("calendar", "external_factor")
"""Roles of nodes that are the same for all units on a day: day effects hold them fixed, observed or not."""
MOST_PATHS = 100
"""Back-door paths that an explanation lists."""


@dataclass(frozen=True)
class BackDoorPath:
    """A path from treatment to outcome that starts against an arrow and is open if nothing is held fixed.

    ``blocked_by``: its nodes that the minimal set (where none suffices, the union) or the calendar hold fixed; empty where
    none does.
    """

    path: str
    blocked_by: tuple[str, ...]


@dataclass(frozen=True)
class Adjustment:
    """What follows from a graph for one treatment and outcome. Names are sorted.

    Attributes
    ----------
    status : {"identified", "not_identified_by_adjustment"}
    minimal : tuple of str
        The smallest sufficient set without the day-level nodes; of several the one nearest to the outcome. Empty
        where no set suffices.
    union : tuple of str
        All observed causes of treatment or outcome (or of a day-level node) that may be adjusted for, the
        double-selection union: sufficient where any set is.
    absorbed_by_calendar : tuple of str
        Day-level nodes: day effects hold them fixed.
    forbidden : mapping of str to Forbidden
        Observed nodes that must not be adjusted for.
    instruments : tuple of str
        Observed nodes that move the outcome through the treatment only, given the union.
    front_door : str or None
        An observed mediator through which the effect is identified without adjustment, looked for where no set suffices.
    open_path : str or None
        A back-door path through a latent node that no admissible set blocks.
    back_door_paths : tuple of BackDoorPath
        At most ``MOST_PATHS``; ``all_paths_listed`` says whether these are all.
    """

    treatment: str
    outcome: str
    status: str
    minimal: tuple[str, ...]
    union: tuple[str, ...]
    absorbed_by_calendar: tuple[str, ...]
    forbidden: Mapping[str, Forbidden]
    instruments: tuple[str, ...]
    front_door: str | None
    open_path: str | None
    back_door_paths: tuple[BackDoorPath, ...]
    all_paths_listed: bool

    @property
    def is_identified(self) -> bool:
        return self.status == IDENTIFIED

    def explanation(self) -> str:
        """The derivation in sentences, one a line."""
        lines = [self._verdict()]
        for path in self.back_door_paths:
            blocked = ", ".join(path.blocked_by)
            lines.append(f"back door {path.path}: {f'blocked by {blocked}' if blocked else 'OPEN'}.")
        if not self.all_paths_listed:
            lines.append(f"Further back-door paths are not listed (the first {MOST_PATHS} are).")
        lines += [
            f"{node} must not be adjusted for, {entry.why}: {entry.path}."
            for node, entry in self.forbidden.items()
        ]
        if self.instruments:
            lines.append(f"Instrument available: {', '.join(self.instruments)}.")
        if self.front_door is not None:
            lines.append(f"Front door available: {self.front_door}.")
        return "\n".join(lines)

    def _verdict(self) -> str:
        if self.open_path is not None:
            return f"{NOT_IDENTIFIED}: no admissible set blocks {self.open_path}."
        held = ", ".join(self.minimal) or "nothing"
        calendar = f", day effects for {', '.join(self.absorbed_by_calendar)}" if self.absorbed_by_calendar else ""
        return f"The effect of {self.treatment} on {self.outcome} is identified by adjusting for {held}{calendar}."


def adjustment_set(graph: CausalGraph, treatment: str, outcome: str) -> Adjustment:
    """Derive what to adjust for by the back-door criterion.

    Day-level nodes (roles ``calendar`` and ``external_factor``) count as held fixed by day effects. Admissible are
    observed nodes that the treatment does not act on, except pure instruments: causes of the treatment whose every
    directed path to the outcome runs through it and that are independent of the outcome given the other causes.

    Parameters
    ----------
    graph : CausalGraph
    treatment, outcome : str
        Nodes; an arrow or a chain of arrows must lead from one to the other.

    Raises
    ------
    LiftosError
        A cycle, unknown nodes, a latent treatment or outcome, no directed path from treatment to outcome, or a
        day-level node that the treatment acts on.

    References
    ----------
    Pearl (2009), Causality, section 3.3. van der Zander, Liskiewicz and Textor (2019), Artificial Intelligence 270,
    section 5: the ancestors that may be used suffice where any set does. Belloni, Chernozhukov and Hansen (2014),
    Review of Economic Studies 81(2), on the union.
    """
    dag = dag_of(graph)
    _refuse_ends(dag, treatment, outcome)
    day_level = _day_level(dag, graph, treatment, outcome)
    back_door = dag.without_effects_of(treatment)
    after = descendants(dag, [treatment])
    candidates = dag.observed - after - day_level
    causes = candidates & ancestors(dag, {treatment, outcome, *day_level})
    pure = _pure_instruments(dag, back_door, causes, day_level, treatment, outcome)
    union = causes - pure
    open_path = connecting_path(back_door, treatment, outcome, union | day_level)
    minimal: Nodes = frozenset()
    if open_path is None:
        found = smallest_separator(back_door, treatment, outcome, candidates - pure, day_level)
        minimal = frozenset() if found is None else found
    held = day_level | (minimal if open_path is None else union)
    paths = [
        BackDoorPath(shown(dag, path), tuple(node for node in path if node in held))
        for path in islice(treks(back_door, treatment, outcome), MOST_PATHS + 1)
    ]
    forbidden = {
        **after_treatment(dag, treatment, outcome, union | day_level),
        **{node: Forbidden("instrument", _through(dag, node, treatment, outcome)) for node in pure},
        **opening(dag, back_door, candidates - causes, union | day_level, treatment, outcome),
    }
    return Adjustment(
        treatment=treatment,
        outcome=outcome,
        status=IDENTIFIED if open_path is None else NOT_IDENTIFIED,
        minimal=tuple(sorted(minimal)),
        union=tuple(sorted(union)),
        absorbed_by_calendar=tuple(sorted(day_level)),
        forbidden=dict(sorted(forbidden.items())),
        instruments=tuple(sorted(pure)),
        front_door=None if open_path is None else _front_door(dag, day_level, treatment, outcome),
        open_path=None if open_path is None else shown(dag, open_path),
        back_door_paths=tuple(paths[:MOST_PATHS]),
        all_paths_listed=len(paths) <= MOST_PATHS,
    )


def check_adjustment(graph: CausalGraph, treatment: str, outcome: str, adjusted: Iterable[str]) -> tuple[str, ...]:
    """Hold an adjustment that somebody asks for against the graph.

    Returns
    -------
    tuple of str
        Warnings: pure instruments (they must enter neither the propensity nor the outcome model), nodes that day
        effects hold fixed anyway, back-door paths that stay open.

    Raises
    ------
    LiftosError
        As ``adjustment_set``; or a node that is latent, the treatment or the outcome, a mediator, a collider or
        another descendant of the treatment.
    """
    derived = adjustment_set(graph, treatment, outcome)
    dag = dag_of(graph)
    asked = frozenset(adjusted)
    if asked & dag.latent or asked & {treatment, outcome} or asked - set(dag.nodes):
        raise LiftosError(
            f"observed nodes of the graph other than {treatment} and {outcome}",
            ", ".join(sorted(asked - dag.observed | asked & {treatment, outcome})),
            "Leave them out, or correct the graph.",
        )
    for node in sorted(asked & set(derived.forbidden)):
        entry = derived.forbidden[node]
        if entry.why != "instrument":
            raise LiftosError(
                f"an adjustment without what {treatment} acts on and without colliders",
                f"{node}, a {entry.why}: {entry.path}",
                f"Leave it out. Admissible are {', '.join(derived.union) or 'none'}.",
            )
    absorbed = frozenset(derived.absorbed_by_calendar)
    warnings = [
        f"{node} is a pure instrument ({derived.forbidden[node].path}): keep it out of the propensity and the outcome model"
        for node in sorted(asked & set(derived.instruments))
    ]
    warnings += [f"{node} is absorbed by the calendar" for node in sorted(asked & absorbed)]
    left = connecting_path(dag.without_effects_of(treatment), treatment, outcome, asked | absorbed)
    if left is not None:
        warnings.append(f"a back-door path stays open: {shown(dag, left)}")
    return tuple(warnings)


def _refuse_ends(dag: Dag, treatment: str, outcome: str) -> None:
    wrong = [name for name in (treatment, outcome) if name not in dag.observed]
    if wrong or treatment == outcome:
        raise LiftosError(
            f"a treatment and an outcome among the observed nodes {', '.join(sorted(dag.observed))}",
            ", ".join(wrong) or f"{treatment} as both",
            "Correct the names, or add the nodes with their edges.",
        )
    if directed_path(dag, treatment, outcome) is None:
        raise LiftosError(
            f"a directed path from {treatment} to {outcome}",
            "none: in this graph the treatment cannot act on the outcome",
            "Add the edge or the mediators through which it may act.",
        )


def _day_level(dag: Dag, graph: CausalGraph, treatment: str, outcome: str) -> Nodes:
    named = {node for node, role in graph.roles.items() if role in DAY_LEVEL_ROLES}
    wrong = sorted(named & descendants(dag, [treatment]) | named & {outcome})
    if wrong:
        raise LiftosError(
            f"day-level nodes that {treatment} does not act on",
            ", ".join(wrong),
            "Give them another role: day effects would hold fixed what the treatment changes.",
        )
    return frozenset(named)


def _pure_instruments(dag: Dag, back_door: Dag, causes: Nodes, held: Nodes, treatment: str, outcome: str) -> Nodes:
    """All at once: by the graphoid axioms each stays independent of the outcome when the others are left out too."""
    otherwise = ancestors(dag.without(treatment), [outcome])
    candidates = (causes & ancestors(dag, [treatment])) - otherwise
    return frozenset(
        node for node in candidates if d_separated(back_door, node, outcome, (causes | held) - {node})
    )


def _through(dag: Dag, node: str, treatment: str, outcome: str) -> str:
    first, second = directed_path(dag, node, treatment), directed_path(dag, treatment, outcome)
    assert first is not None and second is not None
    return shown(dag, (*first, *second[1:]))


def _front_door(dag: Dag, held: Nodes, treatment: str, outcome: str) -> str | None:
    """An observed node that every directed path runs through, unconfounded with either end (Pearl 2009, 3.3.2)."""
    for node in sorted(
        (descendants(dag, [treatment]) & ancestors(dag, [outcome]) & dag.observed) - {treatment, outcome}
    ):
        carries_all = directed_path(dag.without(node), treatment, outcome) is None
        if (
            carries_all
            and d_separated(dag.without_effects_of(treatment), treatment, node, held)
            and d_separated(dag.without_effects_of(node), node, outcome, held | {treatment})
        ):
            return node
    return None
