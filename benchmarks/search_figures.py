"""Pictures of single searches: cells that they found (Figs. 5 to 8), and their generator on the way (Figs. 1 and 13).

A cell is the best one of a committed line. Lines hold no generators, so Figs. 1 and 13 search again, with the first
line's seed and as many queries as they show, which takes half a minute. Where a line is of an earlier version, or of
other vector instructions (`records.machine`), it is another search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import optuna

from benchmarks import curves, methods, problems, run
from benchmarks.curves import MissingResults
from benchmarks.methods.base import begin
from benchmarks.problems import Problem
from optuna_agnet import AGNet
from optuna_agnet.analysis.figures.layout import Drawing, draw
from optuna_agnet.analysis.history import SearchHistory
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.graphs import to_adjacency
from optuna_agnet.visualization import plot_latent_space

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

SEED = 0
_PIXELS = 900  # width of a drawn cell
_SAMPLES = 2000  # of a generator
_PANELS = 4  # rounds of Fig. 13


def cell(problem: str, space: SearchSpace) -> Figure:
    """The best cell of the default's first search: its graph, the types of its nodes and its adjacency matrix.

    Raises:
        MissingResults: There is no such line, or it doesn't name its best cell.
    """
    runs = [r for found in curves.load(problem) for r in found.methods.get("agnet", [])]
    named = [r for r in runs if r.seed == SEED and r.best]
    if not named or named[0].best is None:
        raise MissingResults(f"needs a run of agnet on {problem}, seed {SEED}, that names its best")
    architecture = space.parse(named[0].best)
    graph = draw(architecture, _PIXELS)
    wide, high = _PIXELS / 100, max(graph.height / 100, 4.5)
    figure = plt.figure(figsize=(wide + 5, high))
    parts = figure.add_gridspec(2, 2, width_ratios=(wide, 5))
    value = curves.best(named[0])[-1]
    title = f"{problem}: best of {named[0].budget} queries of agnet, seed {SEED}: {value:.2f}"
    draw_graph(figure.add_subplot(parts[:, 0], title=title), graph)
    draw_matrices(
        figure.add_subplot(parts[0, 1]), figure.add_subplot(parts[1, 1]), space, architecture
    )
    return figure


def draw_graph(axis: Axes, drawing: Drawing) -> None:
    """A drawing's boxes and arrows, in its pixels."""
    for x, y, to_x, to_y in drawing.arrows:
        arrow = {"arrowstyle": "-|>", "color": "#666666", "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", (to_x, to_y), (x, y), arrowprops=arrow)
    for box in (*drawing.boxes, *drawing.legend):
        corner = (box.x - box.half_width, box.y - box.half_height)
        size = (2 * box.half_width, 2 * box.half_height)
        style = f"round,pad=0,rounding_size={box.half_height}"
        axis.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, fc=box.fill, lw=0, zorder=3))
    text: dict[str, Any] = {"va": "center", "fontsize": 0.62 * drawing.font, "zorder": 4}
    for box in drawing.boxes if drawing.named else ():
        axis.text(box.x, box.y, box.op, color=box.ink, ha="center", **text)
    for box in drawing.legend:
        axis.text(box.x + drawing.font, box.y, box.op, **text)
    for x, y, name in drawing.captions:
        axis.text(x, y, name, weight="bold", **text)
    axis.set(xlim=(0, drawing.width), ylim=(drawing.height, 0), aspect="equal")
    axis.set_axis_off()


def draw_matrices(types: Axes, edges: Axes, space: SearchSpace, architecture: Architecture) -> None:
    """What the generator learns of an architecture: a row a node, its type, and the edges from it."""
    graphs = space.encode(space.choices([architecture]))
    present = np.unique(graphs.types[0])
    types.imshow(graphs.types[0][:, None] == present, cmap="Blues", aspect="auto", vmax=1.5)
    names = [space.node_types[k] for k in present]
    types.set_xticks(range(len(present)), names, rotation=30, ha="right", fontsize=6)
    edges.imshow(to_adjacency(graphs.edges, space.num_nodes)[0], cmap="Blues", vmax=1.5)
    for axis in (types.yaxis, edges.xaxis, edges.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    types.set(title="types of the nodes", ylabel="node")
    edges.set(title="adjacency", xlabel="to node", ylabel="from node")


def search_again(problem: Problem, method: str, queries: int) -> SearchHistory:
    """The first search of a method of ours, as a history of its generator.

    Raises:
        TypeError: The method is no `AGNet`.
    """
    search = begin(methods.METHODS[method], problem, SEED)
    if not isinstance(search, AGNet):
        raise TypeError(f"{method} has no generator that is trained")
    run.search(problem, search, queries)
    return SearchHistory(search.proposer, search.observations)


def better_samples(problem: Problem, names: Sequence[str], every: int, rounds: int) -> Figure:
    """How accurate the generator's samples are after every so many queries: Fig. 1 (right)."""
    figure, axes = plt.subplots(1, len(names), figsize=(5.5 * len(names), 4), sharey=True)
    for axis, method in zip(np.atleast_1d(axes), names, strict=True):
        history = search_again(problem, method, every * rounds)
        shown = [trained for trained in history.rounds if trained.observations % every == 0]
        shades = mpl.colormaps["viridis"](np.linspace(0.9, 0, len(shown)))
        for trained, color in zip(shown, shades, strict=True):
            rows, valid = trained.sample(_SAMPLES)
            accuracy = np.sort(problem.evaluate(rows).values[:, 0])
            share = 100 * np.arange(len(accuracy), 0, -1) / len(accuracy)
            label = f"{name_of(trained.observations)}, {valid:.0%} valid"
            axis.plot(accuracy, share, color=color, label=label)
        axis.set(
            title=f"{problem.name}, {method}, seed {SEED}",
            xlabel="validation accuracy [%]",
            xlim=shown_range(history, problem),
        )
        axis.legend(fontsize=8, loc="lower left")
    np.atleast_1d(axes)[0].set_ylabel("valid samples at least as accurate [%]")
    return figure


def name_of(observations: int) -> str:
    return f"after {observations} queries" if observations else "pretrained"


def shown_range(history: SearchHistory, problem: Problem) -> tuple[float, float]:
    """From what 90 % of the pretrained generator's samples exceed to the best of the search."""
    rows, _ = history.rounds[0].sample(_SAMPLES)
    low = float(np.percentile(problem.evaluate(rows).values[:, 0], 10))
    return low, float(np.nanmax(history.observations.y[:, 0])) + 0.1


def latent_space(problem: Problem, method: str, queries: int) -> Figure:
    """A plane of the latent space after rounds of training, coloured by the table's accuracies: Fig. 13."""
    history = search_again(problem, method, queries)

    def accuracy(architecture: Architecture) -> float:
        row = problem.space.choices([architecture])
        return float(problem.evaluate(row).values[0, 0])

    drawn = plot_latent_space(
        study_of(problem, history), problem.space, value=accuracy, panels=_PANELS, history=history
    )
    scale = drawn.layout.coloraxis
    figure, axes = plt.subplots(
        1, _PANELS + 1, figsize=(3.4 * _PANELS, 4), width_ratios=[*[20] * _PANELS, 1]
    )
    for axis, panel, title in zip(axes[:-1], drawn.data, drawn.layout.annotations, strict=True):
        square = axis.pcolormesh(panel.x, panel.y, panel.z, vmin=scale.cmin, vmax=scale.cmax)
        axis.set(title=title.text.replace("<br>", "\n"), xticks=[], yticks=[], aspect="equal")
    figure.colorbar(square, cax=axes[-1], label="validation accuracy [%]")
    figure.suptitle(
        f"{problem.name}, {method}, seed {SEED}: the same plane of the latent space", y=1.04
    )
    return figure


def study_of(problem: Problem, history: SearchHistory) -> optuna.Study:
    """The results of a search as a study."""
    space, observations = problem.space, history.observations
    study = optuna.create_study(directions=list(problem.directions))
    for architecture, values in zip(
        space.architectures(observations.x), observations.y.tolist(), strict=True
    ):
        study.enqueue_trial(space.to_params(architecture))
        trial = study.ask()
        space.suggest(trial)
        study.tell(trial, values)
    return study


def on(name: str, draw_it: Callable[..., Figure], *arguments: object) -> Figure:
    """A figure of a problem by name, loaded when it is drawn.

    Raises:
        MissingResults: The problem's data are missing.
    """
    try:
        problem = problems.load(name)
    except FileNotFoundError as error:
        raise MissingResults(str(error)) from None
    return draw_it(problem, *arguments)
