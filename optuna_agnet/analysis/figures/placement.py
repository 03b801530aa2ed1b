"""Where the nodes of a cell are drawn: few crossings, short arrows, found by moving one node after the other.

Letters: a column is a layer of the drawing, a row its height above the middle.
"""

from __future__ import annotations

from typing import TypeAlias

Places: TypeAlias = dict[int, tuple[float, float]]
"""Column and row of each node, by its number."""

_SWEEPS = 8  # at most
_REACH = 10  # quarter rows above and below the middle


def places_of(nodes: dict[int, str], edges: list[tuple[int, int]]) -> Places:
    """Column and row of each node: the longest path from the input says the column, `_cost` the row."""
    layer = dict.fromkeys(nodes, 0)
    for i, j in sorted(edges, key=lambda edge: edge[1]):
        layer[j] = max(layer[j], layer[i] + 1)
    layer[max(nodes)] = max(1, *layer.values())
    start: Places = {}
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


def _settled(places: Places, inner: list[int], edges: list[tuple[int, int]]) -> Places:
    """Rows chosen one node after the other, until none wants to move."""
    for _ in range(_SWEEPS):
        before = places
        for node in inner:
            x = places[node][0]
            moves = [{**places, node: (x, row / 4)} for row in range(-_REACH, _REACH + 1)]
            places = min([places, *moves], key=lambda move: _cost_of(node, move, edges))
        if places == before:
            break
    return places


def _cost(places: Places, edges: list[tuple[int, int]]) -> float:
    """Overlaps of nodes, of arrows and nodes, and the arrows' height."""
    cost = sum(_heights(places, i, j) for i, j in edges)
    for node, place in places.items():
        cost += sum(_overlap(place, other) for k, other in places.items() if k < node)
        cost += sum(_crossing(places[i], places[j], place) for i, j in edges)
    return cost


def _cost_of(node: int, places: Places, edges: list[tuple[int, int]]) -> float:
    """The part of `_cost` that depends on the place of a node."""
    place = places[node]
    cost = sum(_overlap(place, other) for k, other in places.items() if k != node)
    for i, j in edges:
        if node in (i, j):
            cost += _heights(places, i, j)
            cost += sum(_crossing(places[i], places[j], other) for other in places.values())
        else:
            cost += _crossing(places[i], places[j], place)
    return cost


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    return 50.0 * (a[0] == b[0] and abs(a[1] - b[1]) < 1)


def _crossing(
    start: tuple[float, float], end: tuple[float, float], node: tuple[float, float]
) -> float:
    """Whether an arrow runs through a node."""
    if not start[0] < node[0] < end[0]:
        return 0.0
    above = start[1] + (end[1] - start[1]) * (node[0] - start[0]) / (end[0] - start[0]) - node[1]
    return 10.0 * (-0.5 < above < 0.5)


def _heights(places: Places, i: int, j: int) -> float:
    return (places[i][1] - places[j][1]) ** 2 / 10
