"""Searches that propose in rounds: random rows first, then what a method makes of all results so far.

Letters: N told rows, B proposed rows, D decisions. Values are kept with the sign that makes larger better.
No row is proposed twice; rows are compared by encoding, as the published tables count them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from benchmarks.problems.base import Problem
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.search.candidates import Filter, random_pool
from optuna_agnet.spaces.base import SearchSpace

_CHANGES = 2.0
_PARENTS = 5


class Rounds(ABC):
    """Ask and tell; a subclass says in `propose` what a round is.

    Args:
        problem: With one objective; constraints only where the method takes them.
        seed: Same seed, same results, same proposals.
        n_init: Random rows before the first round.

    Raises:
        ValueError: The problem has several objectives, or constraints that the method can't take.
    """

    takes_constraints: ClassVar[bool] = False

    def __init__(self, problem: Problem, seed: int, n_init: int) -> None:
        name = type(self).__name__
        if len(problem.directions) != 1:
            raise ValueError(
                f"{name} has one objective, '{problem.name}' has {len(problem.directions)}:"
                " choose nsga2 or tpe"
            )
        if problem.constraint_names and not self.takes_constraints:
            raise ValueError(
                f"{name} takes no constraints, '{problem.name}' has {problem.constraint_names}:"
                " choose local-search-1, local-search-16 or tpe"
            )
        self.space, self.n_init = problem.space, n_init
        self.rng = np.random.default_rng(seed)
        self.x: IntArray = np.empty((0, len(self.space.decisions)), dtype=np.int64)  # (N, D)
        self.y: FloatArray = np.empty(0)  # (N,)
        self.queue: list[IntArray] = []  # proposals (D,) of this round that were not asked for yet
        self._sign = 1.0 if problem.directions[0] == "maximize" else -1.0
        self._unseen = Filter(self.space, "encoding", frozenset(), {})

    @abstractmethod
    def propose(self) -> IntArray:
        """New rows (B, D) for the next round, none where the method finds no more."""

    def ask(self) -> Architecture:
        """The next architecture to evaluate.

        Raises:
            SpaceExhausted: All were proposed.
        """
        if not self.queue:
            lacking = self.n_init - len(self.y)
            rows = self.random(lacking) if lacking > 0 else self.propose()
            self.queue = list(rows if len(rows) else self.random(1))
        row = self.queue.pop(0)
        self._unseen = self._unseen.without(row[None])
        return self.space.architectures(row[None])[0]

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """Its values, None where the evaluation failed: such a row teaches nothing and isn't proposed again.

        Raises:
            ValueError: The value isn't finite, or there isn't exactly one.
        """
        row = self.space.choices([architecture])
        self._unseen = self._unseen.without(row)
        if values is None:
            return
        if len(values) != 1 or not np.isfinite(values[0]):
            raise ValueError(
                f"values={values} of '{architecture}': give one finite value, or None for a failure"
            )
        self.x = np.concatenate([self.x, row])
        self.y = np.append(self.y, self._sign * values[0])

    def new(self, x: IntArray) -> IntArray:
        """Those of ``x`` (B, D) that were never proposed, each once."""
        return x[self._unseen.new(x)]

    def random(self, size: int) -> IntArray:
        """New random rows, at least one and at most ``size``."""
        return random_pool(size, self._unseen, self.rng)

    def best(self, size: int) -> IntArray:
        """The best told rows (B, D), best first."""
        return self.x[np.argsort(-self.y, kind="stable")[:size]]

    def scaled(self) -> FloatArray:
        """Told values (N,) with mean 0 and standard deviation 1."""
        scaled: FloatArray = (self.y - self.y.mean()) / (self.y.std() or 1.0)
        return scaled

    def mutants(self, size: int) -> IntArray:
        """New mutants (B, D): ``size`` draws of the best row, and of the next best until ``size`` are new.

        As in the release of BANANAS (`get_candidates`, patience_factor 5).
        """
        found = self.x[:0]
        for parent in self.best(_PARENTS):
            children = mutate(self.space, np.repeat(parent[None], size, axis=0), self.rng)
            found = self.new(np.concatenate([found, children]))
            if len(found) >= size:
                break
        return found


class RankedMutants(Rounds):
    """Rounds of those mutants that a model thinks most worth evaluating; a subclass says how much in `worth`.

    Args:
        problem: With one objective and no constraint.
        seed: Of all random choices.
        n_init: Random architectures first.
        batch_size: Proposals of a round.
        candidates: Mutants that are ranked in a round.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        n_init: int = 10,
        batch_size: int = 10,
        candidates: int = 100,
    ) -> None:
        super().__init__(problem, seed, n_init)
        self.batch_size, self.candidates = batch_size, candidates

    @abstractmethod
    def worth(self, candidates: IntArray) -> FloatArray:
        """One number each of candidates (B, D), larger is better."""

    def propose(self) -> IntArray:
        """The mutants (B, D) of the largest worth."""
        candidates = self.mutants(self.candidates)
        if not len(candidates):
            return candidates
        order = (-self.worth(candidates)).argsort(kind="stable")
        return np.asarray(candidates[order[: self.batch_size]])


def mutate(space: SearchSpace, x: IntArray, rng: np.random.Generator) -> IntArray:
    """A mutant each of the rows of ``x`` (B, D), without those that are not valid.

    Every decision changes with probability 2 / D: the two changes that BANANAS' release expects on NAS-Bench-101
    (it expects 1.5 on NAS-Bench-201).
    """
    changed = rng.random(x.shape) < _CHANGES / x.shape[1]
    step = rng.integers(1, np.maximum(space.num_choices, 2), size=x.shape)
    mutants = np.where(changed, (x + step) % space.num_choices, x)
    return space.repair(mutants[space.is_valid(mutants)])
