"""What a method is: an ask/tell object, or an Optuna sampler."""

from __future__ import annotations

from collections import defaultdict
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


class SamplerSearch:
    """An Optuna sampler as an ask/tell object: a study in memory. Any number of architectures may be pending."""

    def __init__(self, problem: Problem, sampler: optuna.samplers.BaseSampler) -> None:
        if problem.constraint_names and not hasattr(optuna.Trial, "set_constraint"):
            raise RuntimeError(
                f"samplers are told the constraints of {problem.name} by trial.set_constraint, which"
                f" Optuna {optuna.__version__} lacks: pip install 'optuna>=5'"
            )
        self._space = problem.space
        self._study = optuna.create_study(directions=list(problem.directions), sampler=sampler)
        self._running: defaultdict[Architecture, list[optuna.Trial]] = defaultdict(list)

    def ask(self) -> Architecture:
        trial = self._study.ask()
        architecture = self._space.suggest(trial)
        self._running[architecture].append(trial)  # a sampler may repeat what is running
        return architecture

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        trial = self._running[architecture].pop(0)
        if values is None:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        for name, value in (constraints or {}).items():
            trial.set_constraint(name, value)
        self._study.tell(trial, values)


def begin(factory: Factory, problem: Problem, seed: int) -> AskTell:
    """A method at its start, samplers in a study of their own."""
    method = factory(problem, seed)
    return (
        SamplerSearch(problem, method)
        if isinstance(method, optuna.samplers.BaseSampler)
        else method
    )
