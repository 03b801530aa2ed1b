"""How an architecture is drawn: places, colours and pixels, without saying by which library.

Nodes that carry nothing to the output are left out, so isomorphic cells look alike. Letters: a column is a layer of the
drawing, a row its height above the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from optuna_agnet.analysis.figures.lanes import (
    arrow,
    grid_of,
    is_network,
    lane_numbers,
    lane_places,
    lanes_of,
    without_decisions,
)
from optuna_agnet.analysis.figures.placement import Places, places_of
from optuna_agnet.core.architecture import INPUT, NONE, OUTPUT, Architecture
from optuna_agnet.spaces.checks import check_architecture

# Okabe & Ito (2008), told apart by colour-blind readers too; then Tol's muted ones. Input and output are grey.
COLORS = (
    *("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"),
    *("#882255", "#999933", "#44AA99", "#332288", "#DDCC77"),
)
GREY = "#B0B0B0"
LINE = "#808080"  # of arrows: seen on white and on black

_LETTER = 0.6  # width of a letter, in units of its size
_WIDEST_GAP = 190  # pixels between two columns, at most


@dataclass(frozen=True, slots=True)
class Box:
    """A node: its middle, half its width and height, operation and colours."""

    x: float
    y: float
    half_width: float
    half_height: float
    op: str
    fill: str
    ink: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything in pixels, from the upper left corner.

    Args:
        width: Of the picture.
        height: Of the picture.
        boxes: One a node; discs where ``named`` is False.
        arrows: From (x, y) to (x, y).
        named: Whether the operations' names stand in the boxes, or else in ``legend``.
        legend: Discs with the operation's name to their right.
        captions: Left end, middle and text of the cells' names, where there are several cells.
        font: Size of the letters.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[float, float, float, float], ...]
    named: bool
    legend: tuple[Box, ...]
    captions: tuple[tuple[float, float, str], ...]
    font: float


@dataclass(frozen=True, slots=True)
class Cell:
    """What is drawn of an architecture's cell: live nodes by number, the edges among them, and its name."""

    name: str
    nodes: dict[int, str]
    edges: list[tuple[int, int]]


def draw(arch: Architecture, width: int, ops: Sequence[str] = ()) -> Drawing:
    """Lay out an architecture in ``width`` pixels, from left (input) to right (output).

    Several cells are drawn one below the other. Names stand in the nodes where they fit, else nodes are discs and a
    legend is below. The decisions of a network have a lane each, above its cells (`lanes`).

    Args:
        arch: What to draw.
        width: Of the picture, in pixels.
        ops: Operations that have their colours in this order; default: those of ``arch``, by name.

    Raises:
        ValueError: ``width`` is below 100 pixels.
        TypeError: ``arch`` is no `Architecture`.
    """
    check_architecture(arch)
    if width < 100:
        raise ValueError(f"width={width} must be at least 100 pixels")
    if not is_network(arch):
        return _draw_cells(arch, width, ops)
    decisions, cells = _draw_decisions(arch, width, ops), without_decisions(arch)
    if len(cells.nodes) < 2:
        return decisions
    return _below(decisions, _draw_cells(cells, width, ops))


def _draw_decisions(arch: Architecture, width: int, ops: Sequence[str]) -> Drawing:
    places = lane_places(arch)
    if not places:
        return Drawing(width, 0, (), (), True, (), (), 13.0)
    grid, lanes, colors = grid_of(places, width), lanes_of(places), lane_numbers(ops)
    boxes = []
    for place in places.values():
        lane = lanes[place.lane]
        fill = COLORS[colors.get(place.lane, lane) % len(COLORS)]
        at = grid.x(place.column), grid.y(lane)
        size = grid.half, grid.half_height
        boxes.append(Box(*at, *size, grid.text(place.value), fill, _ink(fill)))
    arrows = [arrow(grid, places, node) for node in places]
    captions = tuple((8.0, grid.y(number), grid.caption(lane)) for lane, number in lanes.items())
    height = round(grid.y(len(lanes) - 1) + grid.half_height + 14)
    drawn = tuple(arrow for arrow in arrows if arrow is not None)
    return Drawing(width, height, tuple(boxes), drawn, True, (), captions, grid.font)


def _below(above: Drawing, cells: Drawing) -> Drawing:
    """Both drawings, one below the other; the cells' discs have their names in the legend alone."""
    top = above.height

    def moved(box: Box) -> Box:
        return replace(box, y=box.y + top, op=box.op if cells.named else "")

    return Drawing(
        above.width,
        top + cells.height,
        (*above.boxes, *map(moved, cells.boxes)),
        (*above.arrows, *((x, y + top, to_x, to_y + top) for x, y, to_x, to_y in cells.arrows)),
        True,
        tuple(replace(box, y=box.y + top) for box in cells.legend),
        (*above.captions, *((x, y + top, name) for x, y, name in cells.captions)),
        above.font,
    )


def _draw_cells(arch: Architecture, width: int, ops: Sequence[str]) -> Drawing:
    cells = cells_of(arch)
    places = [places_of(cell.nodes, cell.edges) for cell in cells]
    colors = colors_of(ops or sorted(set(arch.nodes)))
    letters = max(len(op) for cell in cells for op in cell.nodes.values())
    sizes = _sizes(width, letters, max(x for cell in places for x, _ in cell.values()))
    parts, captions, top = [], [], 0.0
    for cell, own in zip(cells, places, strict=True):
        if cell.name:
            captions.append((8.0, top + 0.8 * sizes.font + 4, cell.name))
            top += 1.6 * sizes.font
        part, top = _boxes(cell, own, colors, sizes, top)
        parts.append(part)
    legend: tuple[Box, ...] = ()
    if not sizes.named:
        legend, top = _legend([op for part in parts for op in part.values()], sizes, top)
    return Drawing(
        width,
        round(top),
        tuple(box for part in parts for box in part.values()),
        tuple(
            _arrow(part[i], part[j], sizes.named)
            for cell, part in zip(cells, parts, strict=True)
            for i, j in cell.edges
        ),
        sizes.named,
        legend,
        tuple(captions),
        sizes.font,
    )


@dataclass(frozen=True, slots=True)
class _Sizes:
    width: int
    font: float
    half: float
    half_height: float
    gap: float
    row: float
    named: bool


def _sizes(width: int, letters: int, columns: float) -> _Sizes:
    """Boxes with names where the columns leave room for them, else discs."""
    columns, font = max(1.0, columns), 13.0
    half = (letters * _LETTER * font + 18) / 2
    gap = min(_WIDEST_GAP, (width - 2 * half - 16) / columns)
    if gap >= 2 * half + 26:
        return _Sizes(width, font, half, 15.0, gap, 62.0, True)
    half = min(14.0, (width - 16) / (3.5 * columns + 2))
    gap = min(_WIDEST_GAP, (width - 16 - 2 * half) / columns)
    row = min(62.0, max(2.6 * half, 0.7 * gap))
    return _Sizes(width, max(12.0, min(16.0, width / 16)), half, half, gap, row, False)


def _boxes(
    cell: Cell, places: Places, colors: dict[str, str], sizes: _Sizes, top: float
) -> tuple[dict[int, Box], float]:
    """A box a node, and the lower end of the cell, whose upper one is given."""
    rows = [y for _, y in places.values()]
    left = (sizes.width - max(x for x, _ in places.values()) * sizes.gap) / 2
    first = top + 14 + sizes.half_height
    boxes = {
        i: _box(
            left + places[i][0] * sizes.gap,
            first + (max(rows) - places[i][1]) * sizes.row,
            op,
            colors.get(op, GREY),
            sizes,
        )
        for i, op in cell.nodes.items()
    }
    return boxes, first + (max(rows) - min(rows)) * sizes.row + sizes.half_height + 14


def _box(x: float, y: float, op: str, fill: str, sizes: _Sizes) -> Box:
    return Box(x, y, sizes.half, sizes.half_height, op, fill, _ink(fill))


def _legend(boxes: list[Box], sizes: _Sizes, top: float) -> tuple[tuple[Box, ...], float]:
    """One entry a coloured operation, in as many columns as fit, and the height of the picture with them."""
    fills = {box.op: box.fill for box in boxes if box.fill != GREY}
    names = sorted(fills, key=lambda op: COLORS.index(fills[op]))
    if not names:
        return (), top
    entry = max(map(len, names)) * _LETTER * sizes.font + 3 * sizes.font
    columns = max(1, min(len(names), int((sizes.width - 8) // entry)))
    line, radius = 1.5 * sizes.font, 0.45 * sizes.font
    entries = []
    for k, op in enumerate(names):
        x = 8 + sizes.font * 0.6 + (k % columns) * entry
        y = top + line * (k // columns + 0.5)
        entries.append(Box(x, y, radius, radius, op, fills[op], _ink(fills[op])))
    return tuple(entries), top + line * (-(-len(names) // columns)) + 8


def _arrow(source: Box, target: Box, named: bool) -> tuple[float, float, float, float]:
    """From the edge of one node to that of another."""
    if named:  # boxes: out at the right, in at the left
        return source.x + source.half_width, source.y, target.x - target.half_width - 2, target.y
    dx, dy = target.x - source.x, target.y - source.y
    length = max(1e-9, (dx * dx + dy * dy) ** 0.5)
    a, b = source.half_width / length, (target.half_width + 2) / length
    return source.x + a * dx, source.y + a * dy, target.x - b * dx, target.y - b * dy


def colors_of(ops: Sequence[str]) -> dict[str, str]:
    """A colour an operation, in their order; a stack's operations have those of their cells."""
    names = dict.fromkeys(split_label(op)[1] for op in ops)
    shown = [op for op in names if op not in (INPUT, OUTPUT, NONE)]
    return {op: COLORS[k % len(COLORS)] for k, op in enumerate(shown)}


def _ink(fill: str) -> str:
    """Black or white, whichever is read better on a colour (WCAG's relative luminance)."""
    parts = [int(fill[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#FFFFFF"


# -- places ----------------------------------------------------------------------------------------------------------


def cells_of(arch: Architecture) -> list[Cell]:
    """One cell an output, with the nodes on a path from the input to it; a stack's labels are cut at their dot."""
    usable = [op != NONE for op in arch.nodes]
    after = {0}
    for i, j in sorted(arch.edges, key=lambda edge: edge[1]):
        if i in after and usable[j]:
            after.add(j)
    cells = [_cell(arch, last, after) for last, op in enumerate(arch.nodes) if op == OUTPUT]
    return _numbered(cells)


def _numbered(cells: list[Cell]) -> list[Cell]:
    """Cells of the same name, those of a `Repeat`, with their place in the list: ``body[0]``, ``body[1]``."""
    names = [cell.name for cell in cells]
    return [
        replace(cell, name=f"{cell.name}[{names[:k].count(cell.name)}]")
        if cell.name and names.count(cell.name) > 1
        else cell
        for k, cell in enumerate(cells)
    ]


def _cell(arch: Architecture, last: int, after: set[int]) -> Cell:
    before = {last}
    for i, j in sorted(arch.edges, key=lambda edge: -edge[0]):
        if j in before and arch.nodes[i] != NONE:
            before.add(i)
    live = (after & before) | {0, last}
    labels = {i: split_label(op) for i, op in enumerate(arch.nodes) if i in live}
    name = next((prefix for prefix, _ in labels.values() if prefix), "")
    edges = [(i, j) for i, j in arch.edges if i in live and j in live]
    return Cell(name, {i: op for i, (_, op) in labels.items()}, edges)


def split_label(label: str) -> tuple[str, str]:
    """The cell's name and the operation of a stack's label, ``outer.inner.conv``; an empty name for other labels."""
    parts = label.split(".")
    names = list(takewhile(str.isidentifier, parts[:-1]))
    return ".".join(names), ".".join(parts[len(names) :])
