"""DARTS cells: keys against exact isomorphism, genotypes, and the cells of NAS-Bench-301."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from optuna_agnet.spaces import DartsCell, Graphs
from optuna_agnet.spaces.graphs import edge_endpoints, to_adjacency

CELL = DartsCell()


def test_a_cell_has_three_decisions_a_node() -> None:
    assert [len(d.choices) for d in CELL.decisions] == [1, 7, 7, 3, 7, 7, 6, 7, 7, 10, 7, 7]
    assert CELL.decisions[3].name == "node_3_inputs"
    assert CELL.decisions[3].choices == ("0_1", "0_2", "1_2")
    assert CELL.decisions[11].name == "node_5_op_1"


def test_keys_agree_with_exact_isomorphism() -> None:
    space = DartsCell(nodes=2, ops=("conv", "pool"))
    cells = space.architectures(space.enumerate())
    assert len(cells) == 48
    graphs = [cell.to_networkx() for cell in cells]
    same = nx.algorithms.isomorphism.categorical_node_match("op", None)
    for a, b in itertools.combinations(range(48), 2):
        assert (cells[a].key == cells[b].key) == nx.is_isomorphic(graphs[a], graphs[b], same)


def test_isomorphic_cells_have_the_same_key() -> None:
    """Nodes 2 and 3 trade places wherever node 3 doesn't read node 2."""
    x = CELL.sample(500, np.random.default_rng(0))
    x[:, 3] = 0  # node 3 reads 0 and 1, as node 2 does
    pairs = np.array(
        [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (0, 4), (1, 4), (2, 4), (3, 4)]
    )
    moved = x.copy()
    moved[:, [1, 2, 4, 5]] = x[:, [4, 5, 1, 2]]
    swap = np.array([0, 1, 3, 2, 4])
    for row in moved:
        for node in (2, 3):
            sources = swap[pairs[row[3 * node]]]
            if sources[0] > sources[1]:
                row[3 * node + 1 : 3 * node + 3] = row[3 * node + 1 : 3 * node + 3][::-1].copy()
            row[3 * node] = pairs.tolist().index(sorted(sources.tolist()))
    assert (moved != x).any(1).sum() > 400
    np.testing.assert_array_equal(CELL.keys(moved), CELL.keys(x))
    assert len(np.unique(CELL.keys(x))) > 490


def test_cells_that_pair_the_same_operations_otherwise_are_different() -> None:
    space = DartsCell(nodes=2, ops=("a", "b"))
    one = space.parse("[('a', 0), ('a', 1), ('b', 0), ('b', 1)]")
    other = space.parse("[('a', 0), ('b', 1), ('b', 0), ('a', 1)]")
    assert one.key != other.key


def test_graph() -> None:
    arch = DartsCell(nodes=2).parse(
        "[('max_pool_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), ('sep_conv_5x5', 2)]"
    )
    nodes = "input,previous cell,skip_connect,max_pool_3x3,node sum,sep_conv_3x3,sep_conv_5x5,node sum,output"
    assert ",".join(arch.nodes) == nodes
    edges = {(0, 1), (0, 2), (1, 3), (2, 4), (3, 4), (0, 5), (4, 6), (5, 7), (6, 7), (4, 8), (7, 8)}
    assert set(arch.edges) == edges


def test_a_node_that_reads_one_source_twice_is_no_cell() -> None:
    space = DartsCell(nodes=2, ops=("conv", "pool"))
    types, edges = space.encode(space.sample(8, np.random.default_rng(0)))
    first, second = 5, 6  # operations of the second node; sources are graph nodes 0, 1 and 4
    adjacency = to_adjacency(edges, space.num_nodes)
    adjacency[:, :first, [first, second]] = False
    for source in (0, 1, 4):
        twice = adjacency.copy()
        twice[:, source, [first, second]] = True
        sources, targets = edge_endpoints(space.num_nodes)
        assert not space.decode(Graphs(types, twice[:, sources, targets]))[1].any()
    assert space.decode(Graphs(types, edges))[1].all()


def test_the_order_of_a_nodes_pair_does_not_matter() -> None:
    one = "[('max_pool_3x3', 0), ('skip_connect', 1)]"
    other = "[('skip_connect', 1), ('max_pool_3x3', 0)]"
    space = DartsCell(nodes=1)
    assert space.parse(one) == space.parse(other)
    assert str(space.parse(other)) == one


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no cell of DartsCell.* such a cell reads"),
        ("[('conv', 0)", "is no cell of"),
        ("[1, 2]", "is no cell of"),
        ("[('conv', 0), ('conv', 1)]", r"has 2 operations; it is no cell of .* reads"),
        ("[('conv', 0), ('conv', 1), ('none', 0), ('conv', 1)]", "node 3 has operation 'none'"),
        (
            "[('conv', 0), ('conv', 1), ('conv', 0), ('conv', 3)]",
            "node 3 reads 3; it can read 0 to",
        ),
        (
            "[('conv', 0), ('conv', 2), ('conv', 0), ('conv', 1)]",
            "node 2 reads 2; it can read 0 to",
        ),
        ("[('conv', 0), ('conv', 1), ('conv', 2), ('pool', 2)]", "node 3 reads 2 twice"),
    ],
)
def test_bad_genotypes_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DartsCell(nodes=2, ops=("conv", "pool")).parse(text)


@pytest.mark.parametrize(
    ("nodes", "ops", "message"),
    [
        (0, ("a", "b"), "nodes=0 must be an integer of at least 1"),
        (1, ("a",), "holds a single cell"),
        (4, (), "at least one operation name"),
    ],
)
def test_spaces_without_a_choice_are_refused(
    nodes: int, ops: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        DartsCell(nodes=nodes, ops=ops)
