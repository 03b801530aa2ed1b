"""What pruning brings: ``python -m benchmarks.pruning`` writes benchmarks/results/pruning.md.

Searches of NAS-Bench-201 with two rungs: validation accuracy after 12 epochs is reported, then the pruner decides, then
training goes on to 200 epochs. All searches get the same number of epochs, worth ``--trainings`` whole trainings; only
whole trainings count as found. ``--charge 60`` charges a pruned trial 60 epochs, as if the same report came later. A
finished search is not run again unless asked (--again).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from itertools import product
from typing import Any, NamedTuple, TypeAlias
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState
from tqdm import tqdm

from benchmarks import records
from benchmarks.problems import nb201
from benchmarks.run import seeds
from benchmarks.tables import markdown, paired
from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.study.pruned_trials import FinalValues

SPACE = spaces.nas_bench_201()
RUNG, WHOLE = 12, 200  # epochs
IGNORING = "agnet-ignoring"
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "agnet": lambda seed: AGNetSampler(SPACE, seed=seed, config=AGNetConfig(dedup="encoding")),
    "tpe": lambda seed: TPESampler(multivariate=True, seed=seed),
}
SAMPLERS[IGNORING] = SAMPLERS["agnet"]
PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": NopPruner,
    "median": MedianPruner,
    "hyperband": lambda: HyperbandPruner(min_resource=RUNG, max_resource=WHOLE),
}
COMPARED = (
    (("agnet", "median"), ("agnet", "none")),
    (("agnet", "median"), (IGNORING, "median")),
    (("agnet", "hyperband"), ("agnet", "none")),
    (("agnet", "hyperband"), (IGNORING, "hyperband")),
    (("tpe", "median"), ("tpe", "none")),
    (("tpe", "hyperband"), ("tpe", "none")),
    (("agnet", "median"), ("tpe", "median")),
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
    """A study until its epochs are spent; the best whole training whenever it improves, by epochs spent."""
    early, final = nb201.early_column(job.dataset), nb201.folder_columns(job.dataset)[0]
    study = optuna.create_study(
        study_name=f"pruning-{job.seed}",  # Hyperband draws brackets by it
        direction="maximize",
        sampler=SAMPLERS[job.sampler](job.seed),
        pruner=PRUNERS[job.pruner](),
    )
    spent, best = 0, []
    while spent < job.trainings * WHOLE:
        trial = study.ask()
        at = int(nb201.index(SPACE.choices([SPACE.suggest(trial)]))[0])
        trial.report(float(early[at]), RUNG)
        if trial.should_prune():
            spent += job.charge
            study.tell(trial, state=TrialState.PRUNED)
            continue
        spent += WHOLE
        study.tell(trial, float(final[at]))
        if not best or final[at] > best[-1][1]:
            best.append((spent, round(float(final[at]), 4)))
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    return {
        **job._asdict(),
        "trials": len(study.trials),
        "pruned": pruned,
        "best": best,
    }


def run(job: Job) -> dict[str, Any]:
    """One search; without estimates of the pruned trials' values where they are to be ignored."""
    ignoring = mock.patch.object(FinalValues, "estimate", return_value=None)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with ignoring if job.sampler == IGNORING else nullcontext():
        return search(job)


def best_at(rows: Sequence[Row], trainings: int) -> FloatArray:
    """The best value of each run once epochs worth so many whole trainings were spent."""
    limit = trainings * WHOLE
    return np.array([max(value for spent, value in row["best"] if spent <= limit) for row in rows])


def checkpoints(rows: Sequence[Row]) -> tuple[int, ...]:
    trainings = rows[0]["trainings"]
    return trainings // 4, trainings // 2, trainings


def quality(rows: Sequence[Row]) -> list[str]:
    """Every sampler with every pruner."""
    at = checkpoints(rows)
    head = ["data", "sampler", "pruner", "seeds", "trials", "pruned", *(f"@{n}" for n in at)]
    lines = []
    for (dataset, sampler, pruner), runs in grouped(rows).items():
        cells = [dataset, sampler, pruner, str(len(runs))]
        cells += [f"{np.mean([run['trials'] for run in runs]):.0f}"]
        cells += [f"{np.mean([run['pruned'] / run['trials'] for run in runs]):.0%}"]
        found = [best_at(runs, n) for n in at]
        lines.append([*cells, *(f"{v.mean():.2f} ± {v.std():.2f}" for v in found)])
    return markdown(head, lines)


def differences(rows: Sequence[Row]) -> list[str]:
    """Paired by seed, at half of the epochs and at all of them."""
    runs_of, at = grouped(rows), checkpoints(rows)[1:]
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    lines = []
    for ours, theirs in COMPARED:
        cells = [", ".join(ours), ", ".join(theirs)]
        for dataset, n in product(datasets, at):
            pair = runs_of.get((dataset, *ours)), runs_of.get((dataset, *theirs))
            cells.append(
                paired(np.subtract(*(best_at(runs, n) for runs in pair))) if all(pair) else ""
            )
        lines.append(cells)
    head = ["sampler, pruner", "against", *(f"{d} @{n}" for d, n in product(datasets, at))]
    return markdown(head, lines)


def grouped(rows: Sequence[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """Runs by data set, sampler and pruner; seeds in order."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for key in product(nb201.DATASETS, SAMPLERS, PRUNERS):
        runs = [row for row in rows if (row["dataset"], row["sampler"], row["pruner"]) == key]
        if runs:
            found[key] = sorted(runs, key=lambda run: run["seed"])
    return found


def report(rows: Sequence[Row]) -> str:
    """A section for each charge."""
    trainings = rows[0]["trainings"]
    lines = [
        "# Pruning",
        "",
        f"Made by `python -m benchmarks.pruning`: NAS-Bench-201, validation accuracy after {WHOLE} epochs; the one"
        f" after {RUNG} is reported to the pruner first. @n: the best whole training once the epochs of n whole ones"
        f" were spent, mean and standard deviation over the seeds; every search has the epochs of {trainings}."
        f" `{IGNORING}`: as if pruned trials had reported nothing, so that they only are not proposed again."
        " Hyperband has three brackets here, of which the first prunes after the one report and the others never do."
        " Differences are paired by seed, with their standard errors.",
        "",
    ]
    for charge in sorted({row["charge"] for row in rows}):
        part = [row for row in rows if row["charge"] == charge]
        lines += [f"## A pruned trial costs {charge} epochs", ""]
        lines += [*quality(part), *differences(part)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=seeds, default="0:10", help="default: %(default)s")
    parser.add_argument("--trainings", type=int, default=48, help="default: %(default)s")
    parser.add_argument("--charge", type=int, default=RUNG, help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="also run what is there already")
    arguments = parser.parse_args()
    path = records.RESULTS / "pruning.jsonl"
    rows = records.rows(path, arguments.again)
    done = {Job(*(row[name] for name in Job._fields)) for row in rows}
    jobs = [
        Job(dataset, sampler, pruner, seed, arguments.trainings, arguments.charge)
        for seed, dataset, sampler, pruner in product(
            arguments.seeds, nb201.DATASETS, SAMPLERS, PRUNERS
        )
        if (sampler, pruner) != (IGNORING, "none")
    ]
    jobs = [job for job in jobs if job not in done]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        running = [pool.submit(run, job) for job in jobs]
        for future in tqdm(as_completed(running), total=len(running), unit="run"):
            rows.append(future.result())
            records.append_row(path, rows[-1])
    text = report([row for row in rows if row["trainings"] == arguments.trainings])
    (records.RESULTS / "pruning.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
