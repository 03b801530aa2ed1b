"""Figures from the committed results: ``python -m benchmarks.figures`` (all), or with the names of some.

They go to benchmarks/results/figures/; one whose results are missing is left out, with a line that says so.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import optuna

from benchmarks import curves, generator_pays, paper_tables, records, search_figures, tables
from benchmarks.curves import MissingResults
from benchmarks.records import Record
from optuna_agnet import spaces
from optuna_agnet.core.arrays import FloatArray

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FOLDER = records.RESULTS / "figures"
NB201 = ("nb201-c10", "nb201-c100", "nb201-in16")
BOTH = ("agnet-paper", "agnet")
ROUND = 16  # queries; before the first of them are over, every method draws at random
STRONG = frozenset(  # predictors, Fig. 9
    f"agnet-paper{kind}" for kind in ("", "-xgb", "-xgb-ranking", "-oracle", "-oracle-ranking")
)


def grid(names: Sequence[str], columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Axes with titles."""
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows,
        min(columns, len(names)),
        figsize=(5 * min(columns, len(names)), 4 * rows),
        squeeze=False,
    )
    flat = list(axes.flat)
    for axis, name in zip(flat, names, strict=False):
        axis.set_title(name)
    for axis in flat[len(names) :]:
        axis.remove()
    return figure, flat[: len(names)]


def band(axis: Axes, label: str, values: FloatArray, color: str) -> None:
    """Mean and standard deviation over seeds of values (S, Q) by query; only where every seed has one."""
    queries = 1 + np.flatnonzero(~np.isnan(values).any(0))
    queries = queries[queries >= ROUND]
    if not len(queries):
        return
    mean, deviation = values[:, queries - 1].mean(0), values[:, queries - 1].std(0)
    wide = 2.2 if label == "agnet" else 1.2
    axis.plot(queries, mean, label=label, color=color, linewidth=wide, zorder=1 + wide)
    axis.fill_between(
        queries, mean - deviation, mean + deviation, color=color, alpha=0.12, linewidth=0
    )


def colors(names: Sequence[str]) -> dict[str, str]:
    """One a method, the same in all figures that show the same methods."""
    tab20 = mpl.color_sequences["tab20"]
    dark_first = tab20[::2] + tab20[1::2]
    return {name: mpl.colors.to_hex(dark_first[k % 20]) for k, name in enumerate(names)}


def by_query(runs: Sequence[Record], score: Callable[[Record], FloatArray]) -> FloatArray:
    """The score (S, Q) of runs, up to the shortest one's end."""
    length = min(run.budget for run in runs)
    return np.stack([score(run)[:length] for run in runs])


def zoom(axis: Axes) -> None:
    """From where the slowest method is after two rounds to the best value: the first steps are long and alike."""
    lines = [
        (np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float))
        for line in axis.get_lines()
    ]
    late = np.concatenate([values[queries >= 2 * ROUND] for queries, values in lines])
    if len(late):
        margin = 0.04 * np.ptp(late)
        axis.set_ylim(late.min() - margin, late.max() + margin)


def legend(figure: Figure) -> None:
    """One for all axes, below them, where it hides no curve."""
    labels = {
        label: handle
        for axis in figure.axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(labels.values()),
        list(labels),
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=2 if len(figure.axes) == 1 else 5,
        fontsize=8,
    )


def save(figure: Figure, name: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return path


def progress(methods: frozenset[str], problems: Sequence[str]) -> Figure:
    """The best value by query. Stars: the paper's AG-Net, where the data are nearly the same."""
    shown = [results for problem in problems for results in curves.load(problem)]
    found = sorted({name for results in shown for name in results.methods if name in methods})
    rivals = methods - {"agnet", "agnet-paper"}
    if not rivals & set(found):
        raise MissingResults(f"needs runs of one or more of {', '.join(sorted(rivals))}")
    figure, axes = grid([f"{results.problem}, {seeds(results, found)}" for results in shown])
    for axis, results in zip(axes, shown, strict=True):
        for method in (name for name in found if name in results.methods):
            values = by_query(results.methods[method], curves.best)
            band(axis, method, values, colors(found)[method])
        queries, accuracies = published(results.problem)
        if queries and results.problem != "nb101":  # our data are other quantities there
            axis.plot(queries, accuracies, "k*", label="AG-Net, published", markersize=8)
        axis.axhline(results.optimum, color="grey", linewidth=0.8, linestyle=":")
        lower = next(iter(results.methods.values()))[0].directions[0] == "minimize"
        axis.set(
            xlabel="queries",
            ylabel="validation loss [nats]" if lower else "validation accuracy [%]",
        )
        zoom(axis)
    legend(figure)
    return figure


def seeds(results: curves.Results, methods: Sequence[str]) -> str:
    counts = [len(results.methods[name]) for name in methods if name in results.methods]
    return named(" to ".join(str(count) for count in sorted({min(counts), max(counts)})))


def named(count: str) -> str:
    return f"{count} seed" if count == "1" else f"{count} seeds"


def published(problem: str) -> tuple[list[int], list[float]]:
    """Queries and validation accuracies of the paper's AG-Net."""
    rows = [row for table in (9, 7) for row in paper_tables.published(table)]
    wanted = [row for row in rows if (row["method"], row["problem"]) == ("AG-Net", problem)]
    return [int(row["queries"]) for row in wanted], [float(row["val"]) for row in wanted]


def limits() -> Figure:
    """Mean best accuracy under each latency limit, by device: what Fig. 4 (left) and 11 show one search of."""
    runs_of = need_limited()
    names = sorted({name for by_method in runs_of.values() for name in by_method})
    devices = list(dict.fromkeys(device for device, _ in runs_of))
    figure, axes = grid(devices)
    for axis, device in zip(axes, devices, strict=True):
        rows = {limit: found for (d, limit), found in runs_of.items() if d == device}
        optimum = [numbered(next(iter(found.values()))[0].optimum) for found in rows.values()]
        axis.plot(list(rows), optimum, "k_", markersize=14, label="exact optimum")
        for method in names:
            at = [limit for limit, found in rows.items() if method in found]
            mean = [mean_best(rows[limit][method]) for limit in at]
            label = f"{method}, {named(paper_tables.seeds(runs_of, method))}"
            axis.plot(at, mean, "o--", label=label, color=colors(names)[method], linewidth=0.7)
        axis.set(xlabel="latency limit [ms]", ylabel="validation accuracy [%]")
    legend(figure)
    return figure


def numbered(optimum: float | None) -> float:
    return np.nan if optimum is None else optimum


def mean_best(runs: Sequence[Record]) -> float:
    """Over the seeds that found a feasible architecture; NaN where none did."""
    best = np.array([curves.best(run)[: paper_tables.AT_MOST][-1] for run in runs])
    return float(np.nanmean(best)) if np.isfinite(best).any() else np.nan


def feasibility() -> Figure:
    """How many of each 16 queries keep the limit: Edge GPU, 2 ms, as in Fig. 4 (right)."""
    found = paper_tables.limited_runs().get(("edgegpu", 2))
    if not found:
        raise MissingResults("needs runs on hw-edgegpu-2 or hw-edgegpu-2-joint")
    figure, (axis,) = grid(["Edge GPU, at most 2 ms"])
    for method, runs in found.items():
        kept = by_query(runs, lambda run: curves.feasible(run).astype(np.float64))
        whole = kept[:, : kept.shape[1] // ROUND * ROUND].reshape(len(kept), -1, ROUND)
        mean = whole.sum(2).mean(0)
        axis.plot(
            ROUND * np.arange(1, len(mean) + 1),
            mean,
            label=f"{method}, {named(str(len(runs)))}",
            color=colors(sorted(found))[method],
        )
    axis.set(xlabel="queries", ylabel=f"feasible of each {ROUND}")
    legend(figure)
    return figure


def optimality() -> Figure:
    """Mean of the best accuracy over the optimum, over all rows of Table 5 that a method ran: Fig. 12."""
    runs_of = need_limited()
    names = sorted({name for by_method in runs_of.values() for name in by_method})
    figure, (axis,) = grid(["all limits of Table 5"])
    for method in names:
        rows = [found[method] for found in runs_of.values() if method in found]
        shares = [by_query(runs, optimality_of).mean(0) for runs in rows]
        length = min(len(share) for share in shares)
        mean = np.mean([share[:length] for share in shares], axis=0)
        label = f"{method} ({len(rows)} rows, {named(paper_tables.seeds(runs_of, method))})"
        axis.plot(np.arange(1, length + 1), mean, label=label, color=colors(names)[method])
    axis.set(xlabel="queries", ylabel="best / optimum", ylim=(0.8, 1.005))
    legend(figure)
    return figure


def optimality_of(run: Record) -> FloatArray:
    """The best over the optimum (Q,); 0 before there is a feasible one."""
    return np.nan_to_num(curves.best(run) / numbered(run.optimum))


def need_limited() -> paper_tables.LimitedRuns:
    found = paper_tables.limited_runs()
    if not found:
        raise MissingResults("needs runs on hw-<device>-<limit>")
    return found


def generator() -> Figure:
    """Where learning where to look pays."""
    shown = [(c, pair) for c in generator_pays.COMPARED if (pair := generator_pays.load(c.name))]
    if not shown:
        raise MissingResults("needs runs of agnet-mutants or agnet-with-generator")
    rows = -(-len(shown) // 5)
    figure, axes = plt.subplots(rows, 5, figsize=(15, 2.6 * rows), squeeze=False)
    for axis, one in itertools.zip_longest(axes.flat, shown):
        generator_pays.draw(axis, *one) if one else axis.remove()
    legend(figure)
    return figure


def ours(*numbers: int) -> frozenset[str]:
    """Our methods beside those of some tables of the paper."""
    rows = [row for table in numbers for row in paper_tables.published(table)]
    return frozenset(name for row in rows for name in row["here"].split())


FIGURES: dict[str, Callable[[], Figure]] = {
    "figure1": partial(search_figures.on, "nb101", search_figures.better_samples, BOTH, ROUND, 3),
    "figure3": partial(progress, ours(8, 9) | {"tpe", "gp", "nsga2"}, tables.TABULAR),
    "figure4-left-11": limits,
    "figure4-right": feasibility,
    "figure5": partial(search_figures.cell, "nb101", spaces.nas_bench_101()),
    "figure6": partial(search_figures.cell, "nb201-in16", spaces.nas_bench_201()),
    "figure7": partial(search_figures.cell, "nb301", spaces.darts()),
    "figure8": partial(search_figures.cell, "nbnlp", spaces.nas_bench_nlp(12)),
    "figure9": partial(progress, STRONG, ("nb101",)),
    "figure10": partial(progress, ours(7), (*NB201, "nb101")),
    "figure12": optimality,
    "figure13": partial(search_figures.on, "nb201-in16", search_figures.latent_space, "agnet", 96),
    "generator": generator,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="*", help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.name) - set(FIGURES))
    if unknown:
        raise SystemExit(f"unknown figure {', '.join(unknown)}; known: {', '.join(FIGURES)}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name in arguments.name or FIGURES:
        try:
            print(save(FIGURES[name](), name, arguments.folder))
        except MissingResults as missing:
            print(f"{name} is left out: {missing}")
        except ValueError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
