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
    """Column and row of each node: the longest path from the input says the column.

    An edge over several columns gets a row of its own in the columns that it passes, so that no arrow runs through a
    node of another path.
    """
    layer = dict.fromkeys(nodes, 0)
    for i, j in sorted(edges, key=lambda edge: edge[1]):
        layer[j] = max(layer[j], layer[i] + 1)
    last = max(nodes)
    layer[last] = max(1, *layer.values())
    columns: list[list[float]] = [[] for _ in range(layer[last] + 1)]
    for node, column in layer.items():
        columns[column].append(node)
    places: dict[int, tuple[float, float]] = {}
    for column, members in enumerate(columns):
        members.sort(key=lambda node: (_mean_source_row(int(node), edges, places), node))
        for row, node in enumerate(members):
            # a slope and a shift: straight edges over a column miss its middle node
            places[int(node)] = (column, (len(members) - 1) / 2 - row)
    return _bowed(places, edges)


def _mean_source_row(
    node: int, edges: list[tuple[int, int]], places: dict[int, tuple[float, float]]
) -> float:
    rows = [-places[i][1] for i, j in edges if j == node and i in places]
    return sum(rows) / len(rows) if rows else 0.0


def _bowed(
    places: dict[int, tuple[float, float]], edges: list[tuple[int, int]]
) -> dict[int, tuple[float, float]]:
    """Nodes moved down, a quarter row at a time, until no edge runs over them."""
    ends = (min(places), max(places))
    for node in sorted(set(places) - set(ends), key=lambda i: places[i]):
        for step in range(40):
            shift = (step + 1) // 2 * (0.25 if step % 2 else -0.25)
            x, y = places[node]
            trial = {**places, node: (x, y + shift)}
            if _is_clear(node, trial, edges):
                places = trial
                break
    return places


def _is_clear(
    node: int, places: dict[int, tuple[float, float]], edges: list[tuple[int, int]]
) -> bool:
    x, y = places[node]
    same_column = [place for i, place in places.items() if i != node and place[0] == x]
    if any(abs(y - other) < 0.9 for _, other in same_column):
        return False
    for i, j in edges:
        (x0, y0), (x1, y1) = places[i], places[j]
        if node not in (i, j) and x0 < x < x1:
            crossing = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            if abs(crossing - y) < 0.45:
                return False
    return True


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
        mode="markers+text",
        text=[op] * len(members),
        textposition="bottom center",
        textfont={"size": 13},
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
        title={"text": title, "font": {"size": 14}},
        template="plotly_white",
        showlegend=False,
        margin={"l": 10, "r": 10, "t": 60, "b": 10},
        width=max(640, int(_LAYER_WIDTH * (columns + 1.2))),
        height=70 + max(220, int(_ROW_HEIGHT * (high - low))),
    )
