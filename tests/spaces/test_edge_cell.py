"""Cells with operations on the edges: NAS-Bench-201's numbers and texts."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.spaces import EdgeCell

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
