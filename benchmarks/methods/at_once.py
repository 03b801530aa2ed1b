"""Searches that ask for 8 or 16 architectures at once, as somebody with as many GPUs does.

`agnet-ask8` is the default as it is, asked for 8 and told all results before the next 8: each proposal knows the others
that are pending. The ablation `agnet-batch16` is another thing: the paper's rounds, 16 proposals of one frozen model
that don't know of each other. GPSampler and TPE see pending trials in their own ways, TPE as bad ones (constant liar).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from optuna.samplers import BaseSampler, TPESampler

from benchmarks.methods import agnet, optuna_samplers
from benchmarks.methods.base import AskTell, Factory, begin
from benchmarks.problems.base import Problem
from optuna_agnet.core.architecture import Architecture

SIZES = (8, 16)


class AtOnce:
    """Asks a method so many times before it tells it anything.

    Args:
        method: Any number may be pending.
        size: How many are evaluated at once.
    """

    def __init__(self, method: AskTell, size: int) -> None:
        self.method, self.size = method, size
        self._asked: list[Architecture] = []
        self._results: list[tuple[Any, ...]] = []

    def ask(self) -> Architecture:
        """The next of those asked for; the results are told before others are."""
        if not self._asked:
            for result in self._results:
                self.method.tell(*result)
            self._results.clear()
            self._asked = [self.method.ask() for _ in range(self.size)]
        return self._asked.pop(0)

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """The result of one, kept until all are known."""
        given = () if constraints is None else (constraints,)
        self._results.append((architecture, values, *given))


def at_once(factory: Factory, size: int, problem: Problem, seed: int) -> AtOnce:
    return AtOnce(begin(factory, problem, seed), size)


def tpe(problem: Problem, seed: int) -> BaseSampler:
    return TPESampler(multivariate=True, constant_liar=True, seed=seed)


SAMPLERS: dict[str, Factory] = {
    "agnet": agnet.METHODS["agnet"],
    "tpe": tpe,
    "gp": optuna_samplers.METHODS["gp"],
}
METHODS: dict[str, Factory] = {
    f"{name}-ask{size}": partial(at_once, factory, size)
    for name, factory in SAMPLERS.items()
    for size in SIZES
}
