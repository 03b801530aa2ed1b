"""What the generator makes, from round to round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optuna_agnet.analysis.figures.layout import colors_of, split_label
from optuna_agnet.analysis.figures.style import GREY, SCALE, plotly, titled
from optuna_agnet.analysis.history import SearchHistory, search_history
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.spaces.base import SearchSpace

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go

_EDGES = "edges taken"


def plot_operation_drift(
    study: optuna.Study,
    space: SearchSpace,
    *,
    samples: int = 1000,
    most_choices: int = 40,
    history: SearchHistory | None = None,
) -> go.Figure:
    """How the generator's operation and edge probabilities moved from round to round.

    Left the share of each operation among all of a cell's operations, where the space has cells; right the probability
    of each choice, among the samples in which it can be made. Both are counted on valid samples.

    Args:
        study: The study.
        space: What it searched.
        samples: Graphs drawn from the generator after each round.
        most_choices: Choices on the right, those that moved most if there are more; 0 leaves the right out.
        history: From `search_history`, where the search's seed and config are not the study's sampler's, or to train
            the rounds only once for several figures.

    Raises:
        ImportError: plotly is missing (``pip install 'optuna-agnet[plot]'``).
        ValueError: The study's parameters don't fit the space, or no trial is complete.
    """
    package = plotly("plot_operation_drift")
    history = history or search_history(study, space)
    observations = [r.observations for r in history.rounds]
    chances = np.stack([_choice_chances(r.sample(samples)[0], space) for r in history.rounds])
    names, moved = _most_moved(chances, space, most_choices)
    shares = _operation_shares(chances, space)
    panels = [*["operations"] * bool(shares), *["choices"] * bool(names)]
    room = 0.06 + 0.01 * max(map(len, names), default=0)  # for the choices' names
    figure = package.subplots.make_subplots(
        1,
        max(1, len(panels)),
        horizontal_spacing=min(0.4, room),
        subplot_titles=panels if len(panels) > 1 else None,
    )
    colors = colors_of(space.ops)
    for op, share in shares.items():
        figure.add_trace(_share_line(observations, share, op, colors.get(op, GREY)), row=1, col=1)
    figure.update_xaxes(title="results that the generator was trained on")
    if shares:
        figure.update_yaxes(title="share", tickformat=".0%", rangemode="tozero", row=1, col=1)
    titled(figure, "What the generator makes")
    if names:
        _add_choices(figure, observations, names, moved, len(panels))
    return figure


def _add_choices(
    figure: go.Figure, observations: list[int], names: list[str], chances: FloatArray, panel: int
) -> None:
    """A heat map of choices (K, R) as the last panel, the legend of the first one below it."""
    heat = plotly("plot_operation_drift").graph_objects.Heatmap(
        x=[str(size) for size in observations],
        y=names,
        z=chances,
        colorscale=SCALE,
        zmin=0,
        zmax=1,
        colorbar={"title": "chance", "tickformat": ".0%", "thickness": 14},
        hovertemplate="%{y}: %{z:.0%} after %{x} results<extra></extra>",
    )
    figure.add_trace(heat, row=1, col=panel)
    figure.update_xaxes(type="category", row=1, col=panel)
    figure.update_yaxes(autorange="reversed", tickfont={"size": 10}, dtick=1, row=1, col=panel)
    figure.update_layout(
        legend={"y": -0.12, "yanchor": "top"},
        margin={"b": 90},
        height=max(460, 150 + 15 * len(names)),
    )


def _choice_chances(x: IntArray, space: SearchSpace) -> FloatArray:
    """(sum of choices,): how often each choice is taken in those of the rows (B, D) that have its decision."""
    parts = []
    for taken, exists, decision in zip(x.T, space.active(x).T, space.decisions, strict=True):
        counts = np.bincount(taken[exists], minlength=len(decision.choices))
        parts.append(counts / max(1, counts.sum()))
    return np.concatenate(parts)


def _choices(space: SearchSpace) -> list[tuple[str, object]]:
    return [(d.name, choice) for d in space.decisions for choice in d.choices]


def _operation_shares(chances: FloatArray, space: SearchSpace) -> dict[str, FloatArray]:
    """Share of each operation, and of edges, in each round (R,)."""
    choices = [choice for _, choice in _choices(space)]
    ops = dict.fromkeys(split_label(op)[1] for op in space.ops)
    every = [k for k, choice in enumerate(choices) if choice in ops]
    total = chances[:, every].sum(1)
    total = np.where(total > 0, total, 1)  # no sample has a cell
    found: dict[str, FloatArray] = {}
    for op in ops:
        columns = [k for k in every if choices[k] == op]
        if columns:
            found[op] = chances[:, columns].sum(1) / total
    flags = [name.rpartition(".")[2].startswith("edge_") for name, _ in _choices(space)]
    edges = [k for k, choice in enumerate(choices) if choice is True and flags[k]]
    if edges:
        found[_EDGES] = chances[:, edges].mean(1)
    return found


def _share_line(observations: list[int], share: FloatArray, op: str, color: str) -> go.Scatter:
    return plotly("plot_operation_drift").graph_objects.Scatter(
        x=observations,
        y=share,
        name=op,
        mode="lines+markers",
        line={"color": color, "width": 2.5, "dash": "dot" if op == _EDGES else "solid"},
        hovertemplate="%{y:.1%} after %{x} results<extra>" + op + "</extra>",
    )


def _most_moved(chances: FloatArray, space: SearchSpace, most: int) -> tuple[list[str], FloatArray]:
    """Names of choices and their chances (K, R); of flags only that they are set."""
    choices = _choices(space)
    shown = [k for k, (_, choice) in enumerate(choices) if choice is not False]
    if len(shown) > most:
        span = np.ptp(chances, axis=0)
        shown = sorted(sorted(shown, key=lambda k: -span[k])[:most])
    names = [
        choices[k][0] if choices[k][1] is True else f"{choices[k][0]} {choices[k][1]}"
        for k in shown
    ]
    return names, chances[:, shown].T


# -- what the surrogate knows ------------------------------------------------------------------------------------------
