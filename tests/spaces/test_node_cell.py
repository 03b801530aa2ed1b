"""Cells with operations on the nodes: the whole of NAS-Bench-101, isomorphic cells, repair."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces import Graphs, NodeCell

NB101 = spaces.nas_bench_101()
CODE_OF_OP = np.array(
    [1, 0, 2]
)  # the file's 0 is conv3x3, 1 is conv1x1, 2 is maxpool; ours 0 is conv1x1


@pytest.fixture(scope="module")
def all_cells() -> IntArray:
    """Every cell of NAS-Bench-101 as unrepaired decisions, from shared/benchmarks/nb101/README.md's format."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "benchmarks"
    path = Path(os.environ.get("OPTUNA_AGNET_DATA", default)) / "nb101" / "nb101_space.npz"
    if not path.exists():
        pytest.skip(f"{path} is missing: set OPTUNA_AGNET_DATA to the folder of the benchmarks")
    with np.load(path) as file:
        size, bits = file["n_vertices"].astype(np.int64), file["edge_bits"].astype(np.int64)
        code = file["label_code"].astype(np.int64)
    x = np.zeros((len(size), 26), dtype=np.int64)
    for k in range(2, 8):
        rows = np.flatnonzero(size == k)
        for node in range(1, k - 1):  # the first inner vertex is the most significant digit
            x[rows, node - 1] = CODE_OF_OP[code[rows] // 3 ** (k - 2 - node) % 3]
        for target in range(1, k):
            ours = 6 if target == k - 1 else target  # here the output is always the last node
            for source in range(target):
                on = bits[rows] >> (source + target * (target - 1) // 2) & 1
                x[rows, 5 + source + ours * (ours - 1) // 2] = on
    return x


def check_agreement(x: IntArray) -> None:
    assert NB101.is_valid(x).all()
    rows = NB101.repair(x)
    assert len(np.unique(NB101.keys(rows))) == len(np.unique(rows, axis=0)) == len(x)
    back, valid = NB101.decode(NB101.encode(rows))
    assert valid.all()
    np.testing.assert_array_equal(back, rows)


def test_agrees_with_a_sample_of_nas_bench_101(all_cells: IntArray) -> None:
    rng = np.random.default_rng(0)
    check_agreement(all_cells[rng.choice(len(all_cells), 20_000, replace=False)])


@pytest.mark.slow
def test_agrees_with_all_of_nas_bench_101(all_cells: IntArray) -> None:
    assert len(all_cells) == 423_624
    check_agreement(all_cells)


def test_ten_thousand_graphs_encode_and_decode_as_one_batch(calls: Callable) -> None:
    """No step is taken a graph at a time: as many calls as for ten."""
    rows = NB101.sample(10_000, np.random.default_rng(0))
    few = calls(lambda: NB101.decode(NB101.encode(rows[:10])))
    assert calls(lambda: NB101.decode(NB101.encode(rows))) < 2 * few


def test_isomorphic_cells_give_the_same_row() -> None:
    """The inner nodes of unrepaired decisions are permuted where no edge forbids it."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, NB101.num_choices, size=(400, 26))
    x[:, 5:] &= rng.random((400, 21)) < 0.6
    order = np.array([0, *(1 + rng.permutation(5)), 6])
    moved, keep = np.zeros_like(x), np.ones(len(x), dtype=bool)
    moved[:, :5] = x[:, order[1:-1] - 1]
    place = np.argsort(order)
    for t in range(1, 7):
        for s in range(t):
            a, b = place[s], place[t]
            flag = x[:, 5 + s + t * (t - 1) // 2]
            if a < b:
                moved[:, 5 + a + b * (b - 1) // 2] = flag
            else:
                keep &= flag == 0
    same = keep & NB101.is_valid(x)
    assert same.sum() > 10
    assert (moved[same] != x[same]).any(1).all()
    np.testing.assert_array_equal(NB101.repair(moved[same]), NB101.repair(x[same]))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        # An unused node is dropped before edges are counted.
        (((0, 1), (0, 2), (2, 3)), "input,conv,output 0>1 1>2"),
        # Nothing reaches the output: it is joined to the input.
        ((), "input,output 0>1"),
        # Too many edges: the last one that may go is 2>3 here, then 1>3 (the order is 0>3, 1>3, 2>3).
        (((0, 1), (0, 2), (1, 3), (2, 3)), "input,pool,output 0>1 1>2"),
        (((0, 1), (0, 3), (1, 3)), "input,output 0>1"),
        # A single path that is longer than the limit.
        (((0, 1), (1, 2), (2, 3)), "input,output 0>1"),
    ],
)
def test_repair_does_what_is_documented(flags: tuple[tuple[int, int], ...], expected: str) -> None:
    space = NodeCell(max_nodes=4, max_edges=2, ops=("conv", "pool"))
    params: dict[str, object] = {d.name: False for d in space.decisions}
    params |= {"op_1": "pool", "op_2": "conv"} | {f"edge_{i}_{j}": True for i, j in flags}
    assert str(space.from_params(params)) == expected


def test_text() -> None:
    text = "input,conv1x1-bn-relu,maxpool3x3,output 0>1 0>2 1>3 2>3"
    arch = NB101.parse(text)
    swapped = NB101.parse("input,maxpool3x3,conv1x1-bn-relu,output 0>1 0>2 1>3 2>3")
    assert arch == swapped
    assert NB101.parse(str(arch)) == arch


@pytest.mark.parametrize(
    "text",
    [
        "",
        "input,output",
        "input,output 0>5",
        "input,output 0-1",
        "input,conv,output 0>1 1>2",
        "output,input 0>1",
        ",".join(["input", *["maxpool3x3"] * 6, "output"]) + " 0>7",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no cell of"):
        NB101.parse(text)


@pytest.mark.parametrize(
    ("max_nodes", "max_edges", "message"),
    [
        (4, 1, "holds a single cell"),
        (4, 0, "max_edges=0 must be an integer of at least 1"),  # no valid cell
        (2, 1, "max_nodes=2 must be an integer of at least 3"),
        (True, 1, "max_nodes=True must be an integer"),
    ],
)
def test_spaces_without_a_choice_are_refused(max_nodes: int, max_edges: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NodeCell(max_nodes=max_nodes, max_edges=max_edges, ops=("conv", "pool"))


Naive = tuple[tuple[str, ...], frozenset[tuple[int, int]]]


def naive_cells(
    ops: list[tuple[str, ...]], max_edges: int, max_in_degree: int
) -> Iterator[tuple[Naive, Naive]]:
    """Each graph of the decisions that is a cell, in the order of its nodes, and one form for all isomorphic ones."""
    n = len(ops) + 2
    pairs = [(i, j) for j in range(n) for i in range(j)]
    for flags in itertools.product((False, True), repeat=len(pairs)):
        edges = {pair for pair, flag in zip(pairs, flags, strict=True) if flag}
        after, before = {0}, {n - 1}
        for i, j in sorted(edges):
            after |= {j} if i in after else set()
        for i, j in sorted(edges, reverse=True):
            before |= {i} if j in before else set()
        live = sorted(after & before)
        kept = {(i, j) for i, j in edges if i in live and j in live}
        inner = live[1:-1]
        degrees = [sum(j == node for _, j in kept) for node in inner]
        if not kept or len(kept) > max_edges or max([0, *degrees]) > max_in_degree:
            continue
        for labels in itertools.product(*(ops[node - 1] for node in inner)):
            forms = []
            for order in itertools.permutations(range(len(inner))):
                place = {0: 0, n - 1: n - 1, **{inner[k]: 1 + at for at, k in enumerate(order)}}
                moved = frozenset((place[i], place[j]) for i, j in kept)
                forms.append((tuple(labels[k] for k in order), moved))
            yield forms[0], min(forms, key=lambda form: (form[0], sorted(form[1])))


LIMITED = [
    (("conv", "pool"), {}, 1, 10),
    (("conv", "pool"), {}, 2, 5),
    (("conv", "pool"), {1: ("conv",), 3: ("skip", "pool")}, None, 6),
    ((), {1: ("pool", "conv"), 2: ("skip",), 3: ("conv", "skip")}, 1, 10),
]
every_limit = pytest.mark.parametrize(("ops", "node_ops", "max_in_degree", "max_edges"), LIMITED)


@every_limit
def test_cells_are_those_that_a_naive_twin_finds(
    ops: tuple[str, ...],
    node_ops: dict[int, tuple[str, ...]],
    max_in_degree: int | None,
    max_edges: int,
) -> None:
    space = NodeCell(5, max_edges, ops, node_ops=node_ops, max_in_degree=max_in_degree)
    by_node = [node_ops.get(node, ops) for node in (1, 2, 3)]
    found = list(naive_cells(by_node, max_edges, max_in_degree or 5))
    ordered, different = {own for own, _ in found}, {form for _, form in found}
    every = space.enumerate()
    assert space.num_architectures == len(every)
    assert len(set(space.keys(every).tolist())) == len(different)
    for arch in space.architectures(every):
        last = {len(arch.nodes) - 1: 4}
        edges = frozenset((i, last.get(j, j)) for i, j in arch.edges)
        assert (arch.nodes[1:-1], edges) in ordered
    rows = space.sample(300, np.random.default_rng(0))
    assert space.is_valid(rows).all()
    assert {row.tobytes() for row in rows} <= {row.tobytes() for row in every}


@every_limit
def test_most_samples_use_most_nodes(
    ops: tuple[str, ...],
    node_ops: dict[int, tuple[str, ...]],
    max_in_degree: int | None,
    max_edges: int,
) -> None:
    space = NodeCell(5, max_edges, ops, node_ops=node_ops, max_in_degree=max_in_degree)
    found = space.architectures(space.sample(300, np.random.default_rng(0)))
    sizes = np.bincount([len(arch.nodes) for arch in found], minlength=6)
    assert sizes[5] > 200
    assert len({str(arch) for arch in found}) > 30


def test_a_tree_of_nodes() -> None:
    space = NodeCell(max_nodes=6, ops=("conv",), max_in_degree=1)
    for arch in space.architectures(space.sample(200, np.random.default_rng(0))):
        into = np.bincount([j for _, j in arch.edges], minlength=len(arch.nodes))
        assert (into[1:-1] == 1).all()
    assert space.parse("input,conv,conv,conv,output 0>1 0>2 0>3 1>4 2>4 3>4")
    with pytest.raises(ValueError, match="is no cell of"):
        space.parse("input,conv,conv,output 0>1 0>2 1>2 1>3 2>3")
    params: dict[str, object] = {d.name: d.choices[-1] for d in space.decisions}
    repaired = space.from_params(params)  # all edges; the last one to each node goes first
    assert str(repaired) == "input,conv,conv,conv,conv,output 0>1 0>2 0>3 0>4 0>5 1>5 2>5 3>5 4>5"


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_any_drawing_is_a_cell_that_keeps_the_limit(limit: int, density: float) -> None:
    """Of a node's sources the first ones count, and what no node reads is read by the output."""
    space = NodeCell(max_nodes=6, ops=("conv", "pool"), max_in_degree=limit)
    rng = np.random.default_rng(limit)
    types = rng.integers(2, 4, size=(60, 6))
    types[:, 0], types[:, -1], types[::5, rng.integers(1, 5)] = 1, 0, 0
    graphs = Graphs(types, rng.random((60, 15)) < density)
    rows, valid = space.decode(graphs)
    assert valid.all()
    for row, own, given in zip(rows, types.tolist(), graphs.edges, strict=True):
        end = own.index(0)
        sources = {
            t: [s for s in range(t) if given[t * (t - 1) // 2 + s]] for t in range(1, end + 1)
        }
        kept = {(s, t) for t in range(1, end) for s in sources[t][:limit]}
        unread = set(range(end)) - {s for s, _ in kept}
        kept |= {(s, end) for s in {*sources[end], *unread}}
        labels = ["input", *(space.node_types[k] for k in own[1:end]), "output"]
        text = " ".join([",".join(labels), *(f"{s}>{t}" for s, t in sorted(kept))])
        assert space.architectures(row[None]) == [space.parse(text)]


def test_a_limit_that_no_node_reaches_is_none() -> None:
    plain = NodeCell(5, 6, ("conv", "pool"))
    assert NodeCell(5, 6, ("conv", "pool"), max_in_degree=3) == plain
    assert NodeCell(5, 6, ("conv", "pool"), node_ops={2: ("conv", "pool")}) == plain
    assert NodeCell(5, 6, ("conv", "pool"), max_in_degree=2) != plain
    assert NodeCell(5, 6, ("conv", "pool"), node_ops={2: ("conv",)}) != plain


@pytest.mark.parametrize(
    "space",
    [
        NodeCell(5, 6, ("conv", "pool"), node_ops={2: ("conv",)}, max_in_degree=1),
        NodeCell(4, 6, node_ops={1: ("conv",), 2: ("pool",)}),
    ],
)
def test_the_repr_is_how_it_is_written(space: NodeCell) -> None:
    assert eval(repr(space)) == space


def test_nodes_stand_where_their_operation_may() -> None:
    space = NodeCell(max_nodes=5, node_ops={1: ("conv",), 2: ("pool",), 3: ("conv", "skip")})
    arch = space.parse("input,conv,skip,output 0>1 1>2 2>3")
    assert space.to_params(arch)["op_3"] == "skip"
    assert space.to_params(arch)["edge_1_3"] is True
    assert not any(
        on for n, on in space.to_params(arch).items() if n.startswith("edge_") and "2" in n
    )
    for text in ("input,skip,conv,output 0>1 1>2 2>3", "input,pool,pool,output 0>1 1>2 2>3"):
        with pytest.raises(ValueError, match="is no cell of"):
            space.parse(text)


def test_a_graph_whose_operations_do_not_fit_is_invalid() -> None:
    space = NodeCell(max_nodes=4, node_ops={1: ("conv", "skip"), 2: ("pool", "skip")})
    graphs = space.encode(space.choices([space.parse("input,conv,pool,output 0>1 1>2 2>3")]))
    types = np.repeat(graphs.types, 3, 0)
    number = {op: k for k, op in enumerate(space.node_types)}
    types[1, 1:3] = number["pool"], number["conv"]
    types[2, 1:3] = number["skip"], number["skip"]
    rows, valid = space.decode(graphs._replace(types=types, edges=np.repeat(graphs.edges, 3, 0)))
    assert valid.tolist() == [True, False, True]
    assert str(space.architectures(rows)[1]) == "input,conv,pool,output 0>1 1>2 2>3"


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"node_ops": {0: ("conv",)}}, ValueError, r"node_ops names \[0\]; the cell has \[1, 2\]"),
        ({"node_ops": {3: ("conv",)}}, ValueError, r"node_ops names \[3\]"),
        ({"node_ops": ("conv",)}, TypeError, r"must be a dict, such as \{1: \('conv', 'skip'\)\}"),
        ({"node_ops": {1: ("my conv",)}}, ValueError, "'my conv' must be"),
        ({"max_in_degree": 0}, ValueError, "max_in_degree=0 must be an integer of at least 1"),
        ({"max_in_degree": 1.5}, ValueError, r"max_in_degree=1\.5 must be an integer"),
    ],
)
def test_bad_limits_are_refused(more: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        NodeCell(max_nodes=4, ops=("conv", "pool"), **more)
