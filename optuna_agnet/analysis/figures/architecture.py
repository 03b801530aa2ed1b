"""One architecture as a picture: a plotly figure, or SVG text for which nothing needs to be installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from optuna_agnet.analysis.figures.layout import LINE, Box, Drawing, draw
from optuna_agnet.analysis.figures.style import plotly
from optuna_agnet.core.architecture import Architecture

if TYPE_CHECKING:
    import plotly.graph_objects as go

_TITLE = 44  # pixels above the drawing
_HEAD = 9  # length of an arrow's head
_THEMES = {"light": ("#FFFFFF", "#202020"), "dark": ("#111111", "#E8E8E8")}


def plot_architecture(
    arch: Architecture, *, width: int = 900, ops: Sequence[str] = ()
) -> go.Figure:
    """An architecture from left (input) to right (output), nodes coloured by operation.

    Nodes that carry nothing to the output are left out, so isomorphic cells look alike. Where the picture is too small
    for names in the nodes, a legend below it tells the colours.

    Args:
        arch: What to draw.
        width: Of the figure, in pixels.
        ops: Give ``space.ops`` and an operation has the same colour in all cells of the space.

    Returns:
        A figure: ``figure.write_html("cell.html", include_plotlyjs=True)`` makes a page that opens offline.

    Raises:
        ImportError: plotly is missing (``pip install 'optuna-agnet[plot]'``).
        ValueError: ``width`` is below 100 pixels.

    Example:
        >>> arch = Architecture(("input", "conv", "pool", "output"), ((0, 1), (0, 2), (1, 3)))
        >>> [trace.name for trace in plot_architecture(arch).data]
        ['input', 'conv', 'output']
    """
    go = plotly("plot_architecture").graph_objects
    drawing = draw(arch, width, ops)
    figure = go.Figure()
    for op in dict.fromkeys(box.op for box in drawing.boxes):
        figure.add_trace(_trace(op, [box for box in drawing.boxes if box.op == op], drawing))
    if drawing.named:
        figure.update_layout(shapes=[_pill(box) for box in drawing.boxes])
    for x, y, to_x, to_y in drawing.arrows:
        figure.add_annotation(
            {"x": to_x, "y": to_y, "ax": x, "ay": y, "axref": "x", "ayref": "y", "text": ""},
            showarrow=True,
            arrowhead=2,
            arrowsize=1.2,
            arrowwidth=1.6,
            arrowcolor=LINE,
        )
    for x, y, name in drawing.captions:
        figure.add_annotation(
            x=x,
            y=y,
            text=f"<b>{name}</b>",
            showarrow=False,
            xanchor="left",
            font={"size": drawing.font},
        )
    if drawing.legend:
        figure.add_trace(_legend(drawing))
    title = str(arch) if len(str(arch)) * 7 <= width else ""
    return _framed(figure, title, drawing)


def _trace(op: str, boxes: list[Box], drawing: Drawing) -> go.Scatter:
    go = plotly("plot_architecture").graph_objects
    look = {"mode": "text", "text": [op] * len(boxes)}
    if not drawing.named:
        look = {"mode": "markers"}
    return go.Scatter(
        x=[box.x for box in boxes],
        y=[box.y for box in boxes],
        name=op,
        textfont={"size": drawing.font, "color": boxes[0].ink},
        marker={"size": 2 * boxes[0].half_width, "color": boxes[0].fill},
        hovertemplate=f"{op}<extra></extra>",
        **look,
    )


def _pill(box: Box) -> dict[str, object]:
    left, right = box.x - box.half_width, box.x + box.half_width
    top, bottom, r = box.y - box.half_height, box.y + box.half_height, box.half_height / 2
    path = (
        f"M{left + r},{top} L{right - r},{top} Q{right},{top} {right},{top + r} L{right},{bottom - r}"
        f" Q{right},{bottom} {right - r},{bottom} L{left + r},{bottom} Q{left},{bottom} {left},{bottom - r}"
        f" L{left},{top + r} Q{left},{top} {left + r},{top} Z"
    )
    return {
        "type": "path",
        "path": path,
        "fillcolor": box.fill,
        "line": {"width": 0},
        "layer": "below",
    }


def _legend(drawing: Drawing) -> go.Scatter:
    go = plotly("plot_architecture").graph_objects
    return go.Scatter(
        x=[box.x for box in drawing.legend],
        y=[box.y for box in drawing.legend],
        mode="markers+text",
        name="legend",
        text=["  " + box.op for box in drawing.legend],
        textposition="middle right",
        textfont={"size": drawing.font},
        marker={
            "size": 2 * drawing.legend[0].half_width,
            "color": [box.fill for box in drawing.legend],
        },
        hoverinfo="skip",
        cliponaxis=False,
    )


def _framed(figure: go.Figure, title: str, drawing: Drawing) -> go.Figure:
    above = _TITLE if title else 0
    figure.update_xaxes(visible=False, range=[0, drawing.width], fixedrange=True)
    figure.update_yaxes(visible=False, range=[drawing.height, 0], fixedrange=True)
    return figure.update_layout(
        title={"text": title, "font": {"size": 12}, "x": 0.02},
        showlegend=False,
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 0, "r": 0, "t": above, "b": 0},
        width=drawing.width,
        height=drawing.height + above,
    )


def architecture_svg(
    arch: Architecture, *, width: int = 600, ops: Sequence[str] = (), theme: str = "light"
) -> str:
    """The same picture as SVG text; needs neither plotly nor a browser.

    Args:
        arch: What to draw.
        width: Natural width in pixels; 200 is enough for a thumbnail, and the text stays readable.
        ops: As in `plot_architecture`.
        theme: "light" or "dark", the background that comes with the picture.

    Raises:
        ValueError: ``width`` is below 100 pixels or ``theme`` unknown.

    Example:
        >>> svg = architecture_svg(Architecture(("input", "conv", "output"), ((0, 1), (1, 2))))
        >>> svg.startswith("<svg"), "conv" in svg
        (True, True)
    """
    if theme not in _THEMES:
        raise ValueError(f"theme={theme!r} must be one of {sorted(_THEMES)}")
    paper, ink = _THEMES[theme]
    drawing = draw(arch, width, ops)
    size = f'width="{drawing.width}" height="{drawing.height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {drawing.width} {drawing.height}"'
        f' font-family="sans-serif" font-size="{drawing.font:g}" role="img">',
        f"<title>{escape(str(arch))}</title>",
        f'<rect width="100%" height="100%" fill="{paper}"/>',
        f'<defs><marker id="head" orient="auto" markerUnits="userSpaceOnUse" markerWidth="{_HEAD}"'
        f' markerHeight="8" refX="{_HEAD - 1}" refY="4"><path d="M0,0 L{_HEAD},4 L0,8 Z" fill="{LINE}"/>'
        "</marker></defs>",
    ]
    for x, y, to_x, to_y in drawing.arrows:
        parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{LINE}"'
            ' stroke-width="1.8" marker-end="url(#head)"/>'
        )
    parts += [_svg_box(box, drawing.named) for box in drawing.boxes]
    parts += [
        f'<text x="{x:.1f}" y="{y:.1f}" dy="0.35em" font-weight="bold" fill="{ink}">{escape(name)}</text>'
        for x, y, name in drawing.captions
    ]
    parts += [_svg_entry(box, ink, drawing.font) for box in drawing.legend]
    return "\n".join([*parts, "</svg>"])


def _svg_box(box: Box, named: bool) -> str:
    radius = box.half_height / 2 if named else box.half_height
    left, top = box.x - box.half_width, box.y - box.half_height
    shape = (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{2 * box.half_width:.1f}" height="{2 * box.half_height:.1f}"'
        f' rx="{radius:.1f}" fill="{box.fill}"><title>{escape(box.op)}</title></rect>'
    )
    if not named:
        return shape
    return shape + (
        f'<text x="{box.x:.1f}" y="{box.y:.1f}" dy="0.35em" text-anchor="middle" fill="{box.ink}">'
        f"{escape(box.op)}</text>"
    )


def _svg_entry(box: Box, ink: str, font: float) -> str:
    return (
        f'<circle cx="{box.x:.1f}" cy="{box.y:.1f}" r="{box.half_width:.1f}" fill="{box.fill}"/>'
        f'<text x="{box.x + font:.1f}" y="{box.y:.1f}" dy="0.35em" fill="{ink}">{escape(box.op)}</text>'
    )
