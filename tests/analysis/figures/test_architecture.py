"""Pictures of architectures: what is left out, that nothing overlaps, and two writers of one layout."""

import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.analysis.figures import placement
from optuna_agnet.analysis.figures.layout import cells_of, draw
from optuna_agnet.analysis.figures.placement import places_of
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.visualization import architecture_svg, plot_architecture

pytest.importorskip("plotly")

SPACES = [spaces.nas_bench_201(), spaces.nas_bench_101()]
SVG = "{http://www.w3.org/2000/svg}"


def random_architectures(space: spaces.SearchSpace, n: int) -> list[Architecture]:
    return space.architectures(space.sample(n, np.random.default_rng(0)))


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_nodes_and_arrows_keep_apart(space: spaces.SearchSpace) -> None:
    for arch in random_architectures(space, 40):
        (cell,) = cells_of(arch)
        edges, places = cell.edges, places_of(cell.nodes, cell.edges)
        assert all(places[i][0] < places[j][0] for i, j in edges)  # left to right
        for node, (x, y) in places.items():
            others = [py for k, (px, py) in places.items() if k != node and px == x]
            assert all(abs(y - other) >= 0.9 for other in others)
            for i, j in edges:
                (x0, y0), (x1, y1) = places[i], places[j]
                if node not in (i, j) and x0 < x < x1:
                    assert abs(y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y) > 0.25, str(arch)


def test_the_cost_of_a_move_is_the_change_of_the_whole_cost() -> None:
    rng = np.random.default_rng(0)
    for arch in random_architectures(SPACES[1], 10):
        (cell,) = cells_of(arch)
        places = places_of(cell.nodes, cell.edges)
        node = int(rng.choice(list(places)))
        moved = {**places, node: (places[node][0], places[node][1] + 0.75)}
        change = placement._cost(moved, cell.edges) - placement._cost(places, cell.edges)
        own = [placement._cost_of(node, where, cell.edges) for where in (moved, places)]
        assert own[0] - own[1] == pytest.approx(change)


def test_a_recurrent_cell_is_a_cell_although_its_text_is_json_as_a_networks_is() -> None:
    for arch in random_architectures(spaces.nas_bench_nlp(12), 10):
        (cell,) = cells_of(arch)
        assert len(draw(arch, 900).boxes) == len(cell.nodes) > 2
    cells = spaces.Network(a=spaces.nas_bench_201(), b=spaces.nas_bench_201())  # decides nothing
    (arch,) = random_architectures(cells, 1)
    assert [name for _, _, name in draw(arch, 900).captions] == ["a", "b"]


@pytest.mark.parametrize("width", [200, 600, 1000])
@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_everything_is_inside_and_boxes_are_disjoint(space: spaces.SearchSpace, width: int) -> None:
    for arch in random_architectures(space, 20):
        drawn = draw(arch, width)
        assert drawn.named == (not drawn.legend)
        boxes = drawn.boxes + drawn.legend
        for box in boxes:
            assert box.x - box.half_width >= 0
            assert box.x + box.half_width <= width
            assert box.y - box.half_height >= 0
            assert box.y + box.half_height <= drawn.height
        for k, a in enumerate(boxes):
            for b in boxes[:k]:
                apart_x = abs(a.x - b.x) >= a.half_width + b.half_width
                apart_y = abs(a.y - b.y) >= a.half_height + b.half_height
                assert apart_x or apart_y


def test_names_in_the_nodes_where_they_fit_else_a_legend() -> None:
    arch = Architecture(("input", "conv", "pool", "output"), ((0, 1), (1, 2), (2, 3)))
    wide, small = draw(arch, 1000), draw(arch, 200)
    assert (wide.named, small.named) == (True, False)
    assert [box.op for box in small.legend] == ["conv", "pool"]
    assert {b.op: b.fill for b in small.legend}.items() <= {
        b.op: b.fill for b in wide.boxes
    }.items()


def test_none_and_dead_nodes_are_left_out() -> None:
    space = spaces.nas_bench_201()
    arch = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")
    figure = plot_architecture(arch)
    assert [trace.name for trace in figure.data] == ["input", "skip_connect", "output"]
    assert len(figure.layout.annotations) == 2  # arrows


def test_a_cell_without_a_path_and_a_long_chain_are_drawn() -> None:
    figure = plot_architecture(Architecture(("input", "none", "output"), ((0, 1), (1, 2))))
    assert [trace.name for trace in figure.data] == ["input", "output"]
    chain = Architecture(
        ("input", *["a", "b"] * 12, "output"), tuple((i, i + 1) for i in range(25))
    )
    assert len(draw(chain, 200).arrows) == 25


def test_cells_of_a_stack_are_drawn_one_below_the_other_in_the_same_colours() -> None:
    cell = spaces.EdgeCell(nodes=3, ops=("conv", "pool"))
    space = spaces.Stack(normal=cell, reduce=cell)
    arch = space.from_params(dict.fromkeys((d.name for d in space.decisions), "conv"))
    drawn = draw(arch, 700, space.ops)
    assert [name for _, _, name in drawn.captions] == ["normal", "reduce"]
    assert [box.op for box in drawn.boxes] == ["input", "conv", "conv", "conv", "output"] * 2
    upper, lower = drawn.boxes[:5], drawn.boxes[5:]
    assert max(box.y for box in upper) < min(box.y for box in lower)
    assert [box.fill for box in upper] == [box.fill for box in lower]
    ElementTree.fromstring(architecture_svg(arch, width=200, ops=space.ops))
    assert len(plot_architecture(arch).layout.annotations) == len(drawn.arrows) + 2


def test_colour_belongs_to_the_operation() -> None:
    cells = [
        Architecture(("input", a, b, "output"), ((0, 1), (0, 2), (1, 3), (2, 3)))
        for a, b in (("conv", "pool"), ("pool", "conv"))
    ]
    colors = [{box.op: box.fill for box in draw(cell, 900).boxes} for cell in cells]
    assert colors[0] == colors[1]
    assert colors[0]["conv"] != colors[0]["pool"]
    alone = Architecture(("input", "pool", "output"), ((0, 1), (1, 2)))
    fills = [
        {box.op: box.fill for box in draw(cell, 900, ("conv", "pool")).boxes}["pool"]
        for cell in (*cells, alone)
    ]
    assert len(set(fills)) == 1


def test_the_figure_and_the_svg_are_the_same_drawing() -> None:
    arch = SPACES[0].random_architecture(3)
    drawn, figure = draw(arch, 700), plot_architecture(arch, width=700)
    tree = ElementTree.fromstring(architecture_svg(arch, width=700))
    assert tree.get("width") == "700"
    assert tree.get("height") == str(drawn.height)
    assert len(tree.findall(f"{SVG}line")) == len(figure.layout.annotations) == len(drawn.arrows)
    texts = [text.text for text in tree.findall(f"{SVG}text")]
    assert texts == [box.op for box in drawn.boxes]
    points = {(x, y) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True)}
    assert points == {(box.x, box.y) for box in drawn.boxes}


def test_names_are_escaped_and_themes_differ() -> None:
    arch = Architecture(("input", "a<b&c", "output"), ((0, 1), (1, 2)))
    ElementTree.fromstring(architecture_svg(arch, width=150))
    assert architecture_svg(arch, theme="dark") != architecture_svg(arch)


def test_bad_input_names_the_value() -> None:
    arch = SPACES[0].random_architecture(0)
    with pytest.raises(ValueError, match="width=50"):
        architecture_svg(arch, width=50)
    with pytest.raises(ValueError, match="theme='neon'"):
        architecture_svg(arch, theme="neon")


def test_without_plotly_there_is_svg_and_the_error_says_what_to_install() -> None:
    code = """
import sys
sys.modules["plotly"] = sys.modules["plotly.graph_objects"] = None
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.visualization import architecture_svg, plot_architecture
arch = Architecture(("input", "output"), ((0, 1),))
assert "<svg" in architecture_svg(arch)
try:
    plot_architecture(arch)
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "optuna-agnet[plot]" in done.stdout


def test_cells_of_a_stack_in_a_stack_have_their_whole_name_and_the_same_colours() -> None:
    cell = spaces.EdgeCell(nodes=2, ops=("conv", "pool"))
    space = spaces.Stack(encoder=spaces.Stack(a=cell, b=cell), head=cell)
    arch = space.parse("Genotype(encoder=Genotype(a='|conv~0|', b='|conv~0|'), head='|conv~0|')")
    drawing = draw(arch, 900, space.ops)
    assert [name for _, _, name in drawing.captions] == ["encoder.a", "encoder.b", "head"]
    assert len({box.fill for box in drawing.boxes if box.op == "conv"}) == 1
    assert {box.op for box in drawing.boxes} == {"input", "conv", "output"}
