"""How much each decision counts in the distance between architectures: automatic relevance determination.

With one length scale, decisions that change nothing are as far apart as those that change everything. Here each has a
weight of its own (Neal 1996; Rasmussen and Williams 2006, sec. 5.1), and the most probable ones are found by climbing
from the best kernel of the grid, where all weights are 1. Their prior is half-Cauchy: most decisions may count nothing,
and a few much (Eriksson and Jankowiak 2021). A prior that keeps them near each other, normal in their logarithms, was
too slow to let go of the thirty layers of forty that don't matter.

So many weights explain any results better, so they are believed only where they gain more than chance would give them:
by Wilks (1938), where all count alike, the log likelihood gains half a chi-squared variable of D degrees of freedom.
Without that, fifty results of forty decisions that all matter were followed to where they lead by chance
(benchmarks/README.md).

Letters: N results, D decisions, F columns of their features, S prior studies and scores.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.surrogate.kernel import Features, KernelParams, Similarities
from optuna_agnet.surrogate.reaches import KernelPosterior, climb, sigmoid

_STEPS = 25  # of the climb, at most: there is one number a decision
_LEAST_NOISE = 1e-4
"""Late in a search what is still to be won is a hundredth of what all results differ by."""
_CHANCE = 0.05  # of believing weights where all decisions count alike


def gain_by_chance(decisions: int) -> float:
    """What weights of so many decisions gain in log likelihood where they are all alike: in 19 of 20 cases less.

    Example:
        >>> [round(gain_by_chance(decisions), 1) for decisions in (9, 40)]
        [8.5, 27.9]
    """
    from scipy.special import gammaincinv  # here, as only networks and chains need it

    return float(gammaincinv(decisions / 2, 1 - _CHANCE))


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
    posterior.least[2] = math.log(_LEAST_NOISE)
    logit = math.log(kernel.mix / (1 - kernel.mix))
    alike = torch.tensor(
        [math.log(kernel.scale), logit, math.log(kernel.noise), *others], dtype=torch.float64
    )
    _, found = climb(posterior, alike, _STEPS)
    gain = posterior.misfit(alike) - posterior.misfit(torch.tensor(found, dtype=torch.float64))
    if float(gain) < gain_by_chance(len(others)):
        return kernel, None
    length, mix, noise, *logs = found
    weights = np.exp(logs)
    mean = float(weights.mean())
    own = replace(kernel, scale=math.exp(length) / mean, mix=sigmoid(mix), noise=math.exp(noise))
    return own, weights / mean


class _WithRelevance(KernelPosterior):
    """The others are the logarithms of the weights."""

    one_hot: Tensor  # (N, F)
    columns: Tensor  # (F,)

    def penalty(self, numbers: Tensor) -> Tensor:
        logs = numbers[3:]  # of weights w with the density 1 / (1 + w^2)
        normal = ((numbers - self.middle) / self.spread)[:3]
        found: Tensor = 0.5 * (normal**2).sum() + torch.nn.functional.softplus(2 * logs).sum()
        return found

    def near(self, numbers: Tensor) -> Tensor:
        weights = numbers[3:].exp()
        weighted = self.one_hot * weights.float()[self.columns]
        apart = (weights.sum() - (weighted @ self.one_hot.T).double()) / len(weights)
        mix = numbers[1].sigmoid()
        return mix * torch.exp(-apart / numbers[0].exp()) + (1 - mix) * self.distances.tanimoto
