"""What the authors' way of reading a DARTS cell forgives, and what it does not."""

import numpy as np

from benchmarks.darts_cell import folded, independent
from optuna_agnet.spaces import DartsCell
from optuna_agnet.spaces.graphs import Graphs, edge_position

SPACE = DartsCell()


def test_cells_are_cells_either_way() -> None:
    graphs = SPACE.encode(SPACE.sample(200, np.random.default_rng(0)))
    assert folded(SPACE, graphs).all()


def test_a_node_may_read_more_than_two_sources_but_not_fewer() -> None:
    """In the graph of a cell nodes 5 and 6 are the operations of the second intermediate node, 4 and 7 are sums."""
    graphs = SPACE.encode(SPACE.sample(1, np.random.default_rng(0)))
    many, one = graphs.edges.copy(), graphs.edges.copy()
    many[0, [edge_position(source, 5) for source in (0, 1, 4)]] = True
    many[0, edge_position(5, 6)] = True  # within a node
    one[0, [edge_position(s, op) for s in (0, 1, 4) for op in (5, 6)]] = False
    one[0, edge_position(1, 5)] = one[0, edge_position(1, 6)] = True  # the same source twice
    for edges, expected in ((many, True), (one, False)):
        changed = Graphs(graphs.types, edges)
        assert folded(SPACE, changed)[0] == expected
        assert not SPACE.decode(changed)[1][0]


def test_one_by_one_keeps_how_often_and_loses_what_belongs_together() -> None:
    cells, found = SPACE.encode(SPACE.sample(20_000, np.random.default_rng(0))), independent(SPACE)
    np.testing.assert_array_equal(found.edges.mean(0), cells.edges.mean(0))
    assert SPACE.decode(found)[1].mean() < 0.05
