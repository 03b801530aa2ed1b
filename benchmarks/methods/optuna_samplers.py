"""What an Optuna user would pick instead. They read constraints from the trials."""

from __future__ import annotations

from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from benchmarks.methods.base import Factory
from benchmarks.problems.base import Problem


def random(problem: Problem, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def tpe(problem: Problem, seed: int) -> BaseSampler:
    return TPESampler(multivariate=True, seed=seed)


def nsga2(problem: Problem, seed: int) -> BaseSampler:
    return NSGAIISampler(population_size=16, seed=seed)


def gp(problem: Problem, seed: int) -> BaseSampler:
    return GPSampler(seed=seed)


METHODS: dict[str, Factory] = {"random": random, "tpe": tpe, "nsga2": nsga2, "gp": gp}
