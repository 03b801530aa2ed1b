"""Pictures of networks: a lane a decision, a column a block, every box inside, none upon another."""

from itertools import combinations, pairwise

import pytest

from optuna_agnet import spaces
from optuna_agnet.analysis.figures.lanes import (
    is_network,
    lane_places,
    lanes_of,
    without_decisions,
)
from optuna_agnet.analysis.figures.layout import draw
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.spaces import Network, OneOf, Repeat, ordered
from optuna_agnet.visualization import architecture_svg, plot_architecture

BLOCK = Network(
    mixer=OneOf(attention=Network(heads=ordered(2, 4)), conv=Network(kernel=ordered(3, 5))),
    ratio=ordered(2, 3),
)
SPACE = Network(width=ordered(64, 96), blocks=Repeat(BLOCK, 1, 5))
NESTED = Network(stages=Repeat(Network(w=ordered(1, 2), layers=Repeat(ordered(3, 5), 1, 3)), 1, 3))
WITH_CELL = Network(cell=spaces.nas_bench_201(), channels=ordered(16, 32))
SPACES = [SPACE, NESTED, WITH_CELL, spaces.mobile_net(), spaces.vision_transformer()]


def architecture() -> Architecture:
    attention, conv = {"attention": {"heads": 4}}, {"conv": {"kernel": 5}}
    blocks = [{"mixer": mixer, "ratio": 2} for mixer in (conv, attention, conv)]
    return SPACE.from_values({"width": 96, "blocks": blocks})


def test_a_lane_is_a_decision_and_a_column_a_block():
    places = lane_places(architecture())
    assert [(p.lane, p.column, p.value) for p in places.values()] == [
        ("width", 0, "96"),
        ("blocks.depth", 0, "3"),
        ("blocks.mixer", 0, "conv"),
        ("blocks.mixer.conv.kernel", 0, "5"),
        ("blocks.ratio", 0, "2"),
        ("blocks.mixer", 1, "attention"),
        ("blocks.mixer.attention.heads", 1, "4"),
        ("blocks.ratio", 1, "2"),
        ("blocks.mixer", 2, "conv"),
        ("blocks.mixer.conv.kernel", 2, "5"),
        ("blocks.ratio", 2, "2"),
    ]


def test_what_depends_on_a_decision_is_below_it():
    assert list(lanes_of(lane_places(architecture()))) == [
        "width",
        "blocks.depth",
        "blocks.mixer",
        "blocks.mixer.conv.kernel",
        "blocks.mixer.attention.heads",
        "blocks.ratio",
    ]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("width", [150, 200, 300, 900])
def test_everything_is_inside_and_boxes_are_disjoint(space, width):
    for seed in range(5):
        drawing = draw(space.random_architecture(seed), width, space.ops)
        for box in drawing.boxes:
            assert 0 <= box.x - box.half_width < box.x + box.half_width <= drawing.width
            assert 0 <= box.y - box.half_height < box.y + box.half_height <= drawing.height
        for a, b in combinations(drawing.boxes, 2):
            beside = abs(a.x - b.x) >= a.half_width + b.half_width
            assert beside or abs(a.y - b.y) >= a.half_height + b.half_height


def test_a_decision_has_one_colour_in_all_architectures():
    drawings = [draw(SPACE.random_architecture(seed), 900, SPACE.ops) for seed in range(20)]
    colors: dict[str, set[str]] = {}
    for seed, drawing in enumerate(drawings):
        places = lane_places(SPACE.random_architecture(seed))
        for place, box in zip(places.values(), drawing.boxes, strict=True):
            colors.setdefault(place.lane, set()).add(box.fill)
    assert all(len(found) == 1 for found in colors.values())
    assert len({next(iter(found)) for found in colors.values()}) == len(colors)


def test_arrows_lead_from_block_to_block_and_from_parent_to_child():
    drawing = draw(architecture(), 900)
    flat = [a for a in drawing.arrows if a[1] == a[3]]
    assert len(flat) == 4  # two decisions in each of three blocks
    assert (
        len(drawing.arrows) == len(flat) + 2 + 3
    )  # depth to the first block, mixers to their parts
    assert all(x < to_x for x, _, to_x, _ in flat)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_both_forms_say_every_value(space):
    arch = space.random_architecture(0)
    svg = architecture_svg(arch, width=1200, ops=space.ops)
    shown = "".join(str(trace.text) for trace in plot_architecture(arch, width=1200).data)
    for place in lane_places(arch).values():
        assert f">{place.value}</text>" in svg
        assert place.value in shown


def test_a_long_value_is_cut():
    space = Network(way=("a" * 40, "b"), blocks=Repeat(("c" * 30, "d"), 3, 3))
    row = space.choices([space.from_values({"way": "b", "blocks": ["c" * 30] * 3})])
    texts = [box.op for box in draw(space.architectures(row)[0], 300).boxes]
    assert all(len(text) < 30 for text in texts)
    assert [len(text) > 1 for text in texts].count(True) == 3


def test_cells_are_drawn_below():
    drawing = draw(WITH_CELL.random_architecture(3), 700)
    assert [name for _, _, name in drawing.captions] == ["channels", "cell"]
    tops = [y for _, y, _ in drawing.captions]
    assert all(a < b for a, b in pairwise(tops))
    assert "input" in [box.op for box in drawing.boxes]


def test_a_thumbnail_calls_lanes_by_the_last_part_of_their_name():
    drawing = draw(architecture(), 200)
    names = [name for _, _, name in drawing.captions]
    assert names == ["width", "depth", "mixer", "kernel", "heads", "ratio"]
    assert {"4", "5", "2"} <= {box.op for box in drawing.boxes}
    assert [name for _, _, name in draw(architecture(), 900).captions][1] == "blocks.depth"


def test_an_operation_that_is_called_like_a_choice_is_a_cells():
    cell = spaces.EdgeCell(nodes=3, ops=("k=3", "skip"))
    space = Network(cell=cell, width=ordered(1, 2))
    arch = space.from_values({"cell": "|k=3~0|+|k=3~0|k=3~1|", "width": 1})
    assert [place.lane for place in lane_places(arch).values()] == ["width"]
    assert without_decisions(arch).nodes.count("cell.k=3") == 3
    assert not is_network(spaces.DartsCell(nodes=1, ops=("k=3", "k=5")).random_architecture(0))


def test_cells_of_a_repeat_are_numbered():
    cell = spaces.EdgeCell(nodes=3, ops=("conv", "pool"))
    space = Network(body=Repeat(cell, 3, 3), head=Network(last=cell))
    drawing = draw(space.random_architecture(0), 900, space.ops)
    names = [name for _, _, name in drawing.captions]
    assert names == ["body.depth", "body[0]", "body[1]", "body[2]", "head.last"]
