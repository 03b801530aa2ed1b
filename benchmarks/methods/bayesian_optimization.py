"""Bayesian optimization with DNGO (Snoek et al. 2015, "Scalable Bayesian Optimization Using Deep Neural Networks").

A network is trained on the told values; Bayesian linear regression on its last hidden layer gives a mean and a standard
deviation; expected improvement over the best value ranks 100 mutants of the incumbent.

Budget protocol: 10 random architectures, then rounds of 10, BANANAS' settings. Network: three tanh layers of 50, Adam
with learning rate 0.01, batches of 10, as in pybnn, which BANANAS' release calls; AG-Net's authors ran that release.

Differs: 100 epochs as in AG-Net's appendix B.2 (pybnn: 500); decisions are one-hot (release: indices); scikit-learn's
BayesianRidge maximises the evidence (pybnn: BFGS); expected improvement as in AG-Net's appendix B.2 (release: a
confidence bound), and maximised: AG-Net's own code has its sign the wrong way round.
"""

from __future__ import annotations

import torch
from sklearn.linear_model import BayesianRidge

from benchmarks.methods.base import Factory
from benchmarks.methods.networks import NetworkConfig, Networks
from benchmarks.methods.rounds import Rounds, one_hot
from benchmarks.problems.base import Problem
from optuna_agnet.search.acquisition import expected_improvement
from optuna_agnet.spaces.base import IntArray
from optuna_agnet.surrogate.base import FloatArray

NETWORK = NetworkConfig(1, (50, 50, 50), torch.tanh, "l2", epochs=100, batch_size=10, lr=0.01)


class BayesianOptimization(Rounds):
    """See the module.

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

    def propose(self) -> IntArray:
        """The mutants (B, D) of the largest expected improvement."""
        candidates = self.mutants(self.candidates)
        if not len(candidates):
            return candidates
        mean, std = self.predict(candidates)
        worth = expected_improvement(mean, std, float(self.scaled().max()))
        return candidates[(-worth).argsort(kind="stable")[: self.batch_size]]

    def predict(self, x: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (B,) of the scaled values of rows (B, D)."""
        told = one_hot(self.space, self.x)
        network = Networks(NETWORK, told, self.scaled(), self.rng)
        regression = BayesianRidge().fit(network.features(told)[0], self.scaled())
        mean, std = regression.predict(network.features(one_hot(self.space, x))[0], return_std=True)
        return mean, std


METHODS: dict[str, Factory] = {"dngo": BayesianOptimization}
