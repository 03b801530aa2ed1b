"""From records to what tables and figures show: the best so far, by query.

Letters: Q queries of a run. A query counts where it is feasible: no value is unknown, and no constraint exceeds 0.
The best is the feasible one with the best first objective, so of a front it is the most accurate end (the paper's
protocol for Joint=1). Its test value is looked up, never chosen by.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import records
from benchmarks.problems.base import hypervolume
from benchmarks.records import Record
from optuna_agnet.core.arrays import FloatArray

TOLERANCE = 1e-3
"""Records are rounded: a value this close to the optimum is the optimum."""


class MissingResults(ValueError):
    """There is nothing to draw."""


class Results(NamedTuple):
    """All runs on one version of a problem's data: by method, in the order of the seeds."""

    problem: str
    data: str
    methods: dict[str, list[Record]]

    @property
    def optimum(self) -> float:
        """NaN where it is unknown."""
        optimum = next(iter(self.methods.values()))[0].optimum
        return np.nan if optimum is None else optimum


def load(problem: str, folder: Path | None = None) -> list[Results]:
    """The longest run of each method and seed; versions of the data are kept apart.

    Raises:
        ValueError: A line of the results is no run.
    """
    found: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    path = (folder or records.RESULTS) / f"{problem}.jsonl"
    runs = records.longest(records.read(path)).values()
    for run in sorted(runs, key=lambda run: (run.method, run.seed)):
        found[run.data][run.method].append(run)
    return [Results(problem, data, dict(methods)) for data, methods in sorted(found.items())]


def numbers(column: list[float | None]) -> FloatArray:
    """A column of a record (Q,), NaN where it is unknown."""
    return np.array(column, dtype=np.float64)


def feasible(run: Record) -> npt.NDArray[np.bool_]:
    """(Q,)"""
    keeps = [np.isfinite(numbers(column)) for column in run.values]
    keeps += [numbers(column) <= 0 for column in run.constraints.values()]  # NaN <= 0 is False
    return np.asarray(np.logical_and.reduce(keeps))


def best(run: Record) -> FloatArray:
    """The best feasible first objective after each query (Q,); NaN before there is one."""
    sign = 1.0 if run.directions[0] == "maximize" else -1.0
    gain = np.where(feasible(run), sign * numbers(run.values[0]), -np.inf)
    so_far = np.maximum.accumulate(gain)
    return np.where(np.isinf(so_far), np.nan, sign * so_far)


def best_query(run: Record, queries: int) -> int | None:
    """Which query found the best after ``queries`` queries; None where nothing is feasible."""
    value = best(run)[queries - 1]
    at = np.flatnonzero(feasible(run)[:queries] & (numbers(run.values[0])[:queries] == value))
    return int(at[0]) if len(at) else None


def test_of_best(run: Record, queries: int) -> float:
    """Test value of the best after ``queries`` queries; NaN where it is unknown."""
    at = best_query(run, queries)
    return np.nan if at is None else float(numbers(run.test)[at])


def best_test(run: Record, queries: int) -> float:
    """The best test value among feasible queries: an oracle, no method may choose by it. NaN unless all are known."""
    tests = numbers(run.test)[:queries][feasible(run)[:queries]]
    return float(tests.max()) if len(tests) else np.nan


def queries_to_optimum(run: Record) -> float:
    """How many queries the optimum took; infinite where it was not found, NaN where it is unknown."""
    if run.optimum is None:
        return np.nan
    found = np.flatnonzero(np.abs(best(run) - run.optimum) <= TOLERANCE)
    return float(found[0] + 1) if len(found) else np.inf


def front_share(run: Record, queries: int) -> float:
    """Hypervolume after ``queries`` queries, as a share of the exact front's."""
    if run.reference is None or run.optimum is None:
        raise ValueError(f"{run.problem} has no reference point for a hypervolume")
    values = np.stack([numbers(column)[:queries] for column in run.values], 1)
    return hypervolume(values[feasible(run)[:queries]], run.directions, run.reference) / run.optimum
