"""Figures of the model behind a search: its latent space, what its generator makes, what its surrogate knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from optuna_agnet.analysis.figures.layout import colors_of, split_label
from optuna_agnet.analysis.figures.style import ACCENT, GREY, SCALE, SOURCES, plotly, titled
from optuna_agnet.analysis.figures.trials import value_name, worth_showing
from optuna_agnet.analysis.history import Round, SearchHistory, search_history
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.generator.network import Generator, sample_graphs
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.graphs import Graphs

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go

_REACH = 3.0  # of the slice of the latent space, in standard deviations
_GRID = 33
_SAMPLES = 300
_TRIES = 8
_EDGES = "edges taken"


def plot_latent_space(
    study: optuna.Study,
    space: SearchSpace,
    *,
    value: Callable[[Architecture], float] | None = None,
    panels: int = 6,
    objective: int = 0,
    history: SearchHistory | None = None,
) -> go.Figure:
    """How retraining reshapes the latent space (Figs. 1 and 13): what each latent vector becomes, round by round.

    All panels show the same plane through the latent space, two random directions up to three standard deviations;
    the colour is the value of the most likely architecture there, or of a sample where that is not valid; empty where
    hardly any is. The paper shows two-dimensional projections of samples; a plane shows areas instead of speckles.
    The mean in a panel's title is that of samples z ~ N(0, 1), not only of this plane.

    Args:
        study: The study.
        space: What it searched.
        value: Of an architecture, e.g. from a table; default: what the surrogate predicts after all results.
        panels: Rounds to show, the pretrained generator and the last one among them.
        objective: Which one, where there are several.
        history: From `search_history`, where the search's seed and config are not the study's sampler's, or to train
            the rounds only once for several figures.

    Raises:
        ImportError: plotly is missing (``pip install 'optuna-agnet[plot]'``).
        ValueError: The study's parameters don't fit the space, or no trial is complete.
    """
    plotly_package = plotly("plot_latent_space")
    history = history or search_history(study, space)
    shown = _spread(history.rounds, max(2, panels))
    worth = _Values(history, value, objective)
    slices = [worth(*_plane(r.generator)) for r in shown]
    means = [float(np.nanmean(worth(r.sample(_SAMPLES)[0]))) for r in shown]
    titles = [f"{_round_name(r)}<br>mean {mean:.4g}" for r, mean in zip(shown, means, strict=True)]
    columns = len(shown) if len(shown) <= 3 else -(-len(shown) // 2)
    rows = -(-len(shown) // columns)
    figure = plotly_package.subplots.make_subplots(
        rows, columns, subplot_titles=titles, horizontal_spacing=0.03, vertical_spacing=0.16
    )
    axis = np.linspace(-_REACH, _REACH, _GRID)
    for k, values in enumerate(slices):
        figure.add_trace(
            plotly_package.graph_objects.Heatmap(
                x=axis,
                y=axis,
                z=values.reshape(_GRID, _GRID),
                coloraxis="coloraxis",
                hoverongaps=False,
            ),
            row=k // columns + 1,
            col=k % columns + 1,
        )
    low, high = sorted(worth_showing(study, np.concatenate(slices), objective))
    scale = {
        "colorscale": SCALE,
        "cmin": low,
        "cmax": high,
        "colorbar": {"title": value_name(study, objective), "thickness": 14},
    }
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_annotations(font={"size": 12})
    titled(figure, "Latent space, the same plane after each round", coloraxis=scale)
    return figure.update_layout(height=120 + 260 * rows, margin={"t": 100})


def _spread(rounds: list[Round], most: int) -> list[Round]:
    """At most so many rounds, evenly spread, the first and the last among them."""
    chosen = np.unique(np.linspace(0, len(rounds) - 1, most).round().astype(int))
    return [rounds[k] for k in chosen]


def _round_name(r: Round) -> str:
    return f"after {r.observations} results" if r.observations else "pretrained"


class _Values:
    """Values of architectures; every different one is asked for once."""

    def __init__(
        self, history: SearchHistory, value: Callable[[Architecture], float] | None, objective: int
    ) -> None:
        self._history, self._value, self._objective = history, value, objective

    def __call__(self, x: IntArray, valid: np.ndarray | None = None) -> FloatArray:
        """Decisions (B, D) -> (B,), NaN where not valid."""
        if not len(x):
            return np.full(1, np.nan)
        rows, inverse = np.unique(x, axis=0, return_inverse=True)
        if self._value is None:
            values = self._history.predict(rows, self._objective)
        else:
            values = np.array(
                [self._value(arch) for arch in self._history.space.architectures(rows)],
                dtype=np.float64,
            )
        found = values[inverse.reshape(-1)]
        return found if valid is None else np.where(valid, found, np.nan)


@torch.no_grad()
def _plane(generator: Generator) -> tuple[IntArray, np.ndarray]:
    """The most likely architectures on a fixed plane of the latent space, else samples, and which are valid."""
    rng = torch.Generator().manual_seed(0)
    directions, _ = torch.linalg.qr(torch.randn(generator.config.latent, 2, generator=rng))
    axis = torch.linspace(-_REACH, _REACH, _GRID)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    z = torch.stack([x.flatten(), y.flatten()], 1) @ directions.T
    scores = generator(z.to(generator.device))
    types, edges = scores.nodes.argmax(2).cpu().numpy(), (scores.edges > 0).cpu().numpy()
    found, valid = generator.space.decode(Graphs(types, edges))
    for _ in range(_TRIES):
        if valid.all():
            break
        sampled, fits = generator.space.decode(sample_graphs(scores, rng))
        better = fits & ~valid
        found, valid = np.where(better[:, None], sampled, found), valid | fits
    return found, valid


# -- what the generator makes ------------------------------------------------------------------------------------------


def plot_operation_drift(
    study: optuna.Study,
    space: SearchSpace,
    *,
    samples: int = 1000,
    most_choices: int = 40,
    history: SearchHistory | None = None,
) -> go.Figure:
    """How the generator's operation and edge probabilities moved from round to round.

    Left the share of each operation among all of a cell's operations; right the probability of each choice. Both are
    counted on valid samples.

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
    panels = ("operations", "choices") if names else ("",)
    room = 0.06 + 0.01 * max(map(len, names), default=0)  # for the choices' names
    figure = package.subplots.make_subplots(
        1, len(panels), horizontal_spacing=min(0.4, room), subplot_titles=panels
    )
    colors = colors_of(space.ops)
    for op, share in _operation_shares(chances, space).items():
        figure.add_trace(_share_line(observations, share, op, colors.get(op, GREY)), row=1, col=1)
    figure.update_xaxes(title="results that the generator was trained on")
    figure.update_yaxes(title="share", tickformat=".0%", rangemode="tozero", row=1, col=1)
    titled(figure, "What the generator makes")
    if names:
        _add_choices(figure, observations, names, moved)
    return figure


def _add_choices(
    figure: go.Figure, observations: list[int], names: list[str], chances: FloatArray
) -> None:
    """A heat map of choices (K, R) as the second panel, the legend of the first one below it."""
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
    figure.add_trace(heat, row=1, col=2)
    figure.update_xaxes(type="category", row=1, col=2)
    figure.update_yaxes(autorange="reversed", tickfont={"size": 10}, dtick=1, row=1, col=2)
    figure.update_layout(
        legend={"y": -0.12, "yanchor": "top"},
        margin={"b": 90},
        height=max(460, 150 + 15 * len(names)),
    )


def _choice_chances(x: IntArray, space: SearchSpace) -> FloatArray:
    """(sum of choices,): how often each choice of each decision is taken in rows (B, D)."""
    parts = [
        np.bincount(x[:, k], minlength=len(d.choices)) / max(1, len(x))
        for k, d in enumerate(space.decisions)
    ]
    return np.concatenate(parts)


def _choices(space: SearchSpace) -> list[tuple[str, object]]:
    return [(d.name, choice) for d in space.decisions for choice in d.choices]


def _operation_shares(chances: FloatArray, space: SearchSpace) -> dict[str, FloatArray]:
    """Share of each operation, and of edges, in each round (R,)."""
    choices = [choice for _, choice in _choices(space)]
    ops = dict.fromkeys(split_label(op)[1] for op in space.ops)
    every = [k for k, choice in enumerate(choices) if choice in ops]
    found: dict[str, FloatArray] = {}
    for op in ops:
        columns = [k for k in every if choices[k] == op]
        if columns:
            found[op] = chances[:, columns].sum(1) / chances[:, every].sum(1)
    edges = [k for k, choice in enumerate(choices) if choice is True]
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


def plot_surrogate_calibration(
    study: optuna.Study,
    space: SearchSpace,
    *,
    objective: int = 0,
    history: SearchHistory | None = None,
) -> go.Figure:
    """Whether the surrogate's predictions and uncertainties hold, for results that it did not know yet.

    It is the default Gaussian process, whatever the search's config says. Once a round it is fitted on all results so
    far and judges those that follow until the next round. Left: predicted against actual, in normal scores of the
    known results (0 is their median). Right: how many results lie inside the central interval of each size; on the
    diagonal the uncertainty is right, below it is too small.

    Args:
        study: The study.
        space: What it searched.
        objective: Which one, where there are several.
        history: From `search_history`, where the search's seed and config are not the study's sampler's, or to train
            the rounds only once for several figures.

    Raises:
        ImportError: plotly is missing (``pip install 'optuna-agnet[plot]'``).
        ValueError: The study's parameters don't fit the space, or there are no results after the startup.
    """
    package = plotly("plot_surrogate_calibration")
    history = history or search_history(study, space)
    judged = history.judgements(objective)
    if not judged:
        raise ValueError(
            f"{len(history.observations)} results and a startup of {history.search.config.n_startup}: no result came"
            " after the surrogate's first fit"
        )
    mean, std = (np.concatenate([getattr(j, part) for j in judged]) for part in ("mean", "std"))
    actual = np.concatenate([j.actual for j in judged])
    observations = np.concatenate([np.full(len(j.mean), j.observations) for j in judged])
    figure = package.subplots.make_subplots(
        1,
        2,
        column_widths=[0.55, 0.45],
        horizontal_spacing=0.13,
        subplot_titles=("predicted and actual", "intervals"),
    )
    figure.add_trace(_diagonal(min(mean.min(), actual.min()), max(mean.max(), actual.max())), 1, 1)
    figure.add_trace(_predictions(mean, std, actual, observations), 1, 1)
    figure.add_trace(_diagonal(0, 1), 1, 2)
    figure.add_trace(_coverage(mean, std, actual), 1, 2)
    figure.update_xaxes(title="predicted (normal score)", row=1, col=1)
    figure.update_yaxes(title="actual (normal score)", row=1, col=1)
    figure.update_xaxes(title="size of the interval", tickformat=".0%", row=1, col=2)
    figure.update_yaxes(title="results inside", tickformat=".0%", range=[0, 1.02], row=1, col=2)
    return titled(figure, "Surrogate on results it did not know", showlegend=False)


def _diagonal(low: float, high: float) -> go.Scatter:
    return plotly("plot_surrogate_calibration").graph_objects.Scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"color": GREY, "dash": "dash", "width": 1.5},
        hoverinfo="skip",
    )


def _predictions(
    mean: FloatArray, std: FloatArray, actual: FloatArray, observations: FloatArray
) -> go.Scatter:
    return plotly("plot_surrogate_calibration").graph_objects.Scatter(
        x=mean,
        y=actual,
        mode="markers",
        text=observations,
        error_x={"array": std, "color": "rgba(140,140,140,0.35)", "width": 0, "thickness": 1},
        marker={
            "size": 7,
            "color": observations,
            "colorscale": SCALE,
            "colorbar": {"title": "results<br>known", "thickness": 12},
        },
        hovertemplate="predicted %{x:.2f}, actual %{y:.2f}, %{text} known<extra></extra>",
    )


def _coverage(mean: FloatArray, std: FloatArray, actual: FloatArray) -> go.Scatter:
    size = np.linspace(0.05, 0.95, 19)
    half = torch.special.ndtri(torch.from_numpy(0.5 + size / 2)).numpy()
    inside = np.abs(actual - mean)[:, None] <= half * std[:, None]
    return plotly("plot_surrogate_calibration").graph_objects.Scatter(
        x=size,
        y=inside.mean(0),
        mode="lines+markers",
        line={"color": SOURCES["generator"], "width": 2.5},
        marker={"color": ACCENT, "size": 5},
        hovertemplate="%{y:.0%} inside the %{x:.0%} interval<extra></extra>",
    )
