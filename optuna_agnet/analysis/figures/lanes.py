"""How a network's decisions are drawn: one lane a decision, from block to block, its value in a box.

Cells among its parts are left to `layout`. Letters: a column is a block's place in its sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna_agnet.core.architecture import OUTPUT, Architecture

_FONT, _SMALLEST = 13.0, 9.0
_LETTER = 0.6  # width of a letter, in units of its size
_GAP = 14.0  # pixels between boxes, where there is room
_NARROW = 30.0  # pixels a column, under which lanes are called by the last part of their name
_LANE, _HALF = 34.0, 12.0  # height of a lane, half of a box's


@dataclass(frozen=True, slots=True)
class Place:
    """A decision: its lane and column, what was chosen, and the number of the node that leads to it."""

    lane: str
    column: int
    value: str
    source: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Pixels of lanes and columns.

    Args:
        left: Where boxes begin.
        step: From column to column.
        half: Half the width of a box.
        font: Size of the letters.
        letters: Most letters that a box holds.
        short: Whether lanes are called by the last part of their name.
    """

    left: float
    step: float
    half: float
    font: float
    letters: int
    short: bool

    def x(self, column: int) -> float:
        """Middle of a column."""
        return self.left + self.half + column * self.step

    def y(self, lane: int) -> float:
        """Middle of a lane."""
        return 14 + _HALF + lane * _LANE

    @property
    def half_height(self) -> float:
        """Of a box."""
        return _HALF

    def text(self, value: str) -> str:
        """A value as it fits into a box; nothing where not even a letter and a sign for the rest do."""
        if len(value) <= self.letters:
            return value
        return value[: self.letters - 1] + "…" if self.letters > 1 else ""

    def caption(self, lane: str) -> str:
        """What a lane is called."""
        return lane.rpartition(".")[2] if self.short else lane


def is_network(arch: Architecture) -> bool:
    """Whether it is one of a `Network`, `OneOf` or `Repeat`: decisions, or cells behind which all comes together.

    Their texts are JSON. So is that of a recurrent cell, which has neither.
    """
    parts = bool(_deciding(arch)) or arch.nodes.count(OUTPUT) > 1
    return arch.text[:1] in ("{", "[") and parts


def _decides(label: str) -> bool:
    name, sign, _ = label.partition("=")
    return bool(sign) and all(part.isidentifier() for part in name.split("."))


def _deciding(arch: Architecture) -> set[int]:
    """Its decisions by node: they lead to the output itself, unlike a cell's operation called ``k=3``."""
    last = len(arch.nodes) - 1
    return {i for i, j in arch.edges if j == last and _decides(arch.nodes[i])}


def lane_places(arch: Architecture) -> dict[int, Place]:
    """Lane and column of each decision, by node: a block is one column after the block before."""
    sources = {j: i for i, j in arch.edges if j < len(arch.nodes) - 1}
    found: dict[int, Place] = {}
    ends: dict[str, int] = {}
    for node in sorted(_deciding(arch)):
        lane, _, value = arch.nodes[node].partition("=")
        source = found.get(sources[node])
        column = 0 if source is None else source.column + (source.lane == lane)
        column = max(column, ends.get(lane, -1) + 1)
        ends[lane] = column
        found[node] = Place(lane, column, value, sources[node])
    return found


def grid_of(places: dict[int, Place], width: int) -> Grid:
    """The largest letters, down to a smallest size, with which all columns fit."""
    columns = 1 + max(place.column for place in places.values())
    longest = max(len(place.value) for place in places.values())
    lane = max(len(place.lane) for place in places.values())
    font = _FONT
    while font > _SMALLEST and _needed(lane, longest, columns, font) > width:
        font -= 1
    short = (width - lane * _LETTER * font - 32) / columns < _NARROW
    if short:
        lane = max(len(place.lane.rpartition(".")[2]) for place in places.values())
    left = lane * _LETTER * font + 24
    step = (width - left - 8) / columns
    half = max(1.0, min((longest * _LETTER * font + 14) / 2, (step - min(_GAP, step / 3)) / 2))
    step = min(step, 2 * half + 4 * _GAP)
    return Grid(left, step, half, font, int((2 * half - 6) / (_LETTER * font)), short)


def _needed(lane: int, longest: int, columns: int, font: float) -> float:
    box = longest * _LETTER * font + 14 + _GAP
    return lane * _LETTER * font + 32 + columns * box


def arrow(
    grid: Grid, places: dict[int, Place], node: int
) -> tuple[float, float, float, float] | None:
    """From the decision that leads to this one: to the right within a lane, else downwards; None from the input."""
    lanes = lanes_of(places)
    place, source = places[node], places.get(places[node].source)
    if source is None:
        return None
    x, y = grid.x(source.column), grid.y(lanes[source.lane])
    to_x, to_y = grid.x(place.column), grid.y(lanes[place.lane])
    if source.lane == place.lane:
        return x + grid.half, y, to_x - grid.half - 2, to_y
    return x, y + _HALF, to_x, to_y - _HALF - 2


def lanes_of(places: dict[int, Place]) -> dict[str, int]:
    """Lanes from top to bottom: as they come, and what depends on a decision below it."""
    names = dict.fromkeys(place.lane for place in places.values())
    first = {name: number for number, name in enumerate(names)}

    def rank(lane: str) -> list[int]:
        parts = lane.split(".")
        above = (".".join(parts[: i + 1]) for i in range(len(parts)))
        return [first[name] for name in above if name in first]

    return {name: number for number, name in enumerate(sorted(names, key=rank))}


def lane_numbers(ops: Sequence[str]) -> dict[str, int]:
    """Of the decisions of a space, by the labels of its choices: the same in all of its architectures."""
    names = dict.fromkeys(op.partition("=")[0] for op in ops if _decides(op))
    return {name: number for number, name in enumerate(names)}


def without_decisions(arch: Architecture) -> Architecture:
    """The cells alone, behind the input; of a network without cells, the input alone."""
    deciding = _deciding(arch)
    kept = [i for i in range(len(arch.nodes) - 1) if i not in deciding]
    number = {node: k for k, node in enumerate(kept)}
    edges = [(number.get(i, 0), number[j]) for i, j in arch.edges if j in number]
    moved = [(0 if arch.nodes[kept[i]] == OUTPUT else i, j) for i, j in edges]  # from cell to cell
    return Architecture(tuple(arch.nodes[i] for i in kept), tuple(dict.fromkeys(moved)))
