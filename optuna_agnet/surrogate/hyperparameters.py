"""The most probable kernel of a grid: by marginal likelihood, the signal's variance in closed form, and a weak prior.

Letters: N architectures, K outcomes, S sources, G points of the grid, C columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from optuna_agnet.surrogate.kernel import KernelParams, Similarities, covariance

_SCALES = (0.1, 0.2, 0.4, 0.8, 1.6)
_MIXES = (0.05, 0.3, 0.5, 0.7, 0.95)
_NOISES = (0.001, 0.01, 0.05, 0.2)
_GRID = tuple(product(_SCALES, _MIXES, _NOISES))
_PRIOR = [  # log density up to a constant: normal in log l, logit w and log noise; matters while there are few results
    -0.5 * math.log(scale / 0.4) ** 2
    - 0.5 * (math.log(mix / (1 - mix)) / 1.5) ** 2
    - 0.5 * (math.log(noise / 0.02) / 1.5) ** 2
    for scale, mix, noise in _GRID
]
STUDIES = ((1.0, 0.1), (1.0, 1.0), (0.0, 0.0))
"""Trust in prior studies, and how far their weights may be from it (a variance); the last leaves them out."""
GUESSES = ((0.5, 0.1), (0.0, 0.3), (0.0, 0.0))
"""The same for scores, which agree less well with results: the second knows no sign of their weights beforehand."""
GUESSED = 4
"""Results that a signal's variance of 1 counts for where sources stand in for the first results."""

DOUBT = 3.0
"""Log odds against what is not believed at first: those that it takes until targets are other than the first ones, or
decisions count differently."""


def best_kernels(
    distances: Similarities,
    targets: Tensor,
    prior: Tensor,
    lean: Tensor | None = None,
    trusts: Sequence[tuple[float, float]] = STUDIES,
) -> list[tuple[KernelParams, float]]:
    """For each of the targets (N, K) the most probable kernel of the grid, and its log probability up to a constant.

    The constant depends on N alone, so it can be compared how well different targets are explained.

    Args:
        distances: Of the N architectures.
        targets: (N, K).
        prior: What the sources predict (N, K, S).
        lean: Weights (K, S) of sources that are fully trusted; None: equal shares of one.
        trusts: Of which the most probable one is taken, where there are sources.
    """
    n, priors = len(targets), prior.shape[2]
    both = torch.cat([targets[..., None], prior], 2)  # (N, K, 1 + S)
    centered = (both - both.mean(0)).flatten(1)
    shapes = [KernelParams(scale, mix) for scale, mix in product(_SCALES, _MIXES)]
    # one shape at a time: the covariances of the whole grid would be the memory peak of a search
    parts = [_whitened(covariance(distances, shape), centered) for shape in shapes]
    white, determinant = (torch.cat(part) for part in zip(*parts, strict=True))  # (G, ...)
    white = white.reshape(len(_GRID), *both.shape)
    target, regressors = white[..., :1], white[..., 1:]
    believed = torch.tensor(_PRIOR, dtype=torch.float64)[:, None]
    guessed = GUESSED if priors else 0
    if lean is None:
        lean = torch.full(both.shape[1:], 1 / max(priors, 1), dtype=torch.float64)[:, 1:]
    probable, kernels = [], []
    for trust, slack in trusts if priors else trusts[:1]:
        residual = target - trust * (regressors * lean).sum(3, keepdim=True)
        explained, linear = _linear_part(regressors, residual, slack)
        squares = (residual[..., 0] ** 2).sum(1) - explained + guessed  # (G, K)
        scale = (squares / (n + guessed)).clamp_min(1e-12)
        probable.append(believed - 0.5 * (n + guessed) * scale.log() - determinant - linear)
        kernels += [KernelParams(*point, trust, slack) for point in _GRID]
    highest, best = torch.cat(probable).max(0)
    return [(kernels[i], p) for i, p in zip(best.tolist(), highest.tolist(), strict=True)]


def _whitened(covariance: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Values (N, C) whitened by a covariance (N, N) with each noise of the grid, and halves of log determinants.

    Shapes are (noises, N, C) and (noises, 1).
    """
    noisy = covariance.repeat(len(_NOISES), 1, 1)
    noisy.diagonal(dim1=1, dim2=2).add_(torch.tensor(_NOISES, dtype=torch.float64)[:, None] + 1e-8)
    factor = torch.linalg.cholesky(noisy)
    white = torch.linalg.solve_triangular(factor, values[None], upper=False)
    return white, factor.diagonal(dim1=1, dim2=2).log().sum(1)[:, None]


def _linear_part(regressors: Tensor, residual: Tensor, slack: float) -> tuple[Tensor, Tensor]:
    """What a linear kernel changes, by Woodbury's identity: squares explained and half the log determinant, (G, K).

    Args:
        regressors: Whitened predictions of the sources (G, N, K, S).
        residual: Whitened (G, N, K, 1).
        slack: The kernel's variance.
    """
    by_source = regressors.permute(0, 2, 3, 1)  # (G, K, S, N)
    inner = torch.eye(by_source.shape[2], dtype=torch.float64)
    inner = inner + slack * by_source @ by_source.mT
    pull = by_source @ residual.permute(0, 2, 1, 3)  # (G, K, S, 1)
    explained = slack * (pull * torch.linalg.solve(inner, pull)).sum((2, 3))
    return explained, torch.linalg.slogdet(inner)[1] / 2
