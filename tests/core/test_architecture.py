"""Laws of `Architecture` and its key; networkx's exact isomorphism is the reference."""

from __future__ import annotations

import json
import random
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_agnet import spaces
from optuna_agnet.core.architecture import (
    Architecture,
    canonical_keys,
    label_hashes,
    live_nodes,
    refine,
)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    n = draw(st.integers(2, 7))
    inner = draw(
        st.lists(st.sampled_from(("conv", "pool", "none")), min_size=n - 2, max_size=n - 2)
    )
    pairs = [(i, j) for j in range(n) for i in range(j)]
    flags = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    return Architecture(
        ("input", *inner, "output"), tuple(p for p, on in zip(pairs, flags, strict=True) if on)
    )


def random_architecture(rng: np.random.Generator, n: int) -> Architecture:
    inner = rng.choice(("conv", "pool", "none"), n - 2, p=(0.5, 0.4, 0.1)).tolist()
    edges = tuple((i, j) for j in range(n) for i in range(j) if rng.random() < 0.5)
    return Architecture(("input", *inner, "output"), edges)


def reordered(arch: Architecture, rng: random.Random) -> Architecture:
    """The same graph with its inner nodes in another topological order."""
    last, order = len(arch.nodes) - 1, [0]
    while len(order) < last:
        ready = [
            node
            for node in range(1, last)
            if node not in order and all(i in order for i, j in arch.edges if j == node)
        ]
        order.append(rng.choice(ready))
    order.append(last)
    edges = sorted((order.index(i), order.index(j)) for i, j in arch.edges)
    return Architecture(tuple(arch.nodes[node] for node in order), tuple(edges))


def with_dead_node(arch: Architecture, op: str) -> Architecture:
    """One more node, which hangs on the input and leads nowhere."""
    last = len(arch.nodes) - 1
    edges = tuple((i, last + 1 if j == last else j) for i, j in arch.edges)
    return Architecture((*arch.nodes[:-1], op, "output"), (*edges, (0, last)))


def pruned(arch: Architecture) -> nx.DiGraph:
    graph, last = arch.to_networkx(), len(arch.nodes) - 1
    graph.remove_nodes_from([node for node, op in enumerate(arch.nodes) if op == "none"])
    live = (nx.descendants(graph, 0) | {0}) & (nx.ancestors(graph, last) | {last})
    return graph.subgraph(live)


def isomorphic(a: Architecture, b: Architecture) -> bool:
    return bool(nx.is_isomorphic(pruned(a), pruned(b), node_match=lambda x, y: x["op"] == y["op"]))


@given(architectures(), st.randoms(use_true_random=False), st.sampled_from(("conv", "none")))
@settings(max_examples=200, deadline=None)
def test_key_ignores_node_order_and_dead_nodes(
    arch: Architecture, rng: random.Random, op: str
) -> None:
    other = reordered(with_dead_node(arch, op), rng)
    assert isomorphic(arch, other)
    assert arch.key == other.key


@pytest.mark.parametrize("n", [4, 5, 7])
def test_keys_are_equal_exactly_for_isomorphic_graphs(n: int) -> None:
    rng = np.random.default_rng(n)
    pairs = [(random_architecture(rng, n), random_architecture(rng, n)) for _ in range(300)]
    truth = [isomorphic(a, b) for a, b in pairs]
    assert [a.key == b.key for a, b in pairs] == truth
    assert n > 4 or 10 < sum(truth) < 290


def test_key_sees_more_than_degrees() -> None:
    """Same labels and degrees; only the operation that follows another differs."""
    nodes = ("input", "conv", "pool", "conv", "pool", "output")
    straight = Architecture(nodes, ((0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 5)))
    crossed = Architecture(nodes, ((0, 1), (0, 2), (1, 4), (2, 3), (3, 5), (4, 5)))
    assert straight.key != crossed.key


def test_key_is_the_same_on_every_machine() -> None:
    arch = Architecture(("input", "conv", "output"), ((0, 1), (1, 2)))
    assert arch.key == "c3cadddac946e006"


@pytest.mark.parametrize("edge", [(1, 0), (1, 1), (0, 3), (-1, 2)])
def test_edges_lead_forward_to_existing_nodes(edge: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="lower to a higher node of the 3 nodes"):
        Architecture(("input", "conv", "output"), (edge,))


def test_text_is_no_part_of_the_value() -> None:
    edges = ((0, 1), (1, 2))
    named = Architecture(("input", "conv", "output"), edges, "my cell")
    plain = Architecture(("input", "conv", "output"), edges)
    assert named == plain
    assert {named: 1}[plain] == 1
    assert (str(named), str(plain)) == ("my cell", "input,conv,output 0>1 1>2")


def test_lists_and_numpy_integers_become_tuples_of_integers() -> None:
    edges = np.array([[0, 1], [1, 2]])
    listed = Architecture(["input", "conv", "output"], edges)  # type: ignore[arg-type]
    plain = Architecture(("input", "conv", "output"), ((0, 1), (1, 2)))
    assert listed == plain
    assert {listed: 1}[plain] == 1
    assert type(listed.nodes) is type(listed.edges) is type(listed.edges[0]) is tuple
    assert json.loads(json.dumps(listed.edges)) == [[0, 1], [1, 2]]


@pytest.mark.parametrize(
    ("nodes", "edges", "error", "message"),
    [
        ("input", (), TypeError, "nodes='input' must be labels"),
        ((), (), TypeError, r"nodes=\(\) must be labels"),
        ((0, 1), (), TypeError, "must be labels"),
        (None, (), TypeError, "nodes=None must be labels"),
        (("input", "output"), (0, 1), TypeError, r"edges=\(0, 1\) must be pairs"),
        (("input", "output"), ((0, 1, 1),), TypeError, "must be pairs"),
        (("input", "output"), ((0.0, 1.0),), TypeError, "must be pairs"),
        (("input", "output"), None, TypeError, "edges=None must be pairs"),
        (
            ("input", "output"),
            ((0, 1), (0, 1)),
            ValueError,
            r"\[\(0, 1\)\] are given more than once",
        ),
    ],
)
def test_what_is_no_graph_is_refused_where_it_is_made(
    nodes: Any, edges: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Architecture(nodes, edges)


def test_the_order_of_edges_is_no_part_of_the_value() -> None:
    nodes = ("input", "conv", "output")
    one, other = Architecture(nodes, ((0, 1), (1, 2))), Architecture(nodes, ((1, 2), (0, 1)))
    assert one == other
    assert len({one, other}) == 1
    assert one != Architecture(nodes, ((0, 1), (0, 2)))
    assert one != "input,conv,output 0>1 1>2"


def test_to_pyg() -> None:
    pytest.importorskip("torch_geometric")
    arch = Architecture(("input", "conv", "output"), ((0, 1), (1, 2)))
    data = arch.to_pyg(("output", "input", "conv"))
    assert data.x.argmax(1).tolist() == [1, 2, 0]
    assert data.edge_index.tolist() == [[0, 1], [1, 2]]
    with pytest.raises(ValueError, match=r"\['conv'\] are not among"):
        arch.to_pyg(("output", "input"))


def test_keys_of_many_are_those_of_each_whatever_their_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = spaces.EdgeCell(nodes=3, ops=("none", "conv"))
    mixed = [
        *small.architectures(small.sample(3, np.random.default_rng(0))),
        Architecture(("input", "none", "output"), ((0, 1), (1, 2))),  # nothing gets through
        *spaces.darts().architectures(spaces.darts().sample(2, np.random.default_rng(1))),
        Architecture(("input", "conv", "output"), ()),
    ]
    alone = [int(a.key, 16) for a in mixed]
    assert len(set(alone)) >= 4
    assert canonical_keys(mixed).tolist() == alone
    most = max(len(a.nodes) for a in mixed)
    monkeypatch.setattr("optuna_agnet.core.architecture._BATCH_ENTRIES", 2 * most**2)
    assert canonical_keys(mixed).tolist() == alone
    assert canonical_keys([]).shape == (0,)


@pytest.mark.parametrize(
    "differ", ["labels", "dead nodes", "outputs", "edges", "edges alone", "nothing"]
)
def test_graphs_of_a_batch_do_not_see_one_another(differ: str) -> None:
    """Also where all have the same edges, as chains do, and where the first two of them are alike."""
    rng = np.random.default_rng(0)
    hashes = label_hashes(("none", "input", "conv", "pool", "output"))
    types = np.tile([1, 2, 3, 2, 3, 4], (7, 1))
    adjacency = np.tile(
        np.triu(rng.random((6, 6)) < 0.5, 1) | np.eye(6, k=1, dtype=bool), (7, 1, 1)
    )
    if differ == "labels":
        types[2:, 1:-1] = rng.integers(2, 4, size=(5, 4))
    if differ == "dead nodes":
        types[3:, 2] = 0
    if differ == "outputs":
        types[4:, 3], types[4:, 5] = 4, 2
    if differ == "edges":
        adjacency[5:, 0, 1] = False
    if differ == "edges alone":
        adjacency[5:, 0, 2] ^= True  # all nodes stay in use
    labels = hashes[types]
    alone = [refine(labels[k : k + 1], adjacency[k : k + 1], 3) for k in range(7)]
    for rounds, found in enumerate(refine(labels, adjacency, 3)):
        np.testing.assert_array_equal(found, np.concatenate([each[rounds] for each in alone]))
    live = [live_nodes(labels[k : k + 1], adjacency[k : k + 1]) for k in range(7)]
    np.testing.assert_array_equal(live_nodes(labels, adjacency), np.concatenate(live))
