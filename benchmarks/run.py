"""Run searches on real tables: ``python -m benchmarks.run --problem nb201-c100 --method agnet,tpe --seeds 0:10``.

One JSON line a run in benchmarks/results/<problem>.jsonl. A finished run is not run again unless asked (--again), and
a longer one counts as a shorter one too; so an interrupted command goes on where it stopped. Names may be patterns:
'hw-*-joint'.
"""

from __future__ import annotations

import argparse
import fnmatch
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process a core

import numpy as np
import optuna
from tqdm import tqdm

from benchmarks import curves, methods, problems, records
from benchmarks.methods import AskTell
from benchmarks.methods.base import begin
from benchmarks.problems import Problem
from benchmarks.records import Record
from benchmarks.together import run_together
from optuna_agnet.core.arrays import FloatArray

PACKAGES = ("optuna-agnet", "optuna", "torch", "numpy")


class Job(NamedTuple):
    problem: str
    method: str
    seed: int
    budget: int


def numbers(values: FloatArray) -> list[float | None]:
    """Rounded to four decimals, or six digits where that is more; None instead of NaN, which JSON lacks."""
    return [None if math.isnan(v) else rounded(float(v)) for v in values]


def rounded(value: float) -> float:
    return float(f"{value:.6g}") if abs(value) < 1 else round(value, 4)


def search(problem: Problem, method: AskTell, budget: int) -> dict[str, Any]:
    """The per-query part of a record, and the architectures that were asked."""
    asked_for, found, seconds = [], [], []
    for _ in range(budget):
        start = time.perf_counter()
        architecture = method.ask()
        asked = time.perf_counter()
        values, constraints, test = problem.evaluate(problem.space.choices([architecture]))
        failed = np.isnan(values).any() or np.isnan(constraints).any()
        results: tuple[Any, ...] = (architecture, None if failed else values[0].tolist())
        if problem.constraint_names and not failed:
            results += (dict(zip(problem.constraint_names, constraints[0].tolist(), strict=True)),)
        told = time.perf_counter()
        method.tell(*results)
        seconds.append(asked - start + time.perf_counter() - told)
        found.append((values[0], constraints[0], test[0]))
        asked_for.append(architecture)
    by_query = [np.array(column) for column in zip(*found, strict=True)]
    return {
        "values": [numbers(column) for column in by_query[0].T],
        "constraints": {
            name: numbers(column)
            for name, column in zip(problem.constraint_names, by_query[1].T, strict=True)
        },
        "test": numbers(by_query[2]),
        "seconds": [round(s, 5) for s in seconds],
        "architectures": asked_for,
    }


def run(job: Job) -> Record:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    problem = problems.load(job.problem).for_search(job.seed)
    found = search(problem, begin(methods.METHODS[job.method], problem, job.seed), job.budget)
    architectures = found.pop("architectures")
    record = Record(
        **job._asdict(),
        data=problem.data,
        versions={package: version(package) for package in PACKAGES},
        directions=list(problem.directions),
        reference=None if problem.reference is None else list(problem.reference),
        optimum=None if problem.optimum is None else rounded(problem.optimum),
        **found,
    )
    at = curves.best_query(record, job.budget)
    return replace(record, best=None if at is None else str(architectures[at]))


def pace(stored: Iterable[Record]) -> Callable[[Job], float]:
    """Seconds that a job should take, from runs of its method, on its problem if there are some; infinite without."""
    seconds = defaultdict(list)  # a query
    for record in stored:
        for known in ((record.method, record.problem), (record.method, None)):
            seconds[known].append(sum(record.seconds) / record.budget)

    def expected(job: Job) -> float:
        known = seconds.get((job.method, job.problem)) or seconds.get((job.method, None))
        return job.budget * float(np.mean(known)) if known else math.inf

    return expected


def missing(jobs: Sequence[Job], path_of: Callable[[str], Path], again: bool) -> list[Job]:
    """Jobs that no stored run answers, those that should take longest first, so that no process waits at the end."""
    stored = {}
    for path in {path_of(job.problem) for job in jobs}:
        stored.update(records.longest(records.read(path)))

    def answered(job: Job) -> bool:
        key = (job.problem, problems.load(job.problem).data, job.method, job.seed)
        return key in stored and stored[key].budget >= job.budget

    wanted = [job for job in jobs if again or not answered(job)]
    return sorted(wanted, key=pace(stored.values()), reverse=True)


def seeds(text: str) -> list[int]:
    start, _, stop = text.partition(":")
    return list(range(int(start), int(stop))) if stop else [int(start)]


def names(text: str, known: Mapping[str, object], what: str) -> list[str]:
    """Known names that a list of names and patterns stands for, each once."""
    matches = {part: fnmatch.filter(known, part) for part in text.split(",")}
    unknown = [part for part, found in matches.items() if not found]
    if unknown:
        raise ValueError(f"unknown {what} {', '.join(unknown)}; known: {', '.join(known)}")
    return list(dict.fromkeys(name for found in matches.values() for name in found))


def check(problem: str, budget: int) -> None:
    rows = problems.load(problem).num_rows
    if budget < 1 or (rows is not None and budget > rows):
        raise ValueError(
            f"--budget {budget} of {problem} must be from 1 to {rows}, its number of rows"
        )


def plan(arguments: argparse.Namespace, path_of: Callable[[str], Path]) -> list[Job]:
    chosen = names(arguments.problem, problems.PROBLEMS, "problem")
    for problem in chosen:
        check(problem, arguments.budget)
    jobs = [
        Job(problem, method, seed, arguments.budget)
        for problem in chosen
        for method in names(arguments.method, methods.METHODS, "method")
        for seed in arguments.seeds
    ]
    return missing(jobs, path_of, arguments.again)


def attempt(job: Job) -> Record | str:
    """A search's record, or why there is none."""
    try:
        return run(job)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def run_group(group: Sequence[Job]) -> list[Record | str]:
    """Of each search what `attempt` gives; several train together."""
    return [attempt(group[0])] if len(group) == 1 else run_together(group, attempt)


def groups(jobs: Sequence[Job], size: int) -> list[list[Job]]:
    """At most ``size`` jobs of one method each, in their order."""
    of_method: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        of_method[job.method].append(job)
    return [own[i : i + size] for own in of_method.values() for i in range(0, len(own), size)]


def run_all(
    jobs: Sequence[Job], processes: int, path_of: Callable[[str], Path], together: int = 1
) -> int:
    """Runs that failed; the others are written as they end, ``together`` at a time."""
    failed = 0
    with ProcessPoolExecutor(processes) as pool, tqdm(total=len(jobs), unit="run") as bar:
        running = {
            pool.submit(run_group, group): group
            for group in (groups(jobs, together) if together > 1 else [[job] for job in jobs])
        }
        try:
            for future in as_completed(running):
                group, error = running[future], future.exception()
                found = future.result() if error is None else [repr(error)] * len(group)
                for job, record in zip(group, found, strict=True):
                    if isinstance(record, str):
                        failed += 1
                        bar.write(f"failed: {job}: {record}", file=sys.stderr)
                    else:
                        records.append(path_of(job.problem), record)
                bar.update(len(group))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--problem", required=True, help=f"of {', '.join(problems.PROBLEMS)}")
    made.add_argument("--method", required=True, help=f"of {', '.join(methods.METHODS)}")
    made.add_argument("--seeds", type=seeds, default="0:10", help="first:last+1, or one")
    made.add_argument("--budget", type=int, default=192, help="queries (default: %(default)s)")
    made.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    made.add_argument("--out", type=Path, help="one file for all results (default: one a problem)")
    made.add_argument(
        "--together",
        type=int,
        default=1,
        help="searches of a process whose training is one batch, for agnet-paper (default: %(default)s)",
    )
    made.add_argument("--again", action="store_true", help="also run what is there already")
    return made


def main() -> None:
    arguments = parser().parse_args()

    def path_of(problem: str) -> Path:
        return arguments.out or records.RESULTS / f"{problem}.jsonl"

    try:
        jobs = plan(arguments, path_of)
        for problem in dict.fromkeys(job.problem for job in jobs):
            print(f"{problem}: {problems.load(problem).data}", file=sys.stderr)
        failed = run_all(jobs, arguments.jobs, path_of, arguments.together)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit("interrupted: the same command goes on from here") from None
    if failed:
        raise SystemExit(f"{failed} of {len(jobs)} runs failed")


if __name__ == "__main__":
    main()
