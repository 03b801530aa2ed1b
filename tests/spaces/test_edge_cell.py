"""Cells with operations on the edges: NAS-Bench-201's numbers and texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.spaces import Chain, EdgeCell, Graphs, SearchSpace

NB201 = spaces.nas_bench_201()


def test_nas_bench_201_has_15625_cells() -> None:
    cells = NB201.enumerate()
    assert cells is not None
    assert len(np.unique(cells, axis=0)) == NB201.num_combinations == 15_625
    assert NB201.is_valid(cells).all()


def test_nas_bench_201_has_8765_different_graphs() -> None:
    """Labelled graphs up to isomorphism, once `none` is pruned.

    The 6,466 that Dong and Yang (2020) count additionally merge cells that differ by skip connections alone.
    """
    assert len(np.unique(NB201.keys(NB201.enumerate()))) == 8_765


@pytest.mark.parametrize(
    "space", [NB201, Chain(layers=[("conv", "skip"), ("skip", "pool", "conv")])], ids=repr
)
def test_valid_is_what_encodes_to_the_same_graph(space: SearchSpace) -> None:
    """Graphs of cells of which some had a node's type or an edge changed."""
    rng = np.random.default_rng(0)
    types, edges = (part.copy() for part in space.encode(space.sample(300, rng)))
    rows = np.arange(100)
    inner = rng.integers(
        0, space.num_nodes - 1, 100
    )  # the last node is the output whatever it says
    types[rows, inner] = rng.integers(0, len(space.node_types), 100)
    edges[rows + 100, rng.integers(0, edges.shape[1], 100)] ^= True
    x, valid = space.decode(Graphs(types, edges))
    back = space.encode(x)
    same = (back.types == types).all(1) & (back.edges == edges).all(1)
    np.testing.assert_array_equal(valid, same)
    assert valid[200:].all()
    assert not valid[100:200].any()
    assert 0 < valid[:100].sum() < 90


def test_line_graph_of_nas_bench_201() -> None:
    """docs/released_code.md, sec. 1: 0 -> {1,2,4}, 1 -> {3,5}, 2 -> 6, 3 -> 6, {4,5,6} -> 7."""
    edges = NB201.random_architecture(0).edges
    assert edges == ((0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 7))
    assert (NB201.fixed_edges >= 0).all()


def test_official_text() -> None:
    text = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    arch = NB201.parse(text)
    assert str(arch) == text
    assert NB201.to_params(arch) == {
        "op_0_1": "nor_conv_3x3",
        "op_0_2": "none",
        "op_1_2": "avg_pool_3x3",
        "op_0_3": "skip_connect",
        "op_1_3": "nor_conv_1x1",
        "op_2_3": "nor_conv_3x3",
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|none~0|",
        "|none~0|+|none~0|none~2|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|conv~1|+|none~0|none~1|none~2|",
        "|none~0|junk|+|none~0|none~1|+|none~0|none~1|none~2|",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no cell of .* such a cell reads"):
        NB201.parse(text)


def test_neighbors_differ_in_exactly_one_operation() -> None:
    row = NB201.sample(1, np.random.default_rng(0))
    neighbors = NB201.neighbors(row)
    assert len(neighbors) == 6 * 4
    assert ((neighbors != row).sum(1) == 1).all()


@pytest.mark.parametrize(
    ("nodes", "ops", "message"),
    [
        (4, ("conv",), "holds a single cell"),
        (1, ("conv", "pool"), "nodes=1 must be an integer of at least 2"),
        (2.5, ("conv", "pool"), "nodes=2.5 must be an integer"),
    ],
)
def test_spaces_without_a_choice_are_refused(
    nodes: int, ops: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        EdgeCell(nodes=nodes, ops=ops)


OWN = EdgeCell(
    nodes=3, ops=("conv", "pool", "none"), edge_ops={(0, 2): ("skip", "none"), (1, 2): ("pool",)}
)


def test_edges_with_operations_of_their_own() -> None:
    choices = {d.name: d.choices for d in OWN.decisions}
    common = ("conv", "pool", "none")
    assert choices == {"op_0_1": common, "op_0_2": ("skip", "none"), "op_1_2": ("pool",)}
    assert OWN.ops == ("conv", "pool", "none", "skip")
    texts = {f"|{a}~0|+|{b}~0|pool~1|" for a in common for b in ("skip", "none")}
    assert set(map(str, OWN.architectures(OWN.enumerate()))) == texts
    assert OWN.num_architectures == len(texts)
    assert eval(repr(OWN)) == OWN


def test_operations_of_another_edge_are_refused() -> None:
    for text in ("|skip~0|+|skip~0|pool~1|", "|conv~0|+|conv~0|pool~1|"):
        with pytest.raises(ValueError, match="is no cell of"):
            OWN.parse(text)
    graphs = OWN.encode(np.zeros((1, 3), dtype=np.int64))
    types = np.repeat(graphs.types, 4, 0)
    types[:, 2] = [OWN.node_types.index(op) for op in ("conv", "pool", "none", "skip")]
    _, valid = OWN.decode(Graphs(types, np.repeat(graphs.edges, 4, 0)))
    assert valid.tolist() == [False, False, True, True]
    with pytest.raises(ValueError, match=r"'op_1_2' is 'conv'; the space .* knows \['pool'\]"):
        OWN.from_params({"op_0_1": "conv", "op_0_2": "skip", "op_1_2": "conv"})


def test_an_edge_without_operations_is_gone() -> None:
    space = EdgeCell(nodes=3, ops=("conv", "pool"), edge_ops={(0, 2): ("none",)})
    used = {frozenset(arch.nodes) for arch in space.architectures(space.enumerate())}
    assert all("none" in nodes for nodes in used)
    assert len(set(space.keys(space.enumerate()).tolist())) == 4


def test_the_same_operations_for_each_edge_are_the_same_space() -> None:
    ops = ("conv", "pool")
    pairs = [(0, 1), (0, 2), (1, 2)]
    assert EdgeCell(3, edge_ops=dict.fromkeys(pairs, ops)) == EdgeCell(3, ops)
    assert EdgeCell(3, ops, edge_ops={(0, 1): ops[::-1]}) != EdgeCell(3, ops)


@pytest.mark.parametrize(
    ("edge_ops", "error", "message"),
    [
        ({(1, 0): ("conv",)}, ValueError, r"edge_ops names \[\(1, 0\)\]; the cell has \[\(0, 1\)"),
        ({(0, 9): ("conv",)}, ValueError, r"edge_ops names \[\(0, 9\)\]"),
        ({"op_0_1": ("conv",)}, ValueError, r"edge_ops names \['op_0_1'\]"),
        ([("conv",)], TypeError, r"edge_ops=\[\('conv',\)\] must be a dict, such as \{\(0, 1\): "),
        ({(0, 1): ()}, ValueError, "at least one operation name"),
        ({(0, 1): "conv"}, ValueError, "sequence of at least one"),
        ({(0, 1): ("conv", "conv")}, ValueError, "given more than once"),
        (dict.fromkeys([(0, 1), (0, 2), (1, 2)], ("conv",)), ValueError, "holds a single cell"),
    ],
)
def test_bad_operations_of_edges_are_refused(
    edge_ops: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        EdgeCell(nodes=3, ops=("conv", "pool"), edge_ops=edge_ops)


def test_edges_without_own_operations_need_common_ones() -> None:
    with pytest.raises(ValueError, match=r"ops=\(\): give a sequence"):
        EdgeCell(nodes=3, edge_ops={(0, 1): ("conv", "pool")})
