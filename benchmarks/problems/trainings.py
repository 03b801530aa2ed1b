"""Trainings that can be watched: what they report on the way, and how they end.

Cells of NAS-Bench-201 report after 12 of 200 epochs, DARTS cells after each of 98. MLPs of HPOBench are trained with
five seeds one after another and report the mean so far: their table has no values on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from benchmarks.problems import joint, nb201, nb301
from optuna_agnet import spaces
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces.base import SearchSpace

RUNG, WHOLE = 12, 200  # epochs of NAS-Bench-201
SEEDS = 5  # of each MLP
DARTS = "darts"
MLPS = {f"mlp-{name}": name for name in ("segment", "vehicle")}
DATASETS = (*nb201.DATASETS, DARTS, *MLPS)


class Trainings(NamedTuple):
    """Trainings that can be watched."""

    space: SearchSpace
    whole: int  # epochs
    best_percent: float  # what the best one of a hundred random architectures reaches
    reports: Callable[[IntArray], tuple[Sequence[tuple[int, float]], float]]
    """Of a row (D,): epochs and values that are reported, and the final value."""


def whole(dataset: str) -> int:
    """Steps of a training: epochs, or seeds."""
    return nb301.EPOCHS if dataset == DARTS else SEEDS if dataset in MLPS else WHOLE


@lru_cache
def trainings(dataset: str) -> Trainings:
    """Of a data set of NAS-Bench-201, "darts", or MLPs."""
    if dataset in MLPS:
        return _mlps(MLPS[dataset])
    if dataset == DARTS:
        space = nb301.SPACE
        random = nb301.load().evaluate(space.sample(2000, np.random.default_rng(0))).values[:, 0]

        def curve(row: IntArray) -> tuple[Sequence[tuple[int, float]], float]:
            values = nb301.epochs(row[None])[0].tolist()
            return list(enumerate(values, start=1)), values[-1]

        return Trainings(space, nb301.EPOCHS, float(np.quantile(random, 0.99)), curve)
    early, final = nb201.early_column(dataset), nb201.folder_columns(dataset)[0]

    def rung(row: IntArray) -> tuple[Sequence[tuple[int, float]], float]:
        at = int(nb201.index(row[None])[0])
        return [(RUNG, float(early[at]))], float(final[at])

    return Trainings(spaces.nas_bench_201(), WHOLE, float(np.quantile(final, 0.99)), rung)


def _mlps(dataset: str) -> Trainings:
    """Means of the first seeds; the table's axes are the space's decisions."""
    table = 100 * joint.mlp_accuracies(dataset)
    means = table.cumsum(-1) / np.arange(1, SEEDS + 1)
    best = float(np.quantile(means[..., -1], 0.99))

    def reports(row: IntArray) -> tuple[Sequence[tuple[int, float]], float]:
        found = means[tuple(row)].tolist()
        return list(enumerate(found, start=1)), found[-1]

    return Trainings(joint.MLP_SPACE, SEEDS, best, reports)
