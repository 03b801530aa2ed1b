"""What a method is: an ask/tell object, or an Optuna sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import optuna

from benchmarks.problems.base import Problem
from optuna_agnet.core.architecture import Architecture


class AskTell(Protocol):
    """Proposes architectures and learns their values; `AGNet` is one."""

    def ask(self) -> Architecture:
        """The next architecture to evaluate."""

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """Its values, None where the evaluation failed; constraints by name, at most 0 where feasible."""


Factory: TypeAlias = Callable[[Problem, int], AskTell | optuna.samplers.BaseSampler]
"""(problem, seed) -> method"""
