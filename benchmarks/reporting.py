"""What the reports of running trials bring to several workers: ``python -m benchmarks.reporting`` writes reporting.md.

Asynchronous workers share a study: each asks for the next architecture whenever it has finished one. A training takes
between half and one and a half units of time, at random, and reports as it goes on (`benchmarks.pruning`); nothing is
pruned. It was chosen with other seeds, which have a file of their own: ``--results reporting-choice --seeds 100:108``.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.samplers import BaseSampler, TPESampler

from benchmarks import records
from benchmarks.markdown import markdown, paired
from benchmarks.methods.at_once import Workers, random
from benchmarks.problems.trainings import DATASETS, Trainings, trainings
from benchmarks.run import seeds
from optuna_agnet import AGNetConfig, AGNetSampler
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.foretold_trials import ForetoldTrials

QUERIES = (16, 24, 32, 48, 64)
UNTIL_THE_END = "agnet-ended"
SAMPLERS: dict[str, Callable[[SearchSpace, int], BaseSampler]] = {
    "agnet": lambda space, seed: _agnet(space, seed),
    UNTIL_THE_END: lambda space, seed: _agnet(space, seed),
    "tpe": lambda _, seed: TPESampler(multivariate=True, constant_liar=True, seed=seed),
}


def _agnet(space: SearchSpace, seed: int) -> BaseSampler:
    return AGNetSampler(space, seed=seed, config=AGNetConfig(dedup="encoding"))


class Job(NamedTuple):
    dataset: str
    sampler: str
    workers: int
    seed: int


@dataclass
class Training:
    """One that runs."""

    trial: optuna.Trial
    begun: float
    ends: float
    reports: Sequence[tuple[int, float]]
    final: float
    reported: int = 0

    def report(self, now: float, whole: int) -> None:
        """What it has to say by now."""
        epoch = whole * (now - self.begun) / (self.ends - self.begun)
        while self.reported < len(self.reports) and self.reports[self.reported][0] <= epoch:
            step, value = self.reports[self.reported]
            self.trial.report(value, step)
            self.reported += 1


def search(job: Job, trials: int = QUERIES[-1]) -> FloatArray:
    """The best value (trials,) after each training that has ended."""
    problem, rng = trainings(job.dataset), np.random.default_rng([job.seed, 5])
    sampler = SAMPLERS[job.sampler](problem.space, job.seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    workers, values = Workers[Training](), list[float]()
    while len(values) < trials:
        while len(workers) < job.workers:
            training = _begin(study, problem, workers.now, rng)
            workers.begin(training, training.ends)
        ended = workers.ended()
        for training in (*ended, *workers):
            training.report(workers.now, problem.whole)
        for training in ended:
            study.tell(training.trial, training.final)
            values.append(training.final)
    return np.maximum.accumulate(values)


def _begin(
    study: optuna.Study, problem: Trainings, now: float, rng: np.random.Generator
) -> Training:
    trial = study.ask()
    architecture = problem.space.suggest(trial)
    reported = problem.reports(problem.space.choices([architecture])[0])
    return Training(trial, now, now + random(architecture, rng), *reported)


def run(job: Job) -> dict[str, Any]:
    """One search; running trials are as if they had reported nothing where the sampler's name says so."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ignoring = mock.patch.object(ForetoldTrials, "judged", return_value=None)
    with ignoring if job.sampler == UNTIL_THE_END else nullcontext():
        best = search(job)
    return {**job._asdict(), "best": [round(float(value), 4) for value in best]}


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Means and deviations over the seeds; then what the reports bring, paired by seed with standard errors."""
    found: defaultdict[tuple[str, int, str], dict[int, FloatArray]] = defaultdict(dict)
    for row in rows:
        best = np.array(row["best"])[np.array(QUERIES) - 1]
        found[row["dataset"], row["workers"], row["sampler"]][row["seed"]] = best
    lines = []
    for (dataset, workers, sampler), runs in sorted(found.items()):
        best = np.stack(list(runs.values()))
        cells = [f"{v.mean():.2f} ± {v.std():.2f}" for v in best.T]
        lines.append([dataset, str(workers), sampler, str(len(runs)), *cells])
    differences = []
    for dataset, workers in sorted({key[:2] for key in found}):
        one, other = (found.get((dataset, workers, s), {}) for s in ("agnet", UNTIL_THE_END))
        common = sorted(set(one) & set(other))
        if len(common) > 1:
            gains = np.stack([one[seed] - other[seed] for seed in common])
            cells = [paired(gain) for gain in gains.T]
            differences.append([dataset, str(workers), str(len(common)), *cells])
    at = [f"@{n}" for n in QUERIES]
    return [
        *markdown(["data", "workers", "sampler", "seeds", *at], lines),
        *markdown(["agnet, less agnet-ended", "workers", "seeds", *at], differences),
    ]


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """The page."""
    text = (
        "Made by `python -m benchmarks.reporting`: asynchronous workers on one study, each of which begins the next"
        " training when it has ended one. `darts`: both DARTS cells by YAHPO Gym's surrogate of NAS-Bench-301, which"
        " report each of 98 epochs; `c10`, `c100`, `in16`: NAS-Bench-201, one report at epoch 12 of 200. Trainings take"
        " between half and one and a half units of time, drawn by the search's seed. @n: the best of the first n that"
        f" ended. `{UNTIL_THE_END}`: as if running trials had reported nothing. `tpe`: multivariate, with a constant"
        " liar, so running trials count as bad ones."
    )
    return "\n".join(["# Reports of running trials", "", text, "", *table(rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=seeds, default="0:5", help="default: %(default)s")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=["darts"])
    parser.add_argument("--samplers", nargs="+", choices=list(SAMPLERS), default=list(SAMPLERS))
    parser.add_argument("--workers", nargs="+", type=int, default=[8], help="default: %(default)s")
    parser.add_argument("--results", default="reporting", help="name of the file")
    parser.add_argument("--again", action="store_true", help="also run what is there already")
    arguments = parser.parse_args()
    asked = product(arguments.datasets, arguments.samplers, arguments.workers, arguments.seeds)
    jobs = [Job(*each) for each in asked]
    records.experiment(arguments.results, jobs, run, report, again=arguments.again)


if __name__ == "__main__":
    main()
