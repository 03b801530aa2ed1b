"""What a problem is: a space and the values of its rows, batched.

Letters: B rows in a batch, D decisions, M objectives, C constraints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from optuna._hypervolume import compute_hypervolume

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.spaces.base import SearchSpace

Direction: TypeAlias = Literal["minimize", "maximize"]


class Outcomes(NamedTuple):
    """What evaluating B rows gives; NaN among values or constraints: the evaluation failed."""

    values: FloatArray  # (B, M)
    constraints: FloatArray  # (B, C), at most 0 where feasible
    test: FloatArray  # (B,), NaN where unknown


Evaluate: TypeAlias = Callable[[IntArray], Outcomes]
"""Repaired rows (B, D) to what they give."""


@dataclass(frozen=True)
class Problem:
    """A search problem.

    Args:
        name: As the command line knows it.
        space: What is searched.
        evaluate: Repaired rows (B, D) to `Outcomes`, batched.
        data: Which version of the data the values are; results of different versions are never mixed.
        directions: "maximize" or "minimize", one an objective.
        constraint_names: One a column of the constraints.
        reference: Two objectives: the reference point of the hypervolume.
        optimum: What the best search could reach, None where unknown: the best feasible value of the first objective;
            with a reference point and no constraint, the hypervolume of the exact front.
        num_rows: Number of different architectures, None where nobody could run out of them.
        noisy: Where values depend on the seed: from a search's seed to its ``evaluate``, which draws noise afresh each
            time, or the effects of a drawn problem.
    """

    name: str
    space: SearchSpace
    evaluate: Evaluate
    data: str
    directions: tuple[Direction, ...] = ("maximize",)
    constraint_names: tuple[str, ...] = ()
    reference: tuple[float, ...] | None = None
    optimum: float | None = None
    num_rows: int | None = None
    noisy: Callable[[int], Evaluate] | None = None

    def for_search(self, seed: int) -> Problem:
        """As a search with that seed sees it."""
        return self if self.noisy is None else replace(self, evaluate=self.noisy(seed))


def data_file(relative: str) -> Path:
    """A file of the data folder: OPTUNA_AGNET_DATA, by default ../shared/benchmarks beside the repository.

    Raises:
        FileNotFoundError: It is not there.
    """
    default = Path(__file__).parents[3] / "shared" / "benchmarks"
    path = Path(os.environ.get("OPTUNA_AGNET_DATA", default)) / relative
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: set OPTUNA_AGNET_DATA to the folder that holds it;"
            " benchmarks/README.md says where each data set comes from"
        )
    return path


def unconstrained(values: FloatArray, test: FloatArray | None = None) -> Outcomes:
    """One objective (B,) without constraints."""
    unknown = np.full(len(values), np.nan)
    return Outcomes(values[:, None], np.empty((len(values), 0)), unknown if test is None else test)


def hypervolume(values: FloatArray, directions: Sequence[str], reference: Sequence[float]) -> float:
    """What values (N, M) dominate up to the reference point (M,); those beyond it count nothing."""
    sign = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    losses, limit = values * sign, np.array(reference) * sign
    return float(compute_hypervolume(losses[(losses <= limit).all(1)], limit))
