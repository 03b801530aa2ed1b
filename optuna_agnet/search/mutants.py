"""Mutants and crossovers of the best results: candidates for spaces of many decisions.

A generator that has seen a hundred results knows little about forty decisions, and a sample of it differs from the best
result in most of them. What differs from it in a few is where a model of a hundred results is right.

Letters: B candidates, D decisions, N results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.search.candidates import PARENTS, CandidateRequest
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.surrogate.base import Candidates

_CHANGES = (1, 2, 4)
"""Decisions in which a mutant differs from its parent; each number is as likely as the others."""


@dataclass(frozen=True, slots=True)
class MutantSource:
    """New mutants and crossovers of the best results, half and half; then of the most promising of those, in turn.

    Args:
        refinements: How often the candidates that the acquisition likes best are parents of more.

    Example:
        >>> from optuna_agnet import AGNet, spaces
        >>> space = spaces.Chain([("conv", "pool", "skip")] * 10)
        >>> search = AGNet(space, seed=0, candidate_sources=[MutantSource()])
        >>> for _ in range(40):
        ...     arch = search.ask()
        ...     search.tell(arch, str(arch).count("conv"))
        >>> search.best[1]
        (10.0,)
    """

    refinements: int = 3
    name: str = "mutants"
    uses_generator: ClassVar[bool] = False

    def candidates(self, request: CandidateRequest) -> Candidates | None:
        """At most ``request.size``; None where none is new."""
        space, rng = request.allowed.space, request.rng
        parents = request.incumbents[:PARENTS]
        size = request.size
        bred = [
            mutants(space, parents, size - size // 2, rng),
            crossovers(space, parents, size // 2, rng),
        ]
        x = np.concatenate(bred)
        x = request.allowed.fix(space.repair(x[space.is_valid(x)]))
        new = x[request.allowed.new(x)]
        return Candidates(new) if len(new) else None


def mutants(space: SearchSpace, parents: IntArray, n: int, rng: np.random.Generator) -> IntArray:
    """Copies of random parents (N, D), each with one, two or four other choices: (n, D), not repaired."""
    x = parents[rng.integers(len(parents), size=n)]
    changeable = space.active(x) & (space.num_choices > 1)
    turn = np.where(changeable, rng.random(x.shape), np.inf).argsort(1).argsort(1)
    changed = changeable & (turn < rng.choice(_CHANGES, size=(n, 1)))
    step = 1 + (rng.random(x.shape) * (space.num_choices - 1)).astype(np.int64)
    mutated: IntArray = np.where(changed, (x + step) % space.num_choices, space.filled(x))
    return mutated


def crossovers(space: SearchSpace, parents: IntArray, n: int, rng: np.random.Generator) -> IntArray:
    """Children of two random parents (N, D), not repaired: (n, D).

    Every other child has a stretch of decisions from the first parent, as neighbours belong together; the others have a
    random share of all decisions from it.
    """
    one, other = space.filled(parents)[rng.integers(len(parents), size=(2, n))]
    column = np.arange(one.shape[1])
    ends = np.sort(rng.integers(len(column) + 1, size=(n, 2)), 1)
    stretch = (column >= ends[:, :1]) & (column < ends[:, 1:])
    scattered = rng.random(one.shape) < rng.random((n, 1))
    every_other = np.arange(n)[:, None] % 2 == 0
    child: IntArray = np.where(np.where(every_other, stretch, scattered), one, other)
    return child
