"""HW-NAS-Bench (Li et al. 2021): what every NAS-Bench-201 cell costs on six devices.

Accuracy is NAS-Bench-201's validation accuracy. The paper's section 4.3 and Table 5: ImageNet16-120 under a latency
limit in milliseconds, with accuracy as the objective (Joint=0), or accuracy and latency (Joint=1).

Edge TPU: 4,699 cells could not be measured (-1 in the table). Here that is NaN: evaluating such a cell fails, a query
is spent, nothing is learnt, and the cell never counts as feasible or fast.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from benchmarks.problems import nb201
from benchmarks.problems.base import Direction, Evaluate, Outcomes, Problem, data_file, hypervolume
from optuna_agnet import spaces
from optuna_agnet.core.arrays import FloatArray, IntArray

LIMITS = {  # Table 5
    "edgegpu": (2, 4, 6, 8),
    "raspi4": (2, 4, 6, 8, 10, 12),
    "edgetpu": (1,),
    "pixel3": (2, 4, 6, 8, 10),
    "eyeriss": (1, 2),
    "fpga": (1, 2),
}
ENERGY = ("edgegpu", "eyeriss", "fpga")
METRICS = (*((device, "latency") for device in LIMITS), *((device, "energy") for device in ENERGY))
DATA = f"hw-nas-bench, {nb201.TABLE}"
_BOTH: tuple[Direction, ...] = ("maximize", "minimize")


@lru_cache
def cost(device: str, metric: str, dataset: str) -> FloatArray:
    """Latency in milliseconds or energy in millijoules (15625,) by row; NaN where it was not measured."""
    with np.load(data_file("hwnas_nb201/hwnas_nb201.npz")) as file:
        column = file[f"{dataset}_{device}_{metric}"].astype(np.float64)
    return nb201.by_row(np.where(column < 0, np.nan, column))


def limited(accuracy: FloatArray, latency: FloatArray, limit: float) -> float:
    """The exact constrained optimum: the best accuracy among cells known to keep the limit."""
    return float(accuracy[latency <= limit].max())


def table(
    accuracy: FloatArray, test: FloatArray, costs: FloatArray | None, constraint: FloatArray | None
) -> Evaluate:
    """Lookups of accuracy, of costs where they are an objective, and of a constraint; all (15625,) by row."""
    values = np.stack([accuracy] if costs is None else [accuracy, costs], 1)
    limits = np.empty((len(values), 0)) if constraint is None else constraint[:, None]

    def evaluate(rows: IntArray) -> Outcomes:
        at = nb201.index(rows)
        return Outcomes(values[at], limits[at], test[at])

    return evaluate


def under_limit(device: str, limit: int, joint: bool) -> Problem:
    """One row of Table 5."""
    accuracy, test = nb201.folder_columns("in16")
    latency = cost(device, "latency", "in16")
    return Problem(
        f"hw-{device}-{limit}" + "-joint" * joint,
        spaces.nas_bench_201(),
        table(accuracy, test, latency if joint else None, latency - limit),
        DATA,
        directions=_BOTH if joint else _BOTH[:1],
        constraint_names=("latency",),
        optimum=limited(accuracy, latency, limit),
        num_rows=len(accuracy),
    )


def front(device: str, metric: str, dataset: str) -> Problem:
    """Accuracy against a cost, without a limit.

    The reference point is 0 % and 1.1 times the cost of the most accurate cell (the front's end), so that both ends of
    the front count.
    """
    accuracy, test = nb201.folder_columns(dataset)
    costs = cost(device, metric, dataset)
    known = ~np.isnan(costs)
    end = costs[known][accuracy[known].argmax()]
    reference = (0.0, round(1.1 * float(end), 4))
    values = np.stack([accuracy[known], costs[known]], 1)
    return Problem(
        f"pareto-{device}-{metric}-{dataset}",
        spaces.nas_bench_201(),
        table(accuracy, test, costs, None),
        DATA,
        directions=_BOTH,
        reference=reference,
        optimum=hypervolume(values, _BOTH, reference),
        num_rows=len(accuracy),
    )
