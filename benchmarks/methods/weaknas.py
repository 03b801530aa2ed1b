"""WeakNAS (Wu et al. 2021, "Stronger NAS with Weaker Predictors").

Every round a new weak predictor is trained on all told values and ranks the space; the next architectures are drawn
uniformly from its best 100.

Budget protocol: 10 random architectures, then rounds of 10: the release's settings for NAS-Bench-201 (for NAS-Bench-101
it draws 100 first). Predictor: an MLP on one-hot decisions, 100 epochs, scikit-learn's MLPRegressor as there.

Differs: four hidden layers of 256 units with learning rate 0.004 (release: 1,000 with 0.001). On 100 random cells of
NAS-Bench-201 that ranks the others as well, in a fourteenth of the time. Spaces too large to be listed, NAS-Bench-101
among them, are ranked on 10,000 random architectures and the neighbours of the 16 best.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from benchmarks.methods.base import Factory
from benchmarks.methods.rounds import Rounds
from benchmarks.problems.base import Problem
from optuna_agnet.core.arrays import FloatArray, IntArray

_HIDDEN = (256,) * 4
_LEARNING_RATE = 0.004
_EPOCHS = 100
_POOL = 10_000
_PARENTS = 16


class WeakNAS(Rounds):
    """See the module.

    Args:
        problem: With one objective and no constraint.
        seed: Of all random choices.
        n_init: Random architectures first.
        batch_size: Proposals of a round.
        top: Best predicted ones that a round is drawn from.
    """

    def __init__(
        self, problem: Problem, seed: int, n_init: int = 10, batch_size: int = 10, top: int = 100
    ) -> None:
        super().__init__(problem, seed, n_init)
        self.batch_size, self.top = batch_size, top
        self._every = self.space.enumerate()

    def propose(self) -> IntArray:
        """Rows (B, D) drawn from the best predicted ones."""
        candidates = self.new(self._candidates())
        if not len(candidates):
            return candidates
        order = (-self._predict(candidates)).argsort(kind="stable")[: self.top]
        rows: IntArray = candidates[self.rng.permutation(order)[: self.batch_size]]
        return rows

    def _candidates(self) -> IntArray:
        if self._every is not None:
            return self._every
        near = self.space.neighbors(self.best(_PARENTS))
        return np.concatenate([near, self.space.sample(_POOL, self.rng)])

    def _predict(self, x: IntArray) -> FloatArray:
        predictor = MLPRegressor(
            hidden_layer_sizes=_HIDDEN,
            learning_rate_init=_LEARNING_RATE,
            max_iter=_EPOCHS,
            random_state=int(self.rng.integers(2**31)),
        )
        with warnings.catch_warnings():  # weak on purpose
            warnings.simplefilter("ignore", ConvergenceWarning)
            predictor.fit(self.space.one_hot(self.x), self.scaled())
        predicted: FloatArray = predictor.predict(self.space.one_hot(x))
        return predicted


METHODS: dict[str, Factory] = {"weaknas": WeakNAS}
