"""Where learning where to look pays: the generator's candidates beside mutants of the best results, all else alike.

``python -m benchmarks.generator_pays --write`` puts the table into benchmarks/README.md; the figure is `generator` of
`benchmarks.figures`. Which of the two is the default of a space is the space's choice (`search.source_schedule`).

Letters: S seeds, Q queries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmarks import curves, records
from benchmarks.markdown import markdown, paired, write_or_print
from benchmarks.problems.joint import NAMES
from optuna_agnet.core.arrays import FloatArray

PAGE = Path(__file__).parent / "README.md"
QUERIES = (32, 48, 96)
FIRST = 16  # random ones, the same for both
GENERATOR, MUTANTS = "agnet-with-generator", "agnet-mutants"
COLORS = {"generator": "tab:blue", "mutants": "tab:orange"}


@dataclass(frozen=True)
class Compared:
    """A problem and what its values are.

    Args:
        name: Of the results.
        title: For readers.
        unit: Of the values.
        relative: Whether differences are in percent of the value.
    """

    name: str
    title: str
    unit: str = "accuracy, %"
    relative: bool = False


COMPARED = (
    Compared("nb201-c100", "cell (NAS-Bench-201, CIFAR-100)"),
    Compared("nb201-in16", "cell (NAS-Bench-201, ImageNet16)"),
    Compared("nb101", "cell (NAS-Bench-101)"),
    Compared("nb301", "two cells (DARTS)"),
    Compared("nbnlp", "recurrent cell (NAS-Bench-NLP)", "loss, nats", relative=True),
    Compared("joint-nb201-dependent", "cell and hyperparameters", "missing, %"),
    Compared("fcnet-slice", "MLP and training (FCNet slice)", "loss", relative=True),
    Compared("fcnet-protein", "MLP and training (FCNet protein)", "loss", relative=True),
    Compared("blocks40", "10 to 40 layers", "of the optimum, %"),
    Compared("chain40", "40 layers", "of the optimum, %"),
)


@dataclass(frozen=True)
class Pair:
    """The best after each query with the generator and with mutants, both (S, Q), of the same seeds."""

    generator: FloatArray
    mutants: FloatArray
    default: str  # "generator" or "mutants"
    larger_is_better: bool

    def gain(self, queries: int, relative: bool) -> FloatArray:
        """(S,): how much better it is with the generator."""
        one, other = self.generator[:, queries - 1], self.mutants[:, queries - 1]
        gain = one - other if self.larger_is_better else other - one
        return 100 * gain / other if relative else gain


def load(problem: str) -> Pair | None:
    """None where one of the two was not run."""
    studies = problem in NAMES
    found = _studies(problem) if studies else _searches(problem)
    default = "generator" if MUTANTS in found else "mutants"
    names = {"generator": GENERATOR, "mutants": MUTANTS} | {default: "agnet"}
    runs = [found.get(names[kind], {}) for kind in ("generator", "mutants")]
    seeds = sorted(set(runs[0]) & set(runs[1]))
    if not seeds:
        return None
    one, other = (np.stack([of[seed][: max(QUERIES)] for seed in seeds]) for of in runs)
    return Pair(one, other, default, not studies and not _is_loss(problem))


def _searches(problem: str) -> dict[str, dict[int, FloatArray]]:
    return {
        method: {run.seed: curves.best(run) for run in runs if run.budget >= max(QUERIES)}
        for results in curves.load(problem)
        for method, runs in results.methods.items()
    }


def _is_loss(problem: str) -> bool:
    (results,) = curves.load(problem)
    return next(iter(results.methods.values()))[0].directions == ["minimize"]


def _studies(problem: str) -> dict[str, dict[int, FloatArray]]:
    found: dict[str, dict[int, FloatArray]] = {}
    for row in records.rows(records.RESULTS / "joint.jsonl"):
        if row["problem"] == problem and row["budget"] >= max(QUERIES):
            found.setdefault(row["method"], {})[row["seed"]] = np.array(row["best"])
    return found


def table() -> Iterator[str]:
    """What is gained by the generator, one row a problem."""
    head = ["", "the default has the", "unit", "seeds", *(f"@{n}" for n in QUERIES)]
    rows = []
    for compared in COMPARED:
        pair = load(compared.name)
        if pair is not None:
            gains = [paired(pair.gain(n, compared.relative)) for n in QUERIES]
            unit = f"{compared.unit}, in percent" if compared.relative else compared.unit
            seeds = str(len(pair.generator))
            rows.append([compared.title, pair.default, unit, seeds, *gains])
    yield from markdown(head, rows)


def draw(axis: Axes, compared: Compared, pair: Pair) -> None:
    """Mean best by query, with its standard error; the default's line is the thicker one."""
    queries = np.arange(FIRST, pair.generator.shape[1] + 1)
    for kind, color in COLORS.items():
        values = getattr(pair, kind)[:, FIRST - 1 :]
        mean, error = values.mean(0), values.std(0, ddof=1) / len(values) ** 0.5
        wide = 2.6 if kind == pair.default else 1.3
        axis.plot(queries, mean, color=color, linewidth=wide, label=kind)
        axis.fill_between(queries, mean - error, mean + error, color=color, alpha=0.15, linewidth=0)
    axis.set_title(compared.title, fontsize=9)
    axis.set_ylabel(compared.unit, fontsize=8)
    axis.set_xlabel("trained", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def main() -> None:
    write_or_print(table(), PAGE, "generator_pays", __doc__)


if __name__ == "__main__":
    main()
