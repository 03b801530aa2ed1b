"""How an architecture is drawn: places, colours and pixels, without saying by which library.

Nodes that carry nothing to the output are left out, so isomorphic cells look alike. Letters: a column is a layer of the
drawing, a row its height above the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna_agnet.architecture import INPUT, NONE, OUTPUT, Architecture

# Okabe & Ito (2008), told apart by colour-blind readers too; then Tol's muted ones. Input and output are grey.
COLORS = (
    *("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"),
    *("#882255", "#999933", "#44AA99", "#332288", "#DDCC77"),
)
GREY = "#B0B0B0"
LINE = "#808080"  # of arrows: seen on white and on black

_SWEEPS = 8  # of the layout, at most
_REACH = 10  # quarter rows above and below the middle
_LETTER = 0.6  # width of a letter, in units of its size
_WIDEST_GAP = 190  # pixels between two columns, at most

_Graph = tuple[dict[int, str], list[tuple[int, int]]]
_Places = dict[int, tuple[float, float]]


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
        font: Size of the letters.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[float, float, float, float], ...]
    named: bool
    legend: tuple[Box, ...]
    font: float


def draw(arch: Architecture, width: int, ops: Sequence[str] = ()) -> Drawing:
    """Lay out an architecture in ``width`` pixels, from left (input) to right (output).

    Names stand in the nodes where they fit, else nodes are discs and a legend is below.

    Args:
        arch: What to draw.
        width: Of the picture, in pixels.
        ops: Operations that have their colours in this order; default: those of ``arch``, by name.

    Raises:
        ValueError: ``width`` is below 100 pixels.
    """
    if width < 100:
        raise ValueError(f"width={width} must be at least 100 pixels")
    nodes, edges = live_graph(arch)
    places = places_of(nodes, edges)
    colors = _colors(ops or sorted(set(arch.nodes)))
    columns = max(x for x, _ in places.values())
    letters = max(map(len, nodes.values()))
    font = 13.0
    half = (letters * _LETTER * font + 18) / 2
    gap = min(_WIDEST_GAP, (width - 2 * half - 16) / max(1, columns))
    named = gap >= 2 * half + 26
    if not named:
        font = max(12.0, min(16.0, width / 16))
        half = min(14.0, (width - 16) / (3.5 * columns + 2))
        gap = (width - 16 - 2 * half) / max(1, columns)
    half_height = 15.0 if named else half
    return _drawing(
        nodes, edges, places, colors, _Sizes(width, font, half, half_height, gap, named)
    )


@dataclass(frozen=True, slots=True)
class _Sizes:
    width: int
    font: float
    half: float
    half_height: float
    gap: float
    named: bool


def _drawing(
    nodes: dict[int, str],
    edges: list[tuple[int, int]],
    places: _Places,
    colors: dict[str, str],
    sizes: _Sizes,
) -> Drawing:
    rows = [y for _, y in places.values()]
    high, low = max(rows), min(rows)
    columns = max(x for x, _ in places.values())
    left = (sizes.width - columns * sizes.gap) / 2
    row_height = 62.0 if sizes.named else min(62.0, max(2.6 * sizes.half, 0.7 * sizes.gap))
    top = 14 + sizes.half_height
    boxes = {
        i: _box(
            left + places[i][0] * sizes.gap,
            top + (high - places[i][1]) * row_height,
            op,
            colors,
            sizes,
        )
        for i, op in nodes.items()
    }
    bottom = top + (high - low) * row_height + sizes.half_height + 14
    legend, height = ((), bottom) if sizes.named else _legend(nodes, colors, sizes, bottom)
    arrows = tuple(_arrow(boxes[i], boxes[j], sizes.named) for i, j in edges)
    return Drawing(
        sizes.width, round(height), tuple(boxes.values()), arrows, sizes.named, legend, sizes.font
    )


def _box(x: float, y: float, op: str, colors: dict[str, str], sizes: _Sizes) -> Box:
    fill = colors.get(op, GREY)
    return Box(x, y, sizes.half, sizes.half_height, op, fill, _ink(fill))


def _legend(
    nodes: dict[int, str], colors: dict[str, str], sizes: _Sizes, top: float
) -> tuple[tuple[Box, ...], float]:
    """Entries in as many columns as fit, and the height of the picture with them."""
    names = [op for op in colors if op in nodes.values()]
    if not names:
        return (), top
    entry = max(map(len, names)) * _LETTER * sizes.font + 3 * sizes.font
    columns = max(1, min(len(names), int((sizes.width - 8) // entry)))
    line, radius = 1.5 * sizes.font, 0.45 * sizes.font
    boxes = []
    for k, op in enumerate(names):
        x = 8 + sizes.font * 0.6 + (k % columns) * entry
        y = top + line * (k // columns + 0.5)
        fill = colors.get(op, GREY)
        boxes.append(Box(x, y, radius, radius, op, fill, _ink(fill)))
    return tuple(boxes), top + line * (-(-len(names) // columns)) + 8


def _arrow(source: Box, target: Box, named: bool) -> tuple[float, float, float, float]:
    """From the edge of one node to that of another."""
    if named:  # boxes: out at the right, in at the left
        return source.x + source.half_width, source.y, target.x - target.half_width - 2, target.y
    dx, dy = target.x - source.x, target.y - source.y
    length = max(1e-9, (dx * dx + dy * dy) ** 0.5)
    a, b = source.half_width / length, (target.half_width + 2) / length
    return source.x + a * dx, source.y + a * dy, target.x - b * dx, target.y - b * dy


def _colors(ops: Sequence[str]) -> dict[str, str]:
    shown = [op for op in ops if op not in (INPUT, OUTPUT, NONE)]
    return {op: COLORS[k % len(COLORS)] for k, op in enumerate(shown)}


def _ink(fill: str) -> str:
    """Black or white, whichever is read better on a colour (WCAG's relative luminance)."""
    parts = [int(fill[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#FFFFFF"


# -- places ----------------------------------------------------------------------------------------------------------


def live_graph(arch: Architecture) -> _Graph:
    """Nodes on a path from the input to the output, and the edges among them."""
    last = len(arch.nodes) - 1
    usable = [op != NONE for op in arch.nodes]
    after, before = {0}, {last}
    for i, j in sorted(arch.edges, key=lambda edge: edge[1]):
        if i in after and usable[j]:
            after.add(j)
    for i, j in sorted(arch.edges, key=lambda edge: -edge[0]):
        if j in before and usable[i]:
            before.add(i)
    live = (after & before) | {0, last}
    nodes = {i: op for i, op in enumerate(arch.nodes) if i in live}
    return nodes, [(i, j) for i, j in arch.edges if i in live and j in live]


def places_of(nodes: dict[int, str], edges: list[tuple[int, int]]) -> _Places:
    """Column and row of each node: the longest path from the input says the column, `_cost` the row."""
    layer = dict.fromkeys(nodes, 0)
    for i, j in sorted(edges, key=lambda edge: edge[1]):
        layer[j] = max(layer[j], layer[i] + 1)
    layer[max(nodes)] = max(1, *layer.values())
    start: _Places = {}
    for node, x in layer.items():
        above = sum(other == x for k, other in layer.items() if k < node)
        start[node] = (x, (list(layer.values()).count(x) - 1) / 2 - above)
    if _cost(start, edges) == 0:  # a chain
        return start
    inner = sorted(set(nodes) - {min(nodes), max(nodes)})
    layouts = []
    for bend in (0, 1, -1, 2, -2):  # all inner nodes start above or below the direct way
        bent = {i: (x, y + bend * (i in inner)) for i, (x, y) in start.items()}
        layouts.append(_settled(bent, inner, edges))
    return min(layouts, key=lambda layout: _cost(layout, edges))


def _settled(places: _Places, inner: list[int], edges: list[tuple[int, int]]) -> _Places:
    """Rows chosen one node after the other, until none wants to move."""
    for _ in range(_SWEEPS):
        before = places
        for node in inner:
            x = places[node][0]
            moves = [{**places, node: (x, row / 4)} for row in range(-_REACH, _REACH + 1)]
            places = min([places, *moves], key=lambda move: _cost(move, edges))
        if places == before:
            break
    return places


def _cost(places: _Places, edges: list[tuple[int, int]]) -> float:
    """Overlaps of nodes, of arrows and nodes, and the arrows' height."""
    cost = 0.0
    for node, (x, y) in places.items():
        beside = [py for k, (px, py) in places.items() if k < node and px == x]
        cost += 50 * sum(abs(other - y) < 1 for other in beside)
        for i, j in edges:
            (x0, y0), (x1, y1) = places[i], places[j]
            if x0 < x < x1:
                above = y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y
                cost += 10 * (-0.5 < above < 0.5)
    return cost + sum((places[i][1] - places[j][1]) ** 2 for i, j in edges) / 10
