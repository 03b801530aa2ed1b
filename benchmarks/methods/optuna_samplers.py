"""What an Optuna user would pick instead. They read constraints from the trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from benchmarks.methods.base import Factory
from benchmarks.problems.base import Problem
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.spaces.base import Choice, Decision


def random(problem: Problem, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def tpe(problem: Problem, seed: int) -> BaseSampler:
    return TPESampler(multivariate=True, seed=seed)


def nsga2(problem: Problem, seed: int) -> BaseSampler:
    return NSGAIISampler(population_size=16, seed=seed)


def gp(problem: Problem, seed: int) -> BaseSampler:
    return GPSampler(seed=seed)


class Indices:
    """A sampler that sees ordered choices as integers, their numbers: what one who knows the order would write."""

    def __init__(self, problem: Problem, sampler: BaseSampler) -> None:
        self._space = problem.space
        self._study = optuna.create_study(directions=list(problem.directions), sampler=sampler)
        self._trial: optuna.Trial

    def ask(self) -> Architecture:
        self._trial = self._study.ask()
        return self._space.from_params({d.name: self._suggest(d) for d in self._space.decisions})

    def _suggest(self, decision: Decision) -> Choice:
        if not decision.ordered:
            return self._trial.suggest_categorical(decision.name, decision.choices)
        return decision.choices[
            self._trial.suggest_int(decision.name, 0, len(decision.choices) - 1)
        ]

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        self._study.tell(self._trial, values)


def tpe_indices(problem: Problem, seed: int) -> Indices:
    return Indices(problem, tpe(problem, seed))


def gp_indices(problem: Problem, seed: int) -> Indices:
    return Indices(problem, gp(problem, seed))


METHODS: dict[str, Factory] = {
    "random": random,
    "tpe": tpe,
    "nsga2": nsga2,
    "gp": gp,
    "tpe-indices": tpe_indices,
    "gp-indices": gp_indices,
}
