"""What pruning brings: ``python -m benchmarks.pruning`` writes benchmarks/results/pruning.md.

NAS-Bench-201 has two rungs: validation accuracy after 12 epochs is reported, then the pruner decides, then training
goes on to 200 epochs. DARTS cells report each of 98 epochs (`nb301.epochs`). ``mlp-*``: MLPs of HPOBench, each trained
with five seeds one after another; the mean so far is reported, to WilcoxonPruner each one. All searches get the same
number of epochs, worth ``--trainings`` whole trainings; only whole trainings count as found. ``--charge 60`` charges a
trial that is pruned on NAS-Bench-201 60 epochs, as if the same report came later. A finished search is not run again
unless asked (--again). How the search learns from pruned trials, and how careful the pruner is at each rung, was chosen
with other seeds, which have a file of their own: ``--results pruning-choice --seeds 100:109 --trainings 24 --datasets
c10 darts --samplers agnet agnet-places``. The first of these ran when the pruner's least chance was the same at all
rungs (``agnet-flat``).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from typing import Any, NamedTuple, TypeAlias
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState

from benchmarks import records
from benchmarks.markdown import markdown, paired
from benchmarks.problems import nb201, nb301
from benchmarks.problems.trainings import (
    DATASETS,
    MLPS,
    RUNG,
    SEEDS,
    WHOLE,
    Trainings,
    trainings,
    whole,
)
from benchmarks.run import seeds
from optuna_agnet import AGNetConfig, AGNetPruner, AGNetSampler, continued_from
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.foretold_trials import ForetoldTrials
from optuna_agnet.study.pruned_trials import FinalValues

IGNORING, PLACES = "agnet-ignoring", "agnet-places"
CONTINUING = "agnet-continuing"
FLAT, FLAT_CONTINUING, CAREFUL = "agnet-flat", "agnet-flat-continuing", "agnet-careful"
GO_ON = (CONTINUING, FLAT_CONTINUING)  # with what was stopped
WILCOXON = "wilcoxon"


def _agnet(space: SearchSpace, seed: int) -> BaseSampler:
    return AGNetSampler(space, seed=seed, config=AGNetConfig(dedup="encoding"))


SAMPLERS: dict[str, Callable[[SearchSpace, int], BaseSampler]] = {
    "agnet": _agnet,
    "tpe": lambda _, seed: TPESampler(multivariate=True, seed=seed),
    IGNORING: _agnet,
    PLACES: _agnet,
}
PRUNERS: dict[
    str, Callable[[SearchSpace, int, int], BasePruner]
] = {  # first report, whole training
    "none": lambda *_: NopPruner(),
    "median": lambda *_: MedianPruner(),
    "percentile": lambda *_: PercentilePruner(25.0),
    "hyperband": lambda _, first, last: HyperbandPruner(min_resource=first, max_resource=last),
    "halving": lambda _, first, last: SuccessiveHalvingPruner(min_resource=first),
    "agnet": lambda space, *_: AGNetPruner(space),
    CONTINUING: lambda space, *_: AGNetPruner(space),
    FLAT: lambda space, *_: AGNetPruner(space),
    FLAT_CONTINUING: lambda space, *_: AGNetPruner(space),
    CAREFUL: lambda space, *_: AGNetPruner(space, min_chance=0.5),
    WILCOXON: lambda *_: WilcoxonPruner(),
}
PAIRS = (("agnet", PLACES), ("agnet", IGNORING), (PLACES, IGNORING))
COMPARED = (
    (("agnet", "agnet"), ("agnet", "none")),
    (("agnet", "agnet"), ("agnet", "median")),
    (("agnet", "agnet"), ("agnet", "hyperband")),
    (("agnet", "agnet"), ("agnet", "percentile")),
    (("agnet", "agnet"), ("agnet", "halving")),
    (("agnet", "agnet"), ("agnet", WILCOXON)),
    (("agnet", CONTINUING), ("agnet", "agnet")),
    (("agnet", "agnet"), ("agnet", FLAT)),
    (("agnet", CAREFUL), ("agnet", "agnet")),
    (("agnet", "agnet"), ("tpe", "agnet")),
    (("tpe", "agnet"), ("tpe", "none")),
    (("tpe", "agnet"), ("tpe", "median")),
    (("tpe", "agnet"), ("tpe", "hyperband")),
    (("agnet", "median"), ("agnet", "none")),
    (("agnet", "hyperband"), ("agnet", "none")),
    *(
        ((one, p), (other, p))
        for one, other in PAIRS
        for p in ("agnet", CONTINUING, FLAT, FLAT_CONTINUING, "median", "hyperband")
    ),
    ((PLACES, "median"), ("agnet", "none")),
    ((PLACES, "hyperband"), ("agnet", "none")),
    (("tpe", "median"), ("tpe", "none")),
    (("tpe", "hyperband"), ("tpe", "none")),
    ((PLACES, "median"), ("tpe", "median")),
)

Row: TypeAlias = Mapping[str, Any]


class Job(NamedTuple):
    dataset: str
    sampler: str
    pruner: str
    seed: int
    trainings: int
    charge: int


def search(job: Job) -> dict[str, Any]:
    """A study until its epochs are spent; the best whole training whenever it improves, by epochs spent.

    ``stopped_best`` counts pruned trials that would have been among the best percent, and ``seen_best`` all of those;
    ``lost`` counts pruned trials that would have been the best so far; ``best_stopped`` is what the best of the pruned
    would have come to, None where none is. Trials that another one went on with don't count as pruned; their epochs
    are spent once.
    """
    problem = trainings(job.dataset)
    study = _study(job, problem)
    spent, best, seen, continued = 0, [(0, -np.inf)], 0, 0
    stopped: dict[int, tuple[float, bool]] = {}  # by number: its end, whether it would have led
    while spent < job.trainings * problem.whole:
        if job.pruner in GO_ON and isinstance(study.pruner, AGNetPruner):
            study.pruner.continue_stopped(study)
        trial = study.ask()
        row = problem.space.choices([problem.space.suggest(trial)])[0]
        reports, final = problem.reports(row)
        start = continued_from(trial)
        if start is None:
            seen += final >= problem.best_percent
        else:
            reports = [(epoch, value) for epoch, value in reports if epoch > start.step]
            spent -= max(start.step, job.charge)
            continued += stopped.pop(start.number) is not None
        epoch = _watch(trial, _each(reports) if job.pruner == WILCOXON else reports)
        if epoch:
            spent += max(epoch, job.charge)
            study.tell(trial, state=TrialState.PRUNED)
            stopped[trial.number] = final, final > best[-1][1]
            continue
        spent += problem.whole
        study.tell(trial, final)
        if final > best[-1][1]:
            best.append((spent, round(final, 4)))
    return {
        **job._asdict(),
        "trials": len(study.trials) - continued,
        "pruned": len(stopped),
        "best": best[1:],
        "stopped_best": sum(bool(final >= problem.best_percent) for final, _ in stopped.values()),
        "seen_best": int(seen),
        "lost": sum(led for _, led in stopped.values()),
        "best_stopped": round(max(stopped.values())[0], 4) if stopped else None,
        "continued": continued,
    }


def _study(job: Job, problem: Trainings) -> optuna.Study:
    first = problem.reports(problem.space.sample(1, np.random.default_rng(0))[0])[0][0][0]
    return optuna.create_study(
        study_name=f"pruning-{job.seed}",  # Hyperband draws brackets by it
        direction="maximize",
        sampler=SAMPLERS[job.sampler](problem.space, job.seed),
        pruner=PRUNERS[job.pruner](problem.space, first, problem.whole),
    )


def _watch(trial: optuna.Trial, reports: Sequence[tuple[int, float]]) -> int:
    """The epoch at which a trial is stopped; 0 where it is not."""
    for epoch, value in reports:
        trial.report(value, epoch)
        if trial.should_prune():
            return epoch
    return 0


def _each(reports: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The values that means so far are of: WilcoxonPruner compares trainings with the same seed."""
    totals = [0.0, *(step * mean for step, mean in reports)]
    return [(step, totals[k + 1] - totals[k]) for k, (step, _) in enumerate(reports)]


def run(job: Job) -> dict[str, Any]:
    """One search, of the variant that the names of sampler and pruner say."""
    flat = mock.patch("optuna_agnet.study.pruner._share", return_value=1.0)
    variants = {
        IGNORING: mock.patch.object(FinalValues, "estimate", return_value=None),
        PLACES: mock.patch.object(ForetoldTrials, "judged", return_value=None),
        FLAT: flat,
        FLAT_CONTINUING: flat,
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with ExitStack() as stack:
        for name in {job.sampler, job.pruner} & variants.keys():
            stack.enter_context(variants[name])
        return search(job)


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
            runs = [runs_of.get((dataset, *which), []) for which in (ours, theirs)]
            common = set.intersection(*({run["seed"] for run in each} for each in runs))
            pair = [[run for run in each if run["seed"] in common] for each in runs]
            differ = len(common) > 1  # one has no standard error
            cells.append(
                paired(np.subtract(*[best_at(each, n) for each in pair])) if differ else ""
            )
        if any(cells[2:]):
            lines.append(cells)
    head = ["sampler, pruner", "against", *(f"{d} @{n}" for d, n in product(datasets, at))]
    return markdown(head, lines)


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
        f" `{FLAT}`, `{FLAT_CONTINUING}`: with the same least chance at all rungs, which is how"
        f" it is with one. `{CAREFUL}`: `min_chance=0.5`."
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=seeds, default="0:10", help="default: %(default)s")
    for name, all_ in (("datasets", DATASETS), ("samplers", SAMPLERS), ("pruners", PRUNERS)):
        parser.add_argument(
            f"--{name}", nargs="+", choices=all_, default=list(all_), help="default: all"
        )
    parser.add_argument("--trainings", type=int, default=48, help="default: %(default)s")
    parser.add_argument(
        "--charge", type=int, default=RUNG, help="on NAS-Bench-201; default: %(default)s"
    )
    parser.add_argument(
        "--results", default="pruning", help="name of the file (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="also run what is there already")
    arguments = parser.parse_args()
    jobs = [
        Job(
            dataset,
            sampler,
            pruner,
            seed,
            arguments.trainings,
            arguments.charge * (dataset in nb201.DATASETS),
        )
        for seed, dataset, sampler, pruner in product(
            arguments.seeds, arguments.datasets, arguments.samplers, arguments.pruners
        )
        if not (sampler in (IGNORING, PLACES) and pruner == "none")
        and (pruner != WILCOXON or dataset in MLPS)
        and (pruner not in GO_ON or dataset not in MLPS)
    ]
    records.experiment(
        arguments.results, jobs, run, report, again=arguments.again, processes=arguments.jobs
    )


if __name__ == "__main__":
    main()
