"""The site's pictures, from committed results and from a search on the benchmark's table.

PYTHONPATH=. python docs/figures.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
from matplotlib import pyplot as plt

from benchmarks.problems.nb201 import index, package_columns
from benchmarks.problems.trainings import trainings
from benchmarks.records import RESULTS, Record, longest, read
from optuna_agnet import AGNetConfig, AGNetPruner, AGNetSampler, spaces
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.spaces import Network, OneOf, Repeat, ordered
from optuna_agnet.visualization import architecture_svg, plot_curves, plot_operation_drift

IMAGES = Path(__file__).parent / "images"
SPACE = spaces.nas_bench_201()
METHODS = {  # by color
    "C5": ("agnet+synflow", "AG-Net with a score"),
    "C0": ("agnet", "AG-Net, the default"),
    "C1": ("agnet-paper", "AG-Net as in the paper"),
    "C2": ("local-search", "local search"),
    "C3": ("tpe", "TPE"),
    "C4": ("random", "random search"),
}
PROBLEMS = {"nb201-c10": "CIFAR-10", "nb201-c100": "CIFAR-100", "nb201-in16": "ImageNet16-120"}


def draw_results() -> None:
    """Distance to the best cell by number of trained cells, mean over the seeds; below, the first 48."""
    figure, every = plt.subplots(2, 3, figsize=(11, 6.5), layout="constrained")
    for column, (problem, title) in enumerate(PROBLEMS.items()):
        records = list(longest(read(RESULTS / f"{problem}.jsonl")).values())
        for axes, last in zip(every[:, column], (192, 48), strict=True):
            for color, (method, name) in METHODS.items():
                mean = mean_regret([r for r in records if r.method == method], last)
                axes.plot(np.arange(1, len(mean) + 1), mean, color, label=name)
            axes.set(title=title, yscale="log", xlim=(1, last), ylim=(0.01, 20))
            axes.grid(alpha=0.3)
        every[1, column].set(xlabel="trained cells")
    for axes in every[:, 0]:
        axes.set_ylabel("points below the best cell")
    figure.legend(*every[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    figure.savefig(IMAGES / "nas_bench_201.png", dpi=110)


def mean_regret(runs: Sequence[Record], last: int) -> FloatArray:
    """Mean distance (Q,) to the best cell up to query ``last``, of the runs that go so far; empty where none does."""
    long = [run for run in runs if run.budget >= last]
    if not long:
        return np.empty(0)
    values = np.array([run.values[0][:last] for run in long], dtype=float)
    return float(long[0].optimum or np.nan) - np.maximum.accumulate(values, axis=1).mean(0)


def draw_search() -> None:
    """The best cell and the generator's drift of one search on CIFAR-100."""
    accuracy = package_columns("c100")[0]

    def objective(trial: optuna.Trial) -> float:
        return float(accuracy[index(SPACE.choices([SPACE.suggest(trial)]))[0]])

    sampler = AGNetSampler(SPACE, seed=0, config=AGNetConfig(dedup="encoding"))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, 96)
    (IMAGES / "cell.svg").write_text(architecture_svg(SPACE.from_params(study.best_params)))

    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for line in plot_operation_drift(study, SPACE).select_traces({"type": "scatter"}):
        axes.plot(line.x, line.y, marker="o", markersize=3, label=line.name)
    axes.set(
        xlabel="results that the generator was trained on",
        ylabel="share",
        title="What the generator draws, CIFAR-100",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid(alpha=0.3)
    figure.savefig(IMAGES / "drift.png", dpi=110)


def draw_curves() -> None:
    """What AGNetPruner stops of a search for DARTS cells, and where it expects that to end."""
    problem = trainings("darts")

    def objective(trial: optuna.Trial) -> float:
        reports, final = problem.reports(problem.space.choices([problem.space.suggest(trial)])[0])
        for epoch, value in reports:
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return final

    sampler = AGNetSampler(problem.space, seed=0)
    study = optuna.create_study(
        direction="maximize", sampler=sampler, pruner=AGNetPruner(problem.space)
    )
    study.optimize(objective, 60)
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    *lines, ends = plot_curves(study).data
    for line in reversed(lines):  # those that were stopped above the others
        x, y = (np.array(values, dtype=float) for values in (line.x, line.y))
        axes.plot(x, 100 - y, line.line.color, linewidth=1, alpha=0.8, label=line.name)
    style = {"fmt": "d", "color": ends.marker.color, "markersize": 4, "elinewidth": 0.7}
    axes.errorbar(ends.x, 100 - np.array(ends.y), ends.error_y.array, **style, label=ends.name)
    axes.set(xlabel="epoch", ylabel="validation error, %", xscale="log", yscale="log")
    axes.set_xticks(ticks := [1, 3, 7, 15, 31, 63, 98], labels=map(str, ticks))
    axes.set_yticks(ticks := [3, 5, 10, 20, 40, 60], labels=map(str, ticks))
    axes.minorticks_off()
    axes.legend(loc="lower left")
    axes.grid(alpha=0.3)
    figure.savefig(IMAGES / "curves.png", dpi=110)


def draw_network() -> None:
    """A vision transformer of five blocks, as in spaces.md."""
    mixer = OneOf(attention=Network(heads=ordered(2, 4, 8)), conv=Network(kernel=ordered(3, 5, 7)))
    block = Network(mixer=mixer, mlp_ratio=ordered(2, 3, 4))
    space = Network(width=ordered(64, 96, 128, 192), blocks=Repeat(block, 2, 8))
    drawn = architecture_svg(space.random_architecture(1), width=700, ops=space.ops)
    (IMAGES / "network.svg").write_text(drawn)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    IMAGES.mkdir(exist_ok=True)
    draw_results()
    draw_search()
    draw_curves()
    draw_network()
