"""How much each decision counts in the distance between architectures: automatic relevance determination.

With one length scale, decisions that change nothing are as far apart as those that change everything. Here each has a
weight of its own (Neal 1996; Rasmussen and Williams 2006, sec. 5.1), and the most probable ones are found by climbing
from the best kernel of the grid, where all weights are 1. The prior of their logarithms is standard normal, so what a
few results say of many decisions changes little; and it is left out altogether until it explains the results better by
odds of 20 to 1. Without that, fifty results of forty decisions that all matter were followed to where they lead by
chance (benchmarks/README.md).

Letters: N results, D decisions, F columns of their features, S prior studies and scores.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.surrogate.hyperparameters import DOUBT
from optuna_agnet.surrogate.kernel import Features, KernelParams, Similarities
from optuna_agnet.surrogate.reaches import KernelPosterior, climb, sigmoid


def fitted_relevance(
    features: Features,
    distances: Similarities,
    target: Tensor,
    prior: Tensor,
    lean: Tensor,
    kernel: KernelParams,
    columns: IntArray,
) -> tuple[KernelParams, FloatArray | None]:
    """The kernel with the most probable weights that are found, and the weights (D,), whose mean is 1.

    The given kernel and None where they are not worth it.

    Args:
        features: Of the N results.
        distances: Between them, all decisions alike.
        target: (N,).
        prior: What prior studies and scores predict (N, S).
        lean: Their weights (S,) where they are right.
        kernel: The best one where all decisions are alike.
        columns: (F,), `SearchSpace.feature_decisions`.
    """
    offset, others = prior - prior.mean(0), [0.0] * features.num_decisions
    posterior = _WithRelevance(distances, target, offset, lean, kernel.trust, kernel.slack, others)
    posterior.one_hot, posterior.columns = features.one_hot, torch.from_numpy(columns)
    logit = math.log(kernel.mix / (1 - kernel.mix))
    alike = torch.tensor(
        [math.log(kernel.scale), logit, math.log(kernel.noise), *others], dtype=torch.float64
    )
    loss, (length, mix, noise, *logs) = climb(posterior, alike)
    if float(posterior(alike)) - loss < DOUBT:
        return kernel, None
    weights = np.exp(logs)
    mean = float(weights.mean())
    found = replace(kernel, scale=math.exp(length) / mean, mix=sigmoid(mix), noise=math.exp(noise))
    return found, weights / mean


class _WithRelevance(KernelPosterior):
    """The others are the logarithms of the weights."""

    one_hot: Tensor  # (N, F)
    columns: Tensor  # (F,)

    def near(self, numbers: Tensor) -> Tensor:
        weights = numbers[3:].exp()
        weighted = self.one_hot * weights.float()[self.columns]
        apart = (weights.sum() - (weighted @ self.one_hot.T).double()) / len(weights)
        mix = numbers[1].sigmoid()
        return mix * torch.exp(-apart / numbers[0].exp()) + (1 - mix) * self.distances.tanimoto
