"""Drawings of architectures: what is left out, and that nothing lies on top of something else."""

import subprocess
import sys

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.architecture import Architecture
from optuna_agnet.visualization import _live_graph, _places, plot_architecture

pytest.importorskip("plotly")

SPACES = [spaces.nas_bench_201(), spaces.nas_bench_101()]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_nodes_and_arrows_keep_apart(space: spaces.CellSpace) -> None:
    for arch in space.architectures(space.sample(150, np.random.default_rng(0))):
        nodes, edges = _live_graph(arch)
        places = _places(nodes, edges)
        assert all(places[i][0] < places[j][0] for i, j in edges)  # left to right
        for node, (x, y) in places.items():
            others = [py for k, (px, py) in places.items() if k != node and px == x]
            assert all(abs(y - other) >= 0.9 for other in others)
            for i, j in edges:
                (x0, y0), (x1, y1) = places[i], places[j]
                if node not in (i, j) and x0 < x < x1:
                    assert abs(y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y) > 0.25, str(arch)


def test_none_and_dead_nodes_are_left_out() -> None:
    space = spaces.nas_bench_201()
    arch = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")
    figure = plot_architecture(arch)
    assert [trace.name for trace in figure.data] == ["input", "skip_connect", "output"]
    notes = figure.layout.annotations
    assert sum(note.showarrow for note in notes) == 2
    assert [note.text for note in notes if not note.showarrow] == [
        "input",
        "skip_connect",
        "output",
    ]


def test_a_cell_without_a_path_is_drawn() -> None:
    figure = plot_architecture(Architecture(("input", "none", "output"), ((0, 1), (1, 2))))
    assert [trace.name for trace in figure.data] == ["input", "output"]


def test_colour_belongs_to_the_operation() -> None:
    cells = [
        Architecture(("input", a, b, "output"), ((0, 1), (0, 2), (1, 3), (2, 3)))
        for a, b in (("conv", "pool"), ("pool", "conv"))
    ]
    colors = [{t.name: t.marker.color for t in plot_architecture(cell).data} for cell in cells]
    assert colors[0] == colors[1]
    assert colors[0]["conv"] != colors[0]["pool"]


def test_without_plotly_the_error_says_what_to_install() -> None:
    code = """
import sys
sys.modules["plotly"] = sys.modules["plotly.graph_objects"] = None
from optuna_agnet.architecture import Architecture
from optuna_agnet.visualization import plot_architecture
try:
    plot_architecture(Architecture(("input", "output"), ((0, 1),)))
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "optuna-agnet[plot]" in done.stdout
