"""Nodes of a causal graph that must not be adjusted for, each with the path that shows why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from liftos_pipeline.causal.graph import Dag, Nodes, ancestors, connecting_path, descendants, directed_path, shown

Why = Literal["mediator", "collider", "descendant", "instrument"]


@dataclass(frozen=True)
class Forbidden:
    """Why a node must not be adjusted for, with the path that shows it."""

    why: Why
    path: str


def after_treatment(dag: Dag, treatment: str, outcome: str, held: Nodes) -> dict[str, Forbidden]:
    """Everything that the treatment acts on, except the outcome."""
    found = {}
    for node in (descendants(dag, [treatment]) & dag.observed) - {treatment, outcome}:
        way = directed_path(dag, treatment, node)
        onward = directed_path(dag, node, outcome)
        assert way is not None
        if onward is not None:
            found[node] = Forbidden("mediator", shown(dag, (*way, *onward[1:])))
            continue
        collision = _collision(dag, treatment, node, outcome, held)
        if collision is not None:
            found[node] = Forbidden("collider", collision)
        else:
            found[node] = Forbidden("descendant", shown(dag, way))
    return found


def _collision(dag: Dag, treatment: str, node: str, outcome: str, held: Nodes) -> str | None:
    """How treatment and outcome, or something else that moves the outcome, meet in a node after the treatment."""
    way = directed_path(dag.without(outcome), treatment, node)
    if way is None:
        return None
    aside = dag.without(treatment)
    meeting = directed_path(aside, outcome, node)
    if meeting is not None:
        return shown(dag, (*way, *meeting[-2::-1]))
    after = descendants(dag, [treatment])
    shared = (ancestors(aside, [node]) & ancestors(aside, [outcome])) - after - held
    for cause in sorted(shared):
        to_node, to_outcome = directed_path(aside, cause, node), directed_path(aside, cause, outcome)
        if to_node is not None and to_outcome is not None:
            return shown(dag, (*way, *to_node[-2::-1], *to_outcome[1:]))
    return None


def opening(
    dag: Dag, back_door: Dag, others: Nodes, held: Nodes, treatment: str, outcome: str
) -> dict[str, Forbidden]:
    """Nodes that act on neither end and open a path that is closed without them."""
    if connecting_path(back_door, treatment, outcome, held) is not None:
        return {}
    found = {}
    for node in others:
        path = connecting_path(back_door, treatment, outcome, held | {node})
        if path is not None:
            found[node] = Forbidden("collider", shown(dag, path))
    return found
