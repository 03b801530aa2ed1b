"""NASLib's look-ups as a problem of the benchmark harness."""

from __future__ import annotations

from typing import Any

import numpy as np
from naslib.search_spaces.core.query_metrics import Metric

from benchmarks.problems.base import Outcomes, Problem, unconstrained
from integrations.naslib.agnet_optimizer import SPACE, LookUp
from optuna_agnet.core.arrays import IntArray


def naslib_problem(dataset: str, dataset_api: dict[str, Any] | None) -> Problem:
    """NAS-Bench-201 as NASLib serves it: validation accuracy, and test accuracy beside it.

    Args:
        dataset: "cifar10", "cifar100" or "ImageNet16-120".
        dataset_api: What NASLib's ``get_dataset_api("nasbench201", dataset)`` gives.

    Raises:
        ValueError: There is no data.
    """
    look_up = LookUp(dataset, dataset_api)

    def evaluate(rows: IntArray) -> Outcomes:
        cells = SPACE.architectures(rows)
        values, test = (
            np.array([look_up(cell, metric) for cell in cells], dtype=np.float64)
            for metric in (Metric.VAL_ACCURACY, Metric.TEST_ACCURACY)
        )
        return unconstrained(values, test)

    return Problem(f"naslib-nb201-{dataset}", SPACE, evaluate, data="naslib 0b51bc18")
