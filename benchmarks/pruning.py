"""What pruning brings: ``python -m benchmarks.pruning`` writes benchmarks/results/pruning.md.

NAS-Bench-201 has two rungs: validation accuracy after 12 epochs is reported, then the pruner decides, then training
goes on to 200 epochs. DARTS cells report each of 98 epochs (`nb301.epochs`). ``mlp-*``: MLPs of HPOBench, each trained
with five seeds one after another; the mean so far is reported, to WilcoxonPruner each one. All searches get the same
number of epochs, worth ``--trainings`` whole trainings; only whole trainings count as found. ``--charge 60`` charges a
trial that is pruned on NAS-Bench-201 60 epochs, as if the same report came later. A finished search is not run again
unless asked (--again). How the search learns from pruned trials, and how careful the pruner is at each rung, was chosen
with other seeds, which have a file of their own: ``--results pruning-choice --seeds 100:109 --trainings 24 --datasets
c10 darts --samplers agnet agnet-places``. The first of these ran when the pruner's least chance was the same at all
rungs (``agnet-flat``), others when it grew by as much at each rung (``agnet-linear``), or when chances were those of a
normal distribution (``agnet-normal``).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.trial import TrialState

from benchmarks import records
from benchmarks.methods.pruners import (
    GO_ON,
    IGNORING,
    PLACES,
    PRUNERS,
    SAMPLERS,
    WILCOXON,
    variant,
)
from benchmarks.problems import nb201
from benchmarks.problems.trainings import DATASETS, MLPS, RUNG, Trainings, trainings
from benchmarks.pruning_table import report
from benchmarks.run import seeds
from optuna_agnet import AGNetPruner, continued_from
from optuna_agnet.study.attributes import StoppedBecause, stopped_because


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
    ``lost`` counts pruned trials that would have been the best so far, and ``expected`` is how many of these
    `AGNetPruner` expected, the sum of the chances that it gave them; ``best_stopped`` is what the best of the pruned
    would have come to, None where none is. Trials that another one went on with don't count as pruned; their epochs
    are spent once.
    """
    problem = trainings(job.dataset)
    study = _study(job, problem)
    spent, best, seen, continued = 0, [(0, -np.inf)], 0, 0
    stopped: dict[int, tuple[float, bool, float]] = {}  # its end, whether it would have led, chance
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
            reason = stopped_because(study.tell(trial, state=TrialState.PRUNED))
            chance = reason.chance if isinstance(reason, StoppedBecause) else 0.0
            stopped[trial.number] = final, final > best[-1][1], chance
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
        "stopped_best": sum(bool(found[0] >= problem.best_percent) for found in stopped.values()),
        "seen_best": int(seen),
        "lost": sum(led for _, led, _ in stopped.values()),
        "expected": round(sum(chance for _, _, chance in stopped.values()), 3),
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
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with ExitStack() as stack:
        for name in sorted({job.sampler, job.pruner}):
            stack.enter_context(variant(name))
        return search(job)


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
