"""Figures of the model behind a search: its latent space and what its surrogate knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optuna_agnet.analysis.figures.style import ACCENT, GREY, SCALE, SOURCES, plotly, titled
from optuna_agnet.analysis.figures.values import value_name, worth_showing
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
    means = [_mean(worth(r.sample(_SAMPLES)[0])) for r in shown]
    titles = [f"{_round_name(r)}<br>mean {mean}" for r, mean in zip(shown, means, strict=True)]
    figure, rows = _heatmaps(plotly_package, slices, titles)
    low, high = sorted(worth_showing(study, np.concatenate(slices), objective))
    scale = {
        "colorscale": SCALE,
        "cmin": low,
        "cmax": high,
        "colorbar": {"title": value_name(study, objective), "thickness": 14},
    }
    titled(figure, "Latent space, the same plane after each round", coloraxis=scale)
    return figure.update_layout(height=120 + 260 * rows, margin={"t": 100})


def _mean(values: np.ndarray) -> str:
    """Of what is known (N,); infinite values of both signs have none."""
    known = values[~np.isnan(values)]
    if not len(known) or {np.inf, -np.inf} <= set(known):
        return "unknown"
    return f"{known.mean():.4g}"


def _heatmaps(
    plotly_package: Any, slices: Sequence[np.ndarray], titles: Sequence[str]
) -> tuple[go.Figure, int]:
    """A panel each of the slices through the latent space, and how many rows of panels these are."""
    columns = len(slices) if len(slices) <= 3 else -(-len(slices) // 2)
    rows = -(-len(slices) // columns)
    figure = plotly_package.subplots.make_subplots(
        rows, columns, subplot_titles=titles, horizontal_spacing=0.03, vertical_spacing=0.16
    )
    axis = np.linspace(-_REACH, _REACH, _GRID)
    for k, values in enumerate(slices):
        square = {"x": axis, "y": axis, "z": values.reshape(_GRID, _GRID)}
        panel = plotly_package.graph_objects.Heatmap(
            **square, coloraxis="coloraxis", hoverongaps=False
        )
        figure.add_trace(panel, row=k // columns + 1, col=k % columns + 1)
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_annotations(font={"size": 12})
    return figure, rows


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
            f"{len(history.observations)} results and a startup of {history.search.startup}: no result came"
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
