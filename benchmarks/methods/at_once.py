"""Searches that evaluate several architectures at once, as somebody with as many GPUs does.

`agnet-ask8` is the default as it is, asked for 8 and told all results before the next 8: each proposal knows the others
that are pending. The ablation `agnet-batch16` is another thing: the paper's rounds, 16 proposals of one frozen model
that don't know of each other. `agnet-workers8-random` and `agnet-workers8-convolutions` are eight workers of which each
asks again as soon as its own evaluation has ended; that takes half to one and a half units of time, drawn at random, or
the longer the more of the architecture is convolutions. GPSampler and TPE see pending trials in their own ways, TPE as
bad ones (constant liar).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from optuna.samplers import BaseSampler, TPESampler

from benchmarks.methods import agnet, optuna_samplers
from benchmarks.methods.base import AskTell, Factory, begin
from benchmarks.problems.base import Problem
from optuna_agnet.core.architecture import Architecture

SIZES = (4, 8, 16)
WORKERS = 8  # whose evaluations take different times
Duration: TypeAlias = Callable[[Architecture, np.random.Generator], float]
_Item = TypeVar("_Item")


def equal(architecture: Architecture, rng: np.random.Generator) -> float:
    """All evaluations take as long: rounds."""
    return 1.0


def random(architecture: Architecture, rng: np.random.Generator) -> float:
    return float(rng.uniform(0.5, 1.5))


def convolutions(architecture: Architecture, rng: np.random.Generator) -> float:
    """Half a unit, and the share of the nodes that are convolutions."""
    return 0.5 + sum("conv" in label for label in architecture.nodes) / len(architecture.nodes)


DURATIONS: dict[str, Duration] = {"random": random, "convolutions": convolutions}


class Workers(Generic[_Item]):
    """What simulated workers evaluate, by when it ends; time stands still but in `ended`."""

    def __init__(self) -> None:
        self.now, self._begun = 0.0, 0
        self._running: list[tuple[float, int, _Item]] = []  # a heap: end, number, what

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[_Item]:
        return (item for _, _, item in self._running)

    def begin(self, item: _Item, ends: float) -> None:
        """A worker begins now."""
        heapq.heappush(self._running, (ends, self._begun, item))
        self._begun += 1

    def ended(self) -> list[_Item]:
        """Those that end next, all at the same time, in the order in which they were begun."""
        self.now, found = self._running[0][0], []
        while self._running and self._running[0][0] <= self.now:
            found.append(heapq.heappop(self._running)[-1])
        return found


class AtOnce:
    """Workers that evaluate what a method proposes; each asks again when its evaluation has ended.

    Args:
        method: Any number may be pending.
        size: How many are evaluated at once.
        duration: Of an evaluation. Those that end at the same time are told before any other is asked for.
        seed: Of the durations.
    """

    def __init__(
        self, method: AskTell, size: int, duration: Duration = equal, seed: int = 0
    ) -> None:
        self.method, self.size, self._duration = method, size, duration
        self._rng, self._workers = np.random.default_rng(seed), Workers[tuple[Any, ...]]()

    def ask(self) -> Architecture:
        """What the next free worker evaluates; results that are there by then are told before."""
        if len(self._workers) == self.size:
            for result in self._workers.ended():
                self.method.tell(*result)
        return self.method.ask()

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """The result of what was asked for last, kept until its evaluation has ended."""
        given = () if constraints is None else (constraints,)
        ends = self._workers.now + self._duration(architecture, self._rng)
        self._workers.begin((architecture, values, *given), ends)


def at_once(
    factory: Factory, size: int, problem: Problem, seed: int, duration: Duration = equal
) -> AtOnce:
    return AtOnce(begin(factory, problem, seed), size, duration, seed)


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
} | {
    f"{name}-workers{WORKERS}-{kind}": partial(at_once, factory, WORKERS, duration=duration)
    for name, factory in SAMPLERS.items()
    for kind, duration in DURATIONS.items()
}
