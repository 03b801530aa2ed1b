"""What samplers cost: ``python -m benchmarks.speed`` writes benchmarks/results/speed.md.

Each sampler searches NAS-Bench-201 (CIFAR-100) in a study in memory and in a process of its own, one sampler after the
other, then again with the next seed. An ask is everything between ``study.ask()`` and the architecture. A sampler that
has used up ``--limit`` processor seconds stops there, and the table says where. A finished search is not run again
unless asked (--again).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, TypeAlias

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from benchmarks import records
from benchmarks.growth import resident_mebibytes
from benchmarks.markdown import markdown
from benchmarks.methods import optuna_samplers
from benchmarks.problems import nb201
from benchmarks.problems.base import Problem
from benchmarks.run import seeds
from optuna_agnet import AGNetConfig, AGNetSampler
from optuna_agnet.core.arrays import FloatArray

SIZES = (192, 1000, 2000)
LATE = 100  # asks that show what one costs at a size
SAMPLERS: dict[str, Callable[[Problem, int], BaseSampler]] = {
    "AGNetSampler": lambda problem, seed: AGNetSampler(
        problem.space, seed=seed, config=AGNetConfig(dedup="encoding")
    ),
    "GPSampler": optuna_samplers.gp,
    "TPESampler": optuna_samplers.tpe,
    "NSGAIISampler": optuna_samplers.nsga2,
}
IMPORTS = """
import time
begun = time.process_time()
import optuna
optuna_done = time.process_time()
import optuna_agnet
print(optuna_done - begun, time.process_time() - optuna_done)
"""

Row: TypeAlias = Mapping[str, Any]


def measure(name: str, seed: int, limit: float) -> dict[str, Any]:
    """One search, in a process of its own; what it had cost at each size that it reached."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = nb201.load("c100")
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[name](problem, seed))
    asks: list[tuple[float, float]] = []
    costs, value = {}, -np.inf
    while len(asks) < SIZES[-1] and sum(cpu for cpu, _ in asks) < limit:
        cpu, wall = time.process_time(), time.perf_counter()
        trial = study.ask()
        row = problem.space.choices([problem.space.suggest(trial)])
        asks.append((time.process_time() - cpu, time.perf_counter() - wall))
        found = float(problem.evaluate(row).values[0, 0])
        study.tell(trial, found)
        value = max(value, found)
        if len(asks) in SIZES:
            costs[str(len(asks))] = cost(np.array(asks), value)
    total = sum(cpu for cpu, _ in asks)
    return {"trials": len(asks), "cpu_s": round(total, 1), "at": costs}


def cost(asks: FloatArray, value: float) -> dict[str, float]:
    """Of asks (N, 2), processor and wall seconds each."""
    return {
        "cpu_s": round(float(asks[:, 0].sum()), 2),
        "wall_s": round(float(asks[:, 1].sum()), 2),
        "median_ms": round(1000 * float(np.median(asks[:, 0])), 2),
        "worst_ms": round(1000 * float(asks[:, 0].max()), 1),
        "late_ms": round(1000 * float(np.median(asks[-LATE:, 0])), 2),
        "memory_mb": round(resident_mebibytes()),
        "best": round(value, 3),
    }


def import_seconds() -> tuple[float, float]:
    """Processor seconds of ``import optuna``, and of ``import optuna_agnet`` after it: the fastest of five."""
    command = [sys.executable, "-c", IMPORTS]
    outputs = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(5)
    ]
    first, second = np.array([output.split() for output in outputs], dtype=float).min(0)
    return float(first), float(second)


def total(rows: list[Row], size: int) -> str:
    """Processor seconds for so many trials, or the limit and where it was hit."""
    whole = [row["at"][str(size)]["cpu_s"] for row in rows if str(size) in row["at"]]
    if whole:
        return f"{np.median(whole):.1f}"
    reached = max(rows, key=lambda row: row["trials"])
    return f"> {reached['cpu_s']:.0f} ({reached['trials']} trials)"


def median(costs: list[Mapping[str, float]], key: str) -> float:
    return float(np.median([cost[key] for cost in costs]))


def line(name: str, rows: list[Row]) -> list[str]:
    """Medians over the seeds of one sampler; the worst of the worst asks."""
    first = [row["at"][str(SIZES[0])] for row in rows if str(SIZES[0]) in row["at"]]
    last = [row["at"][str(SIZES[-1])] for row in rows if str(SIZES[-1]) in row["at"]]
    if not first:
        return [name, *(total(rows, size) for size in SIZES), "", "", "", "", "", ""]
    return [
        name,
        *(total(rows, size) for size in SIZES),
        f"{median(first, 'median_ms'):.1f}",
        f"{max(cost['worst_ms'] for cost in first):.0f}",
        f"{median(last, 'late_ms') / median(first, 'late_ms'):.2f}" if last else "",
        *(f"{max(cost['memory_mb'] for cost in c):.0f}" if c else "" for c in (first, last)),
        f"{np.mean([cost['best'] for cost in first]):.2f}",
    ]


def of(rows: list[Row], name: str) -> list[Row]:
    return [row for row in rows if row["sampler"] == name]


def report(rows: list[Row], imports: tuple[float, float]) -> str:
    count = len({row["seed"] for row in rows})
    header = ["sampler", *(f"{size:,} trials, CPU s" for size in SIZES), "median ask, ms"]
    header += ["worst ask, ms", "ask at 2,000 / at 192"]
    header += [f"peak memory at {size:,}, MB" for size in (SIZES[0], SIZES[-1])]
    header += ["best at 192, %"]
    lines = [line(name, runs) for name in SAMPLERS if (runs := of(rows, name))]
    return "\n".join(
        [
            "# What a sampler costs",
            "",
            f"Made by `python -m benchmarks.speed` with Optuna {optuna.__version__}, Python"
            f" {platform.python_version()}: NAS-Bench-201, CIFAR-100, a study in memory, one thread, seeds: {count}."
            " Processor times, since other work ran on the machine; asks of the first 192 trials. The benchmark's"
            " tables and libraries are among the memory. Where there is a number of trials in brackets, the limit of"
            " processor time ended the search there.",
            "",
            *markdown(header, lines),
            f"`import optuna` takes {imports[0]:.2f} s of processor time, `import optuna_agnet` after it"
            f" {imports[1]:.2f} s.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=seeds, default="0:3", help="default: %(default)s")
    parser.add_argument("--limit", type=float, default=240.0, help="CPU seconds (%(default)s)")
    parser.add_argument("--again", action="store_true", help="also run what is there already")
    parser.add_argument("--measure", nargs=2, metavar=("SAMPLER", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, seed = arguments.measure
        print(json.dumps(measure(name, int(seed), arguments.limit)))
        return
    path = records.RESULTS / "speed.jsonl"
    rows = records.rows(path, lambda row: arguments.again and row["seed"] in arguments.seeds)
    done = {(row["seed"], row["sampler"]) for row in rows}
    imports = import_seconds()
    command = [sys.executable, "-m", "benchmarks.speed", "--limit", str(arguments.limit)]
    for seed, name in product(arguments.seeds, SAMPLERS):
        if (seed, name) in done:
            continue
        print(f"{name}, seed {seed}", file=sys.stderr)
        whole = [*command, "--measure", name, str(seed)]
        found = subprocess.run(whole, stdout=subprocess.PIPE, text=True, check=True)
        rows.append({"sampler": name, "seed": seed, **json.loads(found.stdout)})
        records.append_row(path, rows[-1])
        (records.RESULTS / "speed.md").write_text(report(rows, imports))
    print(report(rows, imports))


if __name__ == "__main__":
    main()
