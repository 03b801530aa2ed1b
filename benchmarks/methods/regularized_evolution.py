"""Regularized evolution (Real et al. 2019, "Regularized Evolution for Image Classifier Architecture Search").

Budget protocol: 30 random architectures, then one child at a time. The population is the 30 youngest; the best of 10
drawn members has a child with one changed decision. Sizes: those of BANANAS' release for 150 evaluations, which
AG-Net's authors ran (Real et al. use 100 and 25 for 20,000).

Differs from the original: a child that was evaluated before is not evaluated again, which would cost a query.
"""

from __future__ import annotations

import numpy as np

from benchmarks.methods.base import Factory
from benchmarks.methods.rounds import Rounds
from benchmarks.problems.base import Problem
from optuna_agnet.core.arrays import IntArray


class RegularizedEvolution(Rounds):
    """See the module.

    Args:
        problem: With one objective.
        seed: Of all random choices.
        population: Random architectures first, and number of the youngest that may have children.
        tournament: Members drawn for each child.
    """

    def __init__(
        self, problem: Problem, seed: int, population: int = 30, tournament: int = 10
    ) -> None:
        super().__init__(problem, seed, n_init=population)
        self.population, self.tournament = population, tournament

    def propose(self) -> IntArray:
        """One new neighbour (1, D) of a tournament's winner, none where many winners have none."""
        alive = np.arange(len(self.y))[-self.population :]
        for _ in range(self.population):  # a parent may have no new child
            drawn = self.rng.choice(alive, self.tournament, replace=False)
            parent = drawn[self.y[drawn].argmax()]
            children = self.new(self.space.neighbors(self.x[[parent]]))
            if len(children):
                return children[[self.rng.integers(len(children))]]
        return self.x[:0]


METHODS: dict[str, Factory] = {"regularized-evolution": RegularizedEvolution}
