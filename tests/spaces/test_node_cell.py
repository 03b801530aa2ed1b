"""Cells with operations on the nodes: the whole of NAS-Bench-101, isomorphic cells, repair."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces import NodeCell

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
