"""The most probable kernel where hyperparameters have reaches of their own: too many numbers for a grid.

The marginal likelihood times a prior, as in `hyperparameters`, climbed by L-BFGS from the prior's middle; so the kernel
depends on the results alone. The prior is normal in log l, logit w, log noise and the logarithms of the reaches.

Letters: N results, K outcomes, S prior studies, H hyperparameters beside the architecture.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.surrogate.hyperparameters import GUESSED
from optuna_agnet.surrogate.kernel import KernelParams, Similarities, matern

_MIDDLE = (math.log(0.4), 0.0, math.log(0.02))  # of log l, logit w, log noise
_SPREAD = (1.0, 1.5, 1.5)
_REACH = 0.5  # of the range of a hyperparameter
_LEAST = (-7.0, -7.0, math.log(1e-3))  # a noise below would spend trials on the last digits
_MOST = 4.0
_STEPS = 15  # of a climb, at most
_SPARE = 5  # evaluations more than steps, at most


def default_kernel(num_hyperparameters: int) -> KernelParams:
    """What is believed without results."""
    shares = (0.5,) * (1 + num_hyperparameters)
    return KernelParams(reaches=(_REACH,) * num_hyperparameters, shares=shares)


def fitted_kernels(
    distances: Similarities,
    targets: Tensor,
    prior: Tensor,
    lean: Tensor,
    trusts: Sequence[tuple[float, float]],
) -> list[tuple[KernelParams, float]]:
    """For each of the targets (N, K) the most probable kernel that is found, and its log probability up to a constant.

    Args:
        distances: Of the N results.
        targets: (N, K).
        prior: What prior studies and scores predict (N, K, S).
        lean: Their weights (K, S) where they are right.
        trusts: In these weights, and how far the true ones may be from them.
    """
    return [
        _fitted(distances, targets[:, k], prior[:, k], lean[k], trusts)
        for k in range(targets.shape[1])
    ]


def _fitted(
    distances: Similarities,
    target: Tensor,
    prior: Tensor,
    lean: Tensor,
    trusts: Sequence[tuple[float, float]],
) -> tuple[KernelParams, float]:
    offset = prior - prior.mean(0)
    trusts = trusts if prior.shape[1] else trusts[:1]
    count = len(distances.gaps)
    middle = [math.log(_REACH)] * count + [0.0] * (count + 1)
    posteriors = [_WithReaches(distances, target, offset, lean, *t, middle) for t in trusts]
    found = [climb(posterior, posterior.middle) for posterior in posteriors]
    likeliest = min(range(len(found)), key=lambda number: found[number][0])
    loss, (length, mix, noise, *others) = found[likeliest]
    numbers = (math.exp(length), sigmoid(mix), math.exp(noise), *trusts[likeliest])
    reaches, shares = map(math.exp, others[:count]), map(sigmoid, others[count:])
    return KernelParams(*numbers, tuple(reaches), tuple(shares)), -loss


def sigmoid(logit: float) -> float:
    """Between 0 and 1."""
    return 1 / (1 + math.exp(-logit))


class KernelPosterior(ABC):
    """The negative log posterior of a kernel's numbers, up to a constant.

    Args:
        distances: Of the N results.
        target: (N,).
        offset: What prior studies and scores predict, less its mean (N, S).
        lean: Their weights (S,) where they are right.
        trust: In these weights.
        slack: How far the true ones may be from them, a variance.
        others: Middle of the prior of all numbers but log l, logit w and log noise; the prior's deviation is 1.
    """

    def __init__(
        self,
        distances: Similarities,
        target: Tensor,
        offset: Tensor,
        lean: Tensor,
        trust: float,
        slack: float,
        others: Sequence[float],
    ) -> None:
        self.distances = distances
        priors = offset.shape[1]
        self.residual = target - target.mean() - trust * (offset * lean).sum(1)
        self.linear = slack * offset @ offset.T if priors else None
        self.guessed = GUESSED if priors else 0
        self.eye = torch.eye(len(target), dtype=torch.float64)
        self.middle = torch.tensor([*_MIDDLE, *others], dtype=torch.float64)
        self.spread = torch.tensor([*_SPREAD, *[1.0] * len(others)], dtype=torch.float64)
        self.least = torch.tensor([*_LEAST, *[-7.0] * len(others)], dtype=torch.float64)

    def __call__(self, numbers: Tensor) -> Tensor:
        """Of log l, logit w, log noise and the others."""
        return self.misfit(numbers) + self.penalty(numbers)

    def penalty(self, numbers: Tensor) -> Tensor:
        """The negative log prior, up to a constant."""
        found: Tensor = 0.5 * (((numbers - self.middle) / self.spread) ** 2).sum()
        return found

    def misfit(self, numbers: Tensor) -> Tensor:
        """The negative log marginal likelihood, up to a constant."""
        inside = self.inside(numbers)
        covariance = self.near(inside)
        if self.linear is not None:
            covariance = covariance + self.linear
        factor = torch.linalg.cholesky(covariance + (inside[2].exp() + 1e-8) * self.eye)
        white = torch.linalg.solve_triangular(factor, self.residual[:, None], upper=False)
        size = len(self.residual) + self.guessed
        variance = ((white**2).sum() + self.guessed) / size  # of the signal, in closed form
        found: Tensor = 0.5 * size * variance.clamp_min(1e-12).log() + factor.diagonal().log().sum()
        return found

    def inside(self, numbers: Tensor) -> Tensor:
        """The numbers, none beyond its range."""
        return numbers.clamp(self.least, torch.full_like(self.least, _MOST))

    @abstractmethod
    def near(self, numbers: Tensor) -> Tensor:
        """The covariance (N, N) without noise and sources, as `kernel.covariance`, but in a form that has gradients."""


class _WithReaches(KernelPosterior):
    """The others are the logarithms of the reaches and logits of the shares."""

    def near(self, numbers: Tensor) -> Tensor:
        mix, near = numbers[1].sigmoid(), torch.exp(-self.distances.hamming / numbers[0].exp())
        covariance = mix * near + (1 - mix) * self.distances.tanimoto
        gaps, count = self.distances.gaps, len(self.distances.gaps)
        reaches, shares = numbers[3 : 3 + count].exp(), numbers[3 + count :].sigmoid()
        covariance = 1 - shares[0] + shares[0] * covariance
        for gap, reach, share in zip(gaps, reaches, shares[1:], strict=True):
            covariance = covariance * (1 - share + share * matern(gap, reach))
        return covariance


def climb(
    posterior: KernelPosterior, start: Tensor, steps: int = _STEPS
) -> tuple[float, list[float]]:
    """The least negative log posterior found in so many steps, and where."""
    # here, as only kernels that are climbed need it; torch's own L-BFGS imports its compiler, a second of CPU time
    from scipy.optimize import minimize

    def loss_and_slope(numbers: FloatArray) -> tuple[float, FloatArray]:
        with torch.enable_grad():
            at = torch.from_numpy(numbers).clone().requires_grad_(True)
            loss = posterior(at)
            (slope,) = torch.autograd.grad(loss, at)
        return float(loss.detach()), slope.numpy()

    options = {"maxcor": 8, "maxiter": steps, "maxfun": steps + _SPARE}
    climbed = minimize(loss_and_slope, start.numpy(), jac=True, method="L-BFGS-B", options=options)
    numbers = torch.from_numpy(climbed.x)
    if not bool(numbers.isfinite().all()):
        numbers = start
    found = posterior.inside(numbers)
    with torch.no_grad():
        return float(posterior(found)), found.tolist()
