"""What a bounded surrogate costs long searches: ``python -m benchmarks.long`` writes benchmarks/results/long.md.

The Gaussian process is fitted to at most 400 results: the better half, and an even spread of the others
(`most_telling`). Here searches of 1,000 queries go on from their first 400 results twice, with that bound and without
one; up to there they are the same. Seeds from 100. What is there already is not run again unless asked (--again).
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from collections.abc import Iterator
from itertools import product
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks import records
from benchmarks.markdown import markdown
from benchmarks.methods.agnet import METHODS
from benchmarks.problems import nb101, nb301
from benchmarks.problems.base import Problem
from benchmarks.run import seeds
from optuna_agnet import AGNet
from optuna_agnet.core.arrays import FloatArray

PROBLEMS = {"nb301": nb301.load, "nb101": nb101.load}
BOUND, QUERIES = 400, 1000
BOUNDS = {"400 results": BOUND, "all results": QUERIES}
AT = (400, 500, 600, 800, 1000)
TOP = 20


def search(problem: Problem, agnet: AGNet, queries: int, bound: int) -> tuple[list[float], float]:
    """Values of so many more queries, and the processor seconds that their proposals took."""
    values, seconds = [], 0.0
    for _ in range(queries):
        start = time.process_time()
        agnet.proposer.model.surrogate.max_points = bound
        architecture = agnet.ask()
        seconds += time.process_time() - start
        row = problem.space.choices([architecture])
        values.append(float(problem.evaluate(row).values[0, 0]))
        agnet.tell(architecture, values[-1])
    return values, seconds


def run(name: str, seed: int) -> Iterator[dict[str, Any]]:
    """One line a bound."""
    problem = PROBLEMS[name]()
    agnet = METHODS["agnet"](problem, seed)
    known, _ = search(problem, agnet, BOUND, BOUND)
    for title, bound in BOUNDS.items():
        values, seconds = search(problem, copy.deepcopy(agnet), QUERIES - BOUND, bound)
        rounded = [round(value, 4) for value in [*known, *values]]
        ms = round(1000 * seconds / len(values), 1)
        yield {"problem": name, "seed": seed, "bound": title, "ask_cpu_ms": ms, "values": rounded}


def best(row: dict[str, Any]) -> FloatArray:
    return np.maximum.accumulate(row["values"])[np.array(AT) - 1]


def top(row: dict[str, Any]) -> float:
    """Mean of the best found."""
    return float(np.sort(row["values"])[-TOP:].mean())


def later(row: dict[str, Any]) -> float:
    """Mean of what was proposed with the bound, or without it."""
    return float(np.mean(row["values"][BOUND:]))


def page(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Long searches",
        "",
        "Made by `python -m benchmarks.long`: validation accuracy after so many queries, where the Gaussian process is"
        f" fitted to at most {BOUND} results, as by default, and to all of them. Up to {BOUND} both are one search; the"
        " differences are paired, with standard errors. Seeds from 100.",
        "",
    ]
    head = ["problem", "seeds", "fitted to", *(f"best at {n:,}" for n in AT)]
    head += [f"mean of the best {TOP}", f"mean of all after {BOUND}", "ask, CPU ms"]
    cells = [cell for name in PROBLEMS for cell in of_problem(name, rows)]
    return "\n".join([*lines, *markdown(head, cells)])


def of_problem(name: str, rows: list[dict[str, Any]]) -> Iterator[list[str]]:
    mine = [[r for r in rows if (r["problem"], r["bound"]) == (name, bound)] for bound in BOUNDS]
    if not min(map(len, mine)):
        return
    count = str(len(mine[0]))
    numbers = [np.array([[*best(row), top(row), later(row)] for row in found]) for found in mine]
    for title, found, of_bound in zip(BOUNDS, mine, numbers, strict=True):
        shown = spread(of_bound.mean(0), of_bound.std(0), several=len(found) > 1)
        ms = np.mean([row["ask_cpu_ms"] for row in found])
        yield [name, count, title, *shown, f"{ms:.0f}"]
    if len(mine[0]) > 1:
        gain = numbers[1] - numbers[0]
        shown = spread(gain.mean(0), gain.std(0, ddof=1) / len(gain) ** 0.5, sign="+")
        yield [name, count, "difference", *shown, ""]


def spread(
    means: FloatArray, deviations: FloatArray, sign: str = "", several: bool = True
) -> list[str]:
    return [
        f"{mean:{sign}.3f}" + f" ± {deviation:.3f}" * several
        for mean, deviation in zip(means, deviations, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problem", default=",".join(PROBLEMS), help="default: %(default)s")
    parser.add_argument("--seeds", type=seeds, default="100:104", help="default: %(default)s")
    parser.add_argument("--again", action="store_true", help="also run what is there already")
    arguments = parser.parse_args()
    path = records.RESULTS / "long.jsonl"
    asked = list(product(arguments.seeds, arguments.problem.split(",")))
    rows = records.rows(
        path, lambda row: arguments.again and (row["seed"], row["problem"]) in asked
    )
    done = {(row["seed"], row["problem"]) for row in rows}
    for seed, name in asked:
        if (seed, name) not in done:
            print(f"{name}, seed {seed}", file=sys.stderr)
            for row in run(name, seed):
                rows.append(row)
                records.append_row(path, row)
            (records.RESULTS / "long.md").write_text(page(rows))
    print(page(rows))


if __name__ == "__main__":
    main()
