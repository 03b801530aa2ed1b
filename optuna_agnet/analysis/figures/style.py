"""What all figures share: plotly on demand, colours that are read on white and on black."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

GREY = "#8C8C8C"
"""Limits, infeasible trials, diagonals: seen in light and in dark templates."""
ACCENT = "#D55E00"
SOURCES = {
    "startup": "#999999",
    "generator": "#0F8FD6",
    "mutants": "#D55E00",
    "neighbors": "#E69F00",
    "random": "#009E73",
    "repeat": "#CC79A7",
    "other": "#8C6D46",
}
"""A colour for each source of proposals; "other" are trials of other samplers, enqueued and imported ones."""
SCALE = "Viridis"


def plotly(function: str) -> ModuleType:
    """The plotly package.

    Raises:
        ImportError: It is missing; the message names the function that asked and what to install.
    """
    try:
        import plotly
        import plotly.graph_objects
        import plotly.subplots
    except ImportError as error:
        raise ImportError(f"{function} needs plotly: pip install 'optuna-agnet[plot]'") from error
    return plotly  # type: ignore[no-any-return]


def on_any_page(figure: go.Figure) -> go.Figure:
    """The figure, changed to colours and a clear background that are read on a light and on a dark page."""
    line = "rgba(128, 128, 128, 0.25)"
    figure.update_layout(
        template="none",
        font={"color": GREY},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(128, 128, 128, 0.08)",
    )
    figure.update_xaxes(gridcolor=line, zerolinecolor=line)
    return figure.update_yaxes(gridcolor=line, zerolinecolor=line)


def titled(figure: go.Figure, title: str, **layout: object) -> go.Figure:
    """A figure with its title, and its legend in one line below that."""
    return figure.update_layout(
        title={"text": title, "font": {"size": 16}, "y": 0.97, "yanchor": "top"},
        margin={"l": 60, "r": 20, "t": 90, "b": 50},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        **layout,
    )
