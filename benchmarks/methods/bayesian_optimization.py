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

import numpy as np
import torch
from sklearn.linear_model import BayesianRidge

from benchmarks.methods.base import Factory
from benchmarks.methods.networks import NetworkConfig, Networks
from benchmarks.methods.rounds import RankedMutants
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.search.acquisition import expected_improvement

NETWORK = NetworkConfig(1, (50, 50, 50), torch.tanh, "l2", epochs=100, batch_size=10, lr=0.01)


class BayesianOptimization(RankedMutants):
    """See the module."""

    def worth(self, candidates: IntArray) -> FloatArray:
        """Expected improvement."""
        mean, std = self.predict(candidates)
        return expected_improvement(mean, std, float(self.scaled().max()))

    def predict(self, x: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (B,) of the scaled values of rows (B, D)."""
        known = self.space.one_hot(self.x).astype(np.float64)
        network = Networks(NETWORK, known, self.scaled(), self.rng)
        regression = BayesianRidge().fit(network.features(known)[0], self.scaled())
        mean, std = regression.predict(
            network.features(self.space.one_hot(x).astype(np.float64))[0], return_std=True
        )
        return mean, std


METHODS: dict[str, Factory] = {"dngo": BayesianOptimization}
