"""The most probable kernel where hyperparameters have reaches of their own: too many numbers for a grid.

The marginal likelihood times a prior, as in `hyperparameters`, climbed by L-BFGS from the prior's middle; so the kernel
depends on the results alone. The prior is normal in log l, logit w, log noise and the logarithms of the reaches.

Letters: N results, K outcomes, S prior studies, H hyperparameters beside the architecture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from optuna_agnet.surrogate.hyperparameters import GUESSED
from optuna_agnet.surrogate.kernel import KernelParams, Similarities, matern

_MIDDLE = (math.log(0.4), 0.0, math.log(0.02))  # of log l, logit w, log noise
_SPREAD = (1.0, 1.5, 1.5)
_REACH = 0.5  # of the range of a hyperparameter
_LEAST = (-7.0, -7.0, math.log(1e-3))  # a noise below would spend trials on the last digits
_MOST = 4.0
_STEPS = 15


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
    found = [_climb(_Posterior(distances, target, offset, lean, *trust)) for trust in trusts]
    likeliest = min(range(len(found)), key=lambda number: found[number][0])
    loss, (length, mix, noise, *others) = found[likeliest]
    count = len(distances.gaps)
    numbers = (math.exp(length), _sigmoid(mix), math.exp(noise), *trusts[likeliest])
    reaches, shares = map(math.exp, others[:count]), map(_sigmoid, others[count:])
    return KernelParams(*numbers, tuple(reaches), tuple(shares)), -loss


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


class _Posterior:
    """The negative log posterior of a kernel's numbers, up to a constant."""

    def __init__(
        self,
        distances: Similarities,
        target: Tensor,
        offset: Tensor,
        lean: Tensor,
        trust: float,
        slack: float,
    ) -> None:
        self.distances, size = distances, len(target)
        priors, count = offset.shape[1], len(distances.gaps)
        self.residual = target - target.mean() - trust * (offset * lean).sum(1)
        self.linear = slack * offset @ offset.T if priors else None
        self.guessed = GUESSED if priors else 0
        self.eye = torch.eye(size, dtype=torch.float64)
        others = [math.log(_REACH)] * count + [0.0] * (count + 1)
        self.middle = torch.tensor([*_MIDDLE, *others], dtype=torch.float64)
        self.spread = torch.tensor([*_SPREAD, *[1.0] * len(others)], dtype=torch.float64)
        self.least = torch.tensor([*_LEAST, *[-7.0] * len(others)], dtype=torch.float64)

    def __call__(self, numbers: Tensor) -> Tensor:
        """Of log l, logit w, log noise and the logarithms of the reaches."""
        inside = numbers.clamp(self.least, torch.full_like(self.least, _MOST))
        factor = torch.linalg.cholesky(self._covariance(inside))
        white = torch.linalg.solve_triangular(factor, self.residual[:, None], upper=False)
        size = len(self.residual) + self.guessed
        variance = ((white**2).sum() + self.guessed) / size  # of the signal, in closed form
        likelihood = 0.5 * size * variance.clamp_min(1e-12).log() + factor.diagonal().log().sum()
        loss: Tensor = likelihood + 0.5 * (((numbers - self.middle) / self.spread) ** 2).sum()
        return loss

    def _covariance(self, numbers: Tensor) -> Tensor:
        """As `kernel.covariance` with noise, but in a form that has gradients."""
        mix, near = numbers[1].sigmoid(), torch.exp(-self.distances.hamming / numbers[0].exp())
        covariance = mix * near + (1 - mix) * self.distances.tanimoto
        gaps, count = self.distances.gaps, len(self.distances.gaps)
        reaches, shares = numbers[3 : 3 + count].exp(), numbers[3 + count :].sigmoid()
        covariance = 1 - shares[0] + shares[0] * covariance
        for gap, reach, share in zip(gaps, reaches, shares[1:], strict=True):
            covariance = covariance * (1 - share + share * matern(gap, reach))
        if self.linear is not None:
            covariance = covariance + self.linear
        return covariance + (numbers[2].exp() + 1e-8) * self.eye


def _climb(posterior: _Posterior) -> tuple[float, list[float]]:
    """The least negative log posterior found, and where."""
    numbers = posterior.middle.clone().requires_grad_(True)
    steps = torch.optim.LBFGS(
        [numbers], max_iter=_STEPS, history_size=8, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        steps.zero_grad()
        value = posterior(numbers)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        steps.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        if not bool(numbers.isfinite().all()):
            numbers = posterior.middle
        found = numbers.clamp(posterior.least, torch.full_like(posterior.least, _MOST))
        return float(posterior(found)), found.tolist()
