"""Tables of `benchmarks.pruning`: what was found with equal epochs, what stopping cost, and differences by seed.

``python -m benchmarks.pruning_table --write`` puts those of DARTS cells into docs/pruning.md, in short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks import records
from benchmarks.markdown import markdown, paired, write_or_print
from benchmarks.methods.pruners import (
    CAREFUL,
    CONTINUING,
    FIVE,
    FLAT,
    FLAT_CONTINUING,
    IGNORING,
    LINEAR,
    NORMAL,
    PLACES,
    PRUNERS,
    SAMPLERS,
    WILCOXON,
)
from benchmarks.problems import nb301
from benchmarks.problems.trainings import DARTS, DATASETS, RUNG, SEEDS, WHOLE, whole
from optuna_agnet.core.arrays import FloatArray

PAGE = Path(__file__).parents[1] / "docs" / "pruning.md"
NAMES = {
    "none": "none",
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "halving": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "agnet": "AGNetPruner",
    FIVE: "AGNetPruner, n_warmup_curves=5",
    CONTINUING: "AGNetPruner, continue_stopped",
}
"""Pruners in docs/pruning.md."""
PAIRS = (("agnet", PLACES), ("agnet", IGNORING), (PLACES, IGNORING))
COMPARED = (
    (("agnet", "agnet"), ("agnet", "none")),
    (("agnet", "agnet"), ("agnet", "median")),
    (("agnet", "agnet"), ("agnet", "hyperband")),
    (("agnet", "agnet"), ("agnet", "percentile")),
    (("agnet", "agnet"), ("agnet", "halving")),
    (("agnet", "agnet"), ("agnet", WILCOXON)),
    (("agnet", "agnet"), ("agnet", FIVE)),
    (("agnet", CONTINUING), ("agnet", "agnet")),
    (("agnet", FIVE), ("agnet", NORMAL)),
    (("agnet", FIVE), ("agnet", FLAT)),
    (("agnet", FIVE), ("agnet", LINEAR)),
    (("agnet", CAREFUL), ("agnet", NORMAL)),
    (("agnet", FLAT_CONTINUING), ("agnet", FLAT)),
    (("agnet", FLAT_CONTINUING), ("agnet", NORMAL)),
    (("agnet", "agnet"), ("tpe", "agnet")),
    (("tpe", "agnet"), ("tpe", "none")),
    (("tpe", "agnet"), ("tpe", "median")),
    (("tpe", "agnet"), ("tpe", "hyperband")),
    (("tpe", "agnet"), ("tpe", "percentile")),
    (("tpe", "agnet"), ("tpe", "halving")),
    (("tpe", "agnet"), ("tpe", FIVE)),
    (("agnet", "median"), ("agnet", "none")),
    (("agnet", "hyperband"), ("agnet", "none")),
    *(
        ((one, p), (other, p))
        for one, other in PAIRS
        for p in ("agnet", CONTINUING, NORMAL, FLAT, FLAT_CONTINUING, "median", "hyperband")
    ),
    ((PLACES, "median"), ("agnet", "none")),
    ((PLACES, "hyperband"), ("agnet", "none")),
    (("tpe", "median"), ("tpe", "none")),
    (("tpe", "hyperband"), ("tpe", "none")),
    ((PLACES, "median"), ("tpe", "median")),
)

Row: TypeAlias = Mapping[str, Any]


def best_at(rows: Sequence[Row], n: int) -> FloatArray:
    """The best value of each run once epochs worth n whole trainings were spent."""
    limit = n * whole(rows[0]["dataset"])
    return np.array([max(value for spent, value in row["best"] if spent <= limit) for row in rows])


def checkpoints(rows: Sequence[Row]) -> tuple[int, ...]:
    most = rows[0]["trainings"]
    return most // 8, most // 4, most // 2, most


def quality(rows: Sequence[Row]) -> list[str]:
    """Every sampler with every pruner."""
    at = checkpoints(rows)
    head = ["data", "sampler", "pruner", "seeds", "trials", "pruned"]
    head += [*(f"@{n}" for n in at), "of the best percent stopped", "of new bests stopped"]
    head += ["best one stopped, above the best found"]
    lines = []
    for (dataset, sampler, pruner), runs in grouped(rows).items():
        cells = [dataset, sampler, pruner, str(len(runs))]
        cells += [f"{np.mean([run['trials'] for run in runs]):.0f}"]
        cells += [f"{np.mean([run['pruned'] / run['trials'] for run in runs]):.0%}"]
        found = [best_at(runs, n) for n in at]
        lines.append([*cells, *(f"{v.mean():.2f} ± {v.std():.2f}" for v in found), *lost(runs)])
    return markdown(head, lines)


def lost(runs: Sequence[Row]) -> list[str]:
    """What stopping cost: pruned trials of the best percent among all such, new bests that were stopped among all, and
    by how much the best of the pruned would have been ahead of the best that was found, a run.
    """
    if not all("lost" in run for run in runs):  # an older line
        return [""] * 3
    stopped, seen, led = (
        sum(run[name] for run in runs) for name in ("stopped_best", "seen_best", "lost")
    )
    cells = [f"{stopped} of {seen}", f"{led} of {led + sum(len(run['best']) for run in runs)}"]
    known = [run for run in runs if "best_stopped" in run]
    ahead = [max((run["best_stopped"] or -np.inf) - run["best"][-1][1], 0.0) for run in known]
    some = f" ({len(known)})" if len(known) < len(runs) else ""
    return [*cells, f"{np.mean(ahead):.2f}{some}" if known else ""]


def differences(rows: Sequence[Row]) -> list[str]:
    """Paired by the seeds that both have, at half of the epochs and at all of them."""
    runs_of, at = grouped(rows), checkpoints(rows)[2:]
    datasets = [name for name in DATASETS if any(row["dataset"] == name for row in rows)]
    lines = []
    for ours, theirs in COMPARED:
        cells = [", ".join(ours), ", ".join(theirs)]
        for dataset, n in product(datasets, at):
            first, second = (runs_of.get((dataset, *which), []) for which in (ours, theirs))
            cells.append(ahead(first, second, n))
        if any(cells[2:]):
            lines.append(cells)
    head = ["sampler, pruner", "against", *(f"{d} @{n}" for d, n in product(datasets, at))]
    return markdown(head, lines)


def gains(ours: Sequence[Row], theirs: Sequence[Row], n: int) -> FloatArray:
    """How much better the first are, by the seeds (S,) that both have."""
    common = {run["seed"] for run in ours} & {run["seed"] for run in theirs}
    pair = [[run for run in each if run["seed"] in common] for each in (ours, theirs)]
    return np.subtract(*(best_at(each, n) for each in pair)) if common else np.zeros(0)


def ahead(ours: Sequence[Row], theirs: Sequence[Row], n: int) -> str:
    """Mean and standard error of the gains; nothing of one seed, which has no error."""
    found = gains(ours, theirs, n)
    return paired(found) if len(found) > 1 else ""


def short() -> Iterator[str]:
    """Of DARTS cells, what was found with each pruner, and how far AGNetPruner is ahead with the same sampler."""
    rows = records.rows(records.RESULTS / "pruning.jsonl")
    runs_of = grouped([row for row in rows if (row["dataset"], row["trainings"]) == (DARTS, 48)])
    lines = []
    for sampler, pruner in product(("agnet", "tpe"), NAMES):
        runs = runs_of.get((DARTS, sampler, pruner), [])
        if runs:
            cells = ["AG-Net" if sampler == "agnet" else "TPE", NAMES[pruner], str(len(runs))]
            values = (best_at(runs, n) for n in checkpoints(runs))
            cells += [f"{v.mean():.2f} ± {v.std():.2f}" for v in values]
            ours = [] if pruner == "agnet" else runs_of.get((DARTS, sampler, "agnet"), [])
            cells += [*(ahead(ours, runs, n) for n in checkpoints(runs)[2:]), lost(runs)[1]]
            lines.append(cells)
    head = ["sampler", "pruner", "seeds", "@6", "@12", "@24", "@48"]
    head += ["AGNetPruner ahead @24", "@48", "new bests stopped"]
    yield from markdown(head, lines)


def grouped(rows: Sequence[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """Runs by data set, sampler and pruner; seeds in order."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for key in product(DATASETS, SAMPLERS, PRUNERS):
        runs = [row for row in rows if (row["dataset"], row["sampler"], row["pruner"]) == key]
        if runs:
            found[key] = sorted(runs, key=lambda run: run["seed"])
    return found


def report(rows: Sequence[Row]) -> str:
    """A section for each charge."""
    lines = [
        "# Pruning",
        "",
        f"Made by `python -m benchmarks.pruning`: NAS-Bench-201, validation accuracy after {WHOLE} epochs; the one"
        f" after {RUNG} is reported to the pruner first. `darts`: both DARTS cells by YAHPO Gym's surrogate of"
        f" NAS-Bench-301, validation accuracy after each of {nb301.EPOCHS} epochs is reported. `mlp-*`: depth, width,"
        f" and three hyperparameters of MLPs on a table of HPOBench, trained with {SEEDS} seeds one after another; the"
        " mean so far is reported, and for WilcoxonPruner each one. @n: the best whole training once the epochs of n"
        " whole ones were spent, mean and standard deviation over the seeds."
        f" `{IGNORING}`: as if pruned trials had reported nothing, so that they only are not proposed again."
        f" `{PLACES}`: they count by their places when they were stopped, and curves don't judge them anew."
        f" `{CONTINUING}`: stopped trials may go on from where they were (`AGNetPruner.continue_stopped`)."
        f" `{FIVE}`: with `n_warmup_curves=5`, so that nothing is stopped without a forecast; so too all that follow."
        f" `{NORMAL}`: with a normal distribution in the place of Student's. So too: `{FLAT}` and `{FLAT_CONTINUING}`,"
        f" with the same least chance at all rungs; `{LINEAR}`, with half as much of it at the first of several, the"
        f" whole at the second, half more at each one after that; `{CAREFUL}`, with `min_chance=0.5`."
        " Hyperband has three brackets on NAS-Bench-201, of which the first prunes after the one report and the others"
        " never do.",
        "",
        "What stopping costs. Best percent: final values that one of a hundred random architectures reaches; how many"
        " of those that the searches tried were stopped. Most of these lose nothing: once a search has a better one, it"
        " goes by trainings of the best percent that don't lead. New bests: trainings that are, or would have been,"
        " better than all whole ones so far; how many of them were stopped. The last column is what a user loses in the"
        " end: by how much the best of the stopped would have been ahead of the best found, nothing where it would not,"
        " mean over the seeds (in brackets: how many, where older lines don't say)."
        " Differences are paired by seed, with their standard errors." + _older(rows),
        "",
    ]
    for budget, charge in sorted({(row["trainings"], row["charge"]) for row in rows}):
        part = [row for row in rows if (row["trainings"], row["charge"]) == (budget, charge)]
        costs = f"at least {charge} epochs" if charge else "the epochs that it ran"
        lines += [f"## The epochs of {budget} trainings; a pruned trial costs {costs}", ""]
        lines += [*quality(part), *differences(part)]
    return "\n".join(lines)


def _older(rows: Sequence[Row]) -> str:
    older = sum("machine" not in row for row in rows)
    if not older:
        return ""
    return (
        f" {older} of the {len(rows)} searches ran with earlier versions of the sampler; those of AG-Net with a pruner"
        f" are among `{PLACES}`, as that was the rule then."
    )


def main() -> None:
    write_or_print(short(), PAGE, "pruning_table", __doc__)


if __name__ == "__main__":
    main()
