"""Causal graphs: separation against networkx and path by path, adjustment against all subsets, textbook graphs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import networkx as nx
import numpy as np
import pytest

from liftos_pipeline.causal.adjustment import (
    MOST_PATHS,
    NOT_IDENTIFIED,
    Adjustment,
    adjustment_set,
    check_adjustment,
)
from liftos_pipeline.causal.graph import (
    Dag,
    ancestors,
    connecting_path,
    d_separated,
    dag_of,
    descendants,
    directed_path,
    make_dag,
    shown,
    treks,
)
from liftos_pipeline.causal.separators import smallest_separator
from liftos_pipeline.domain import CausalGraph
from liftos_pipeline.errors import LiftosError

SEEDS = range(400)
T, Y = "T", "Y"


def graph(*chains: str, latent: str = "", calendar: str = "") -> CausalGraph:
    """Graph of chains such as "T<-L->Y"; latent and day-level nodes by name, separated by blanks."""
    edges = []
    for chain in chains:
        words = chain.replace("<-", " < ").replace("->", " > ").split()
        for left, arrow, right in zip(words[::2], words[1::2], words[2::2], strict=False):
            edges.append((left, right) if arrow == ">" else (right, left))
    nodes = {name for edge in edges for name in edge}
    roles = {name: "calendar" if name in calendar.split() else "node" for name in nodes}
    return CausalGraph(tuple(edges), roles, frozenset(latent.split()), ())


def derived(*chains: str, **hidden: str) -> Adjustment:
    return adjustment_set(graph(*chains, **hidden), T, Y)


def random_graph(seed: int) -> CausalGraph:
    """Five to eight nodes in random order, T before Y with a chain of arrows between; a quarter latent, some day-level."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 7))
    names = [*(f"v{number}" for number in range(n)), T, Y]
    order = [names[place] for place in rng.permutation(len(names))]
    if order.index(T) > order.index(Y):
        order = [{T: Y, Y: T}.get(name, name) for name in order]
    density = rng.uniform(0.2, 0.6)
    edges = {pair for pair in itertools.combinations(order, 2) if rng.random() < density}
    between = order[order.index(T) : order.index(Y) + 1]
    edges.update(itertools.pairwise(between) if rng.random() < 0.3 else [(T, Y)])
    nodes = sorted({name for edge in edges for name in edge})
    latent = frozenset(name for name in nodes if name not in (T, Y) and rng.random() < 0.3)
    after = nx.descendants(nx.DiGraph(edges), T)
    days = {name for name in nodes if name not in after and name not in (T, Y) and rng.random() < 0.25}
    roles = {name: "external_factor" if name in days else "node" for name in nodes}
    return CausalGraph(tuple(sorted(edges)), roles, latent, ())


def subsets(names: frozenset[str]) -> Iterator[frozenset[str]]:
    for size in range(len(names) + 1):
        yield from map(frozenset, itertools.combinations(sorted(names), size))


def is_open(edges: set[tuple[str, str]], path: list[str], given: frozenset[str]) -> bool:
    """Every collider is given or has a given descendant, nothing else is given."""
    digraph = nx.DiGraph(edges)
    for before, node, after in zip(path, path[1:], path[2:], strict=False):
        if (before, node) in edges and (after, node) in edges:
            if not given & {node, *nx.descendants(digraph, node)}:
                return False
        elif node in given:
            return False
    return True


def back_door(record: CausalGraph) -> nx.DiGraph:
    digraph = nx.DiGraph(record.edges)
    digraph.remove_edges_from(list(digraph.out_edges(T)))
    return digraph


def brute_force(record: CausalGraph) -> tuple[bool, int]:
    """Whether any back-door set exists, and the size of the smallest without pure instruments, by trying all subsets."""
    digraph, cut = nx.DiGraph(record.edges), back_door(record)
    days = frozenset(name for name, role in record.roles.items() if role == "external_factor")
    free = frozenset(record.roles) - record.latent - days - nx.descendants(digraph, T) - {T, Y}
    causes = free & {name for node in (T, Y, *days) for name in nx.ancestors(digraph, node)}
    around = digraph.subgraph(set(digraph) - {T})
    pure = {
        name
        for name in causes & nx.ancestors(digraph, T)
        if not nx.has_path(around, name, Y) and nx.is_d_separator(cut, name, Y, (causes | days) - {name})
    }
    separates = [found for found in subsets(free) if nx.is_d_separator(cut, T, Y, found | days)]
    clean = [len(found) for found in separates if not found & pure]
    return bool(separates), min(clean, default=-1)


@pytest.mark.parametrize("block", range(8))
def test_separation_equals_networkx_and_the_paths_one_by_one(block: int) -> None:
    for seed in SEEDS[block::8]:
        record = random_graph(seed)
        dag, digraph = dag_of(record), nx.DiGraph(record.edges)
        rng = np.random.default_rng(10_000 + seed)
        for _ in range(6):
            first, second, *rest = rng.permutation(sorted(record.roles)).tolist()
            given = frozenset(rest[: rng.integers(0, len(rest) + 1)])
            path = connecting_path(dag, first, second, given)
            assert (path is None) == nx.is_d_separator(digraph, first, second, given), seed
            simple = nx.all_simple_paths(digraph.to_undirected(), first, second)
            opened = [found for found in simple if is_open(set(record.edges), found, given)]
            assert (path is None) == (not opened), seed
            if path is not None:
                assert list(path) in opened and len(path) == min(map(len, opened)), seed


@pytest.mark.parametrize("block", range(8))
def test_the_minimal_set_is_the_smallest_of_all_subsets(block: int) -> None:
    for seed in SEEDS[block::8]:
        record = random_graph(seed)
        found = adjustment_set(record, T, Y)
        exists, smallest = brute_force(record)
        assert found.is_identified == exists, seed
        days = frozenset(found.absorbed_by_calendar)
        cut = back_door(record)
        if exists:
            assert len(found.minimal) == smallest, seed
            for chosen in (found.minimal, found.union):
                assert nx.is_d_separator(cut, T, Y, frozenset(chosen) | days), seed
                check_adjustment(record, T, Y, chosen)
        else:
            assert found.open_path is not None and found.minimal == ()
            assert record.latent & set(found.open_path.split()), seed
        listed = [path.path for path in found.back_door_paths]
        assert len(set(listed)) == len(listed) < MOST_PATHS
        assert all(path.blocked_by for path in found.back_door_paths) or not exists, seed


@pytest.mark.parametrize("block", range(4))
def test_the_listed_back_doors_are_those_that_nothing_blocks(block: int) -> None:
    for seed in SEEDS[block::4]:
        record = random_graph(seed)
        dag = dag_of(record)
        walks = {tuple(path) for path in treks(dag.without_effects_of(T), T, Y)}
        undirected = back_door(record).to_undirected()
        edges = set(back_door(record).edges)
        opened = {tuple(p) for p in nx.all_simple_paths(undirected, T, Y) if is_open(edges, p, frozenset())}
        assert walks == opened, seed


def test_every_forbidden_node_is_told_for_a_reason_that_holds() -> None:
    """Adding a collider before the treatment opens a path; descendants are all there; instruments amplify nothing."""
    kinds = set()
    for seed in SEEDS:
        record = random_graph(seed)
        found, digraph = adjustment_set(record, T, Y), nx.DiGraph(record.edges)
        after = nx.descendants(digraph, T) - record.latent - {Y}
        held = frozenset(found.union) | frozenset(found.absorbed_by_calendar)
        assert after <= set(found.forbidden), seed
        for node, entry in found.forbidden.items():
            kinds.add((entry.why, node in after))
            if entry.why == "mediator":
                assert node in after and nx.has_path(digraph, node, Y), seed
            elif entry.why == "descendant":
                assert node in after and not nx.has_path(digraph, node, Y), seed
            elif entry.why == "collider" and node not in after:
                assert not nx.is_d_separator(back_door(record), T, Y, held | {node}), seed
            elif entry.why == "instrument":
                assert node in found.instruments and node not in after, seed
    wanted = {("mediator", True), ("collider", True), ("descendant", True), ("instrument", False)}
    assert kinds >= wanted


def test_a_confounder_is_adjusted_for_and_a_latent_one_is_named() -> None:
    seen = derived("T<-C->Y", "T->Y")
    assert (seen.status, seen.minimal, seen.union) == ("identified", ("C",), ("C",))
    assert seen.explanation().splitlines() == [
        "The effect of T on Y is identified by adjusting for C.",
        "back door T <- C -> Y: blocked by C.",
    ]
    hidden = derived("T<-C->Y", "T->Y", latent="C")
    assert (hidden.status, hidden.minimal, hidden.open_path) == (NOT_IDENTIFIED, (), "T <- C -> Y")
    assert "no admissible set blocks T <- C -> Y" in hidden.explanation()
    assert "back door T <- C -> Y: OPEN." in hidden.explanation()


def test_m_bias_adjusts_for_nothing_and_calls_the_collider_by_its_path() -> None:
    found = derived("T<-A->M<-B->Y", "T->Y", latent="A B")
    assert (found.minimal, found.union) == ((), ())
    assert found.forbidden["M"].why == "collider"
    assert found.forbidden["M"].path == "T <- A -> M <- B -> Y"
    observed = derived("T<-A->M<-B->Y", "T->Y")
    assert observed.minimal == () and observed.union == ("B",)
    assert (observed.instruments, observed.forbidden["A"].path) == (("A",), "A -> T -> Y")


def test_the_butterfly_needs_the_collider_with_one_of_its_causes() -> None:
    edges = ("T<-A->M<-B->Y", "T<-M->Y", "T->Y")
    assert derived(*edges).minimal == ("B", "M")
    assert derived(*edges, latent="B").minimal == ("A", "M")
    assert derived(*edges, latent="A B").status == NOT_IDENTIFIED
    assert derived(*edges).union == ("A", "B", "M")


def test_an_instrument_is_kept_out_and_offered_where_adjustment_fails() -> None:
    found = derived("Z->T->Y", "T<-U->Y", latent="U")
    assert (found.status, found.instruments, found.union) == (NOT_IDENTIFIED, ("Z",), ())
    assert found.forbidden["Z"].why == "instrument"
    assert "Instrument available: Z." in found.explanation()
    given = derived("Z->T->Y", "Z<-C->Y", "T<-U->Y", latent="U")
    assert given.instruments == ("Z",) and given.union == ("C",)
    excluded = derived("Z->T->Y", "Z->Y", "T<-U->Y", latent="U")
    assert excluded.instruments == () and excluded.union == ("Z",)
    tied = derived("Z->T->Y", "Z<-W->Y", "T<-U->Y", latent="U W")
    assert tied.instruments == ()


def test_what_comes_after_the_treatment_is_told_apart() -> None:
    found = derived("T->M->Y", "T->K<-Y", "T->D", "T->J<-A->Y", "T<-C->Y", "C->D", "Y->P")
    assert {node: entry.why for node, entry in found.forbidden.items()} == {
        "M": "mediator",
        "K": "collider",
        "D": "descendant",
        "J": "descendant",
        "P": "descendant",
    }
    assert found.forbidden["M"].path == "T -> M -> Y"
    assert found.forbidden["K"].path == "T -> K <- Y"
    unseen = derived("T->J<-A->Y", "T->Y", latent="A").forbidden["J"]
    assert (unseen.why, unseen.path) == ("collider", "T -> J <- A -> Y")


def test_the_front_door_is_offered_where_nothing_else_is() -> None:
    edges = ("T->M->Y", "T<-U->Y")
    assert derived(*edges, latent="U").front_door == "M"
    assert "Front door available: M." in derived(*edges, latent="U").explanation()
    assert derived(*edges).front_door is None
    assert derived(*edges, "T->Y", latent="U").front_door is None
    assert derived(*edges, "M<-W->Y", latent="U W").front_door is None
    assert derived(*edges, "M<-W->T", latent="U W").front_door is None


def test_of_the_smallest_sets_the_one_nearest_the_outcome_is_taken() -> None:
    assert derived("T<-A<-B<-C->D->E->Y", "T->Y").minimal == ("E",)
    assert derived("T<-A<-B<-C->D->E->Y", "T->Y", latent="E D").minimal == ("C",)
    assert derived("T<-A<-B<-C->D->E->Y", "T->Y", latent="C D E").minimal == ("B",)
    assert derived("T<-L->A->Y", "L->B->Y", "T->Y").minimal == ("L",)
    assert derived("T<-L->A->Y", "L->B->Y", "T->Y").union == ("A", "B", "L")


def test_a_front_of_a_confounder_is_adjusted_for_where_it_blocks_and_left_out_where_it_only_moves_the_treatment() -> (
    None
):
    assert derived("T<-I<-C->Y", "T->Y", latent="C").minimal == ("I",)
    seen = derived("T<-I<-C->Y", "T->Y")
    assert (seen.minimal, seen.union, seen.instruments) == (("C",), ("C",), ("I",))


def test_day_level_nodes_are_absorbed_even_where_nobody_observes_them() -> None:
    found = derived("T<-D->Y", "R->D", "T<-C->Y", "T->Y", latent="R", calendar="D R")
    assert (found.minimal, found.absorbed_by_calendar) == (("C",), ("D", "R"))
    assert "day effects for D, R" in found.explanation()
    assert "back door T <- D -> Y: blocked by D." in found.explanation()
    opened = derived("T<-U->D<-O<-V->Y", "T->Y", latent="U V", calendar="D")
    assert (opened.minimal, opened.union) == (("O",), ("O",))
    with pytest.raises(LiftosError, match="day-level nodes that T does not act on; found D"):
        derived("T->D->Y", calendar="D")


def test_many_back_doors_are_listed_up_to_a_limit_that_is_told() -> None:
    layers = [f"{a}->{b}" for a in ("a1", "a2", "a3", "a4", "a5") for b in ("b1", "b2", "b3", "b4", "b5")]
    to_treatment = [f"T<-b{n}" for n in range(1, 6)]
    to_outcome = [f"a{n}->Y" for n in range(1, 6)] + [f"b{n}->Y" for n in range(1, 6)]
    found = derived(*layers, *to_treatment, *to_outcome, "T->Y")
    assert not found.all_paths_listed and len(found.back_door_paths) == MOST_PATHS
    assert f"the first {MOST_PATHS} are" in found.explanation()
    assert found.minimal == ("b1", "b2", "b3", "b4", "b5")


@pytest.mark.parametrize(
    ("chains", "told"),
    [
        (("T->Y", "A->B->C->A"), "without cycles; found A -> B -> C -> A"),
        (("T->Y", "Y->T"), "without cycles; found T -> Y -> T"),
        (("T->T", "T->Y"), "without cycles; found T -> T"),
        (("T<-C->Y",), "directed path from T to Y; found none"),
        (("T<-Y",), "directed path from T to Y; found none"),
        (("T->M",), "observed nodes M, T; found Y"),
    ],
)
def test_graphs_that_are_refused(chains: tuple[str, ...], told: str) -> None:
    with pytest.raises(LiftosError, match=told):
        derived(*chains)


def test_records_that_do_not_hold_together_are_refused() -> None:
    roles = {T: "treatment", Y: "outcome"}
    with pytest.raises(LiftosError, match=r"nodes of the graph: T, Y; found U"):
        dag_of(CausalGraph(((T, Y),), roles, frozenset({"U"}), ()))
    with pytest.raises(LiftosError, match="a role for every node; found none for Y"):
        dag_of(CausalGraph(((T, Y),), {T: "treatment"}, frozenset(), ()))
    with pytest.raises(LiftosError, match="found C"):
        dag_of(CausalGraph(((T, Y),), {**roles, "C": "confounder"}, frozenset(), ()))
    with pytest.raises(LiftosError, match="found C"):
        dag_of(CausalGraph(((T, Y),), roles, frozenset(), ("C",)))
    with pytest.raises(LiftosError, match="observed nodes"):
        adjustment_set(graph("T->Y", latent="T"), T, Y)
    with pytest.raises(LiftosError, match="T as both"):
        adjustment_set(graph("T->Y"), T, T)
    with pytest.raises(LiftosError, match="an empty name"):
        make_dag([("", Y)])
    with pytest.raises(LiftosError, match="two different nodes"):
        d_separated(dag_of(graph("T->Y")), T, Y, [Y])


@pytest.mark.parametrize(
    ("adjusted", "told"),
    [
        (["M"], "found M, a mediator: T -> M -> Y"),
        (["C", "K"], "found K, a collider: T -> K <- Y"),
        (["D"], "found D, a descendant: T -> D"),
        (["N"], "found N, a collider: T <- A -> N <- B -> Y"),
        (["U"], "other than T and Y; found U"),
        (["T"], "other than T and Y; found T"),
        (["no"], "other than T and Y; found no"),
    ],
)
def test_an_adjustment_that_would_bias_is_refused(adjusted: list[str], told: str) -> None:
    record = graph("T->M->Y", "T->K<-Y", "T->D", "T<-C->Y", "T<-A->N<-B->Y", "T->Y", "U->Y", latent="U A B")
    with pytest.raises(LiftosError, match=told):
        check_adjustment(record, T, Y, adjusted)


def test_an_adjustment_that_is_only_unwise_is_warned_of() -> None:
    record = graph("Z->T->Y", "T<-C->Y", "T<-D->Y", calendar="D")
    assert check_adjustment(record, T, Y, ["C"]) == ()
    assert check_adjustment(record, T, Y, ["C", "D"]) == ("D is absorbed by the calendar",)
    assert check_adjustment(record, T, Y, []) == ("a back-door path stays open: T <- C -> Y",)
    (warning,) = check_adjustment(record, T, Y, ["C", "Z"])
    assert warning.startswith(
        "Z is a pure instrument (Z -> T -> Y): keep it out of the propensity and the outcome"
    )


def test_small_parts() -> None:
    dag = make_dag([("a", "b"), ("b", "c"), ("a", "c")], ["b"], ["z"])
    assert dag.nodes == ("a", "z", "b", "c") and dag.observed == {"a", "c", "z"}
    assert ancestors(dag, ["b"]) == {"a", "b"} and descendants(dag, ["b"]) == {"b", "c"}
    assert directed_path(dag, "a", "c") == ("a", "c") and directed_path(dag, "c", "a") is None
    assert shown(dag, ("b", "a", "c")) == "b <- a -> c"
    assert isinstance(dag.without("b"), Dag) and dag.without("b").parents["c"] == ("a",)


def test_treks_leave_against_an_arrow() -> None:
    assert list(treks(dag_of(graph("T<-C->Y", "T->Y", "C->T->M->Y")), T, Y)) == [(T, "C", Y)]


def test_a_separator_may_hold_nodes_that_are_given_anyway() -> None:
    dag = dag_of(graph("T<-C->Y", "T<-S->Y"))
    assert smallest_separator(dag, T, Y, ["C", "S"]) == {"C", "S"}
    assert smallest_separator(dag, T, Y, ["C", "S"], always=["S"]) == {"C"}
    assert smallest_separator(dag, T, Y, ["C"]) is None
    opened = dag_of(graph("T<-A->D<-B->Y"))
    assert smallest_separator(opened, T, Y, ["A", "B"]) == frozenset()
    assert smallest_separator(opened, T, Y, ["A", "B"], always=["D"]) == {"B"}
    collider = dag_of(graph("T->K<-Y", "K<-C->Y"))
    assert smallest_separator(collider, T, Y, ["C"]) == frozenset()
    assert smallest_separator(collider, T, Y, ["C"], always=["K"]) is None
