"""Pictures as plotly figures; plotly is imported when one is drawn.

Letters: n nodes of a graph; a layer is a column of the drawing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_agnet.architecture import INPUT, NONE, OUTPUT, Architecture

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Okabe & Ito (2008), told apart by colour-blind readers too; input and output are grey.
_COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_GREY = "#B0B0B0"
_LAYER_WIDTH = 150  # pixels
_ROW_HEIGHT = 95
_SWEEPS = 8  # of the layout, at most
_REACH = 10  # quarter rows above and below the middle


def plot_architecture(arch: Architecture) -> go.Figure:
    """An architecture from left (input) to right (output), nodes coloured by operation.

    Nodes that carry nothing to the output are left out, so isomorphic cells look alike.

    Args:
        arch: What to draw.

    Returns:
        A figure: ``figure.write_html("cell.html", include_plotlyjs=True)`` makes a page that opens offline.

    Raises:
        ImportError: plotly is missing (``pip install 'optuna-agnet[plot]'``).

    Example:
        >>> arch = Architecture(("input", "conv", "pool", "output"), ((0, 1), (0, 2), (1, 3)))
        >>> [trace.name for trace in plot_architecture(arch).data]
        ['input', 'conv', 'output']
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise ImportError(
            "plot_architecture needs plotly: pip install 'optuna-agnet[plot]'"
        ) from error
    nodes, edges = _live_graph(arch)
    places = _places(nodes, edges)
    colors = _colors(arch)
    figure = go.Figure(
        [_operation_trace(op, nodes, places, colors[op]) for op in dict.fromkeys(nodes.values())]
    )
    for i, j in edges:
        (x, y), (to_x, to_y) = places[i], places[j]
        figure.add_annotation(
            {"x": to_x, "y": to_y, "ax": x, "ay": y, "axref": "x", "ayref": "y", "text": ""},
            showarrow=True,
            arrowhead=2,
            arrowwidth=1.5,
            arrowcolor="#606060",
            standoff=18,
            startstandoff=18,
        )
    for i, op in nodes.items():  # after the arrows, so that these don't cross the words
        x, y = places[i]
        figure.add_annotation(
            x=x,
            y=y,
            text=op,
            showarrow=False,
            yshift=-27,
            bgcolor="rgba(255, 255, 255, 0.85)",
            borderpad=1,
            font={"size": 13},
        )
    return _framed(figure, str(arch), places)


def _live_graph(arch: Architecture) -> tuple[dict[int, str], list[tuple[int, int]]]:
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


def _places(nodes: dict[int, str], edges: list[tuple[int, int]]) -> dict[int, tuple[float, float]]:
    """Column and row of each node: the longest path from the input says the column, `_cost` the row."""
    layer = dict.fromkeys(nodes, 0)
    for i, j in sorted(edges, key=lambda edge: edge[1]):
        layer[j] = max(layer[j], layer[i] + 1)
    layer[max(nodes)] = max(1, *layer.values())
    start: dict[int, tuple[float, float]] = {}
    for node, x in layer.items():
        above = sum(other == x for k, other in layer.items() if k < node)
        start[node] = (x, (list(layer.values()).count(x) - 1) / 2 - above)
    inner = sorted(set(nodes) - {min(nodes), max(nodes)})
    layouts = []
    for bend in (0, 1, -1, 2, -2):  # all inner nodes start above or below the direct way
        bent = {i: (x, y + bend * (i in inner)) for i, (x, y) in start.items()}
        layouts.append(_settled(bent, inner, edges))
    return min(layouts, key=lambda layout: _cost(layout, edges))


def _settled(
    places: dict[int, tuple[float, float]], inner: list[int], edges: list[tuple[int, int]]
) -> dict[int, tuple[float, float]]:
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


def _cost(places: dict[int, tuple[float, float]], edges: list[tuple[int, int]]) -> float:
    """Overlaps of nodes, of arrows and nodes, and the arrows' height."""
    cost = 0.0
    for node, (x, y) in places.items():
        beside = [py for k, (px, py) in places.items() if k < node and px == x]
        cost += 50 * sum(abs(other - y) < 1 for other in beside)
        for i, j in edges:
            (x0, y0), (x1, y1) = places[i], places[j]
            if x0 < x < x1:
                above = y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y
                cost += 10 * (-0.5 < above < 0.3)  # the label is below its node
    return cost + sum((places[i][1] - places[j][1]) ** 2 for i, j in edges) / 10


def _colors(arch: Architecture) -> dict[str, str]:
    """A colour an operation, by name order, so that it does not depend on the cell's order."""
    operations = sorted(set(arch.nodes) - {INPUT, OUTPUT, NONE})
    colors = {op: _COLORS[k % len(_COLORS)] for k, op in enumerate(operations)}
    return colors | {INPUT: _GREY, OUTPUT: _GREY}


def _operation_trace(
    op: str, nodes: dict[int, str], places: dict[int, tuple[float, float]], color: str
) -> go.Scatter:
    import plotly.graph_objects as go

    members = [i for i, label in nodes.items() if label == op]
    return go.Scatter(
        x=[places[i][0] for i in members],
        y=[places[i][1] for i in members],
        name=op,
        mode="markers",
        marker={"size": 28, "color": color, "line": {"width": 1.5, "color": "#404040"}},
        hovertemplate=f"{op}<extra></extra>",
    )


def _framed(figure: go.Figure, title: str, places: dict[int, tuple[float, float]]) -> go.Figure:
    columns = max(x for x, _ in places.values())
    rows = [y for _, y in places.values()]
    low, high = min(rows) - 0.8, max(rows) + 0.6
    figure.update_xaxes(visible=False, range=[-0.6, columns + 0.6], fixedrange=True)
    figure.update_yaxes(visible=False, range=[low, high], fixedrange=True)
    return figure.update_layout(
        title={"text": title, "font": {"size": 12}},
        template="plotly_white",
        showlegend=False,
        margin={"l": 10, "r": 10, "t": 60, "b": 10},
        width=max(760, int(_LAYER_WIDTH * (columns + 1.2))),
        height=70 + max(220, int(_ROW_HEIGHT * (high - low))),
    )
