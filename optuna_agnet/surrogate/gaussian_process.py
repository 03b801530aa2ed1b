"""The default surrogate: an exact Gaussian process on true encodings with rank-transformed targets.

Kernel: w exp(-Hamming / l) + (1 - w) Tanimoto. Hamming is the share of decisions that differ; Tanimoto compares
the counts of Weisfeiler-Lehman labels of both graphs, dead nodes left out. w, l and the noise maximise the marginal
likelihood on a grid, with the signal's variance in closed form.

Letters: N training architectures, P candidates, F hashed Weisfeiler-Lehman features, G points of the grid.

Own code instead of a library, for a measured reason (`benchmarks/gp_library.py`; one core, N = 192, P = 512): fit and
predict take 8 ms here and 31 ms in GPyTorch, hyperparameters 56 ms (the best of 100 grid points, no local optima) and
305 ms (50 steps of Adam); an ask, which needs both, is to stay under 30 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from optuna_agnet.architecture import label_hashes, refine
from optuna_agnet.spaces.base import CellSpace, IntArray, to_adjacency
from optuna_agnet.surrogate.base import Candidates, FloatArray

_ROUNDS = 2  # of Weisfeiler-Lehman refinement
_BUCKETS = 1024  # F
_SCALES = (0.1, 0.2, 0.4, 0.8, 1.6)
_MIXES = (0.05, 0.3, 0.5, 0.7, 0.95)
_NOISES = (0.001, 0.01, 0.05, 0.2)
_GRID = tuple(product(_SCALES, _MIXES, _NOISES))
_TUNING_POINTS = 200


@dataclass(frozen=True, slots=True)
class Kernel:
    """Hyperparameters: ``scale`` l, ``mix`` w, ``noise`` variance in units of the signal's."""

    scale: float = 0.4
    mix: float = 0.5
    noise: float = 0.05


@dataclass(frozen=True)
class _Features:
    one_hot: Tensor  # (N, sum of choices)
    counts: Tensor  # (N, F)
    num_decisions: int

    def distances(self, other: _Features) -> tuple[Tensor, Tensor]:
        """Hamming share and Tanimoto similarity, both (N, P)."""
        hamming = 1 - self.one_hot @ other.one_hot.T / self.num_decisions
        dot = self.counts @ other.counts.T
        norms = (self.counts**2).sum(1)[:, None] + (other.counts**2).sum(1)[None] - dot
        return hamming.double(), (dot / norms.clamp_min(1e-9)).double()


def _covariance(hamming: Tensor, tanimoto: Tensor, kernel: Kernel) -> Tensor:
    covariance: Tensor = kernel.mix * torch.exp(-hamming / kernel.scale)
    return covariance + (1 - kernel.mix) * tanimoto


def normal_scores(y: FloatArray) -> FloatArray:
    """Values (N,) as normal quantiles of their ranks; equal values get equal scores, infinite ones are fine.

    Example:
        >>> normal_scores(np.array([0.0, 5.0, np.inf])).round(2)
        array([-0.97,  0.  ,  0.97])
    """
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    quantile = torch.from_numpy(middle[inverse] / len(y))
    return torch.special.ndtri(quantile).numpy()  # type: ignore[no-any-return]


class GaussianProcess:
    """See the module. Predictions are in units of normal scores.

    Args:
        space: Whose decisions it reads.
        tune_every: Hyperparameters are those of the first so many points, a multiple of this; so they depend on the
            data alone and not on how often it was fitted.
        max_points: Bound of the training set: the better half, and an even spread of the others.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> x = space.sample(40, np.random.default_rng(0))
        >>> gp = GaussianProcess(space)
        >>> gp.fit(x[:30], (x[:30] == 3).sum(1).astype(float))
        >>> mean, std = gp.predict(Candidates(x[30:]))
        >>> mean.shape, bool((std > 0).all())
        ((10,), True)
    """

    def __init__(self, space: CellSpace, *, tune_every: int = 8, max_points: int = 500) -> None:
        self.space, self.tune_every, self.max_points = space, tune_every, max_points
        self.kernel = Kernel()
        self._tuned_on: bytes | None = None

    def fit(self, x: IntArray, y: FloatArray) -> None:
        """Condition on decisions (N, D) and values (N,), in the order in which they were told."""
        self._tune(x, y)
        kept = _subset(y, self.max_points)
        target = torch.from_numpy(normal_scores(y)[kept])
        self._features = self._featurize(x[kept])
        covariance = _covariance(*self._features.distances(self._features), self.kernel)
        self._condition(covariance, target)

    def _condition(self, covariance: Tensor, target: Tensor) -> None:
        n = len(target)
        self._center = target.mean()
        noisy = covariance + (self.kernel.noise + 1e-8) * torch.eye(n, dtype=torch.float64)
        self._factor = torch.linalg.cholesky(noisy)
        centered = (target - self._center)[:, None]
        self._alpha = torch.cholesky_solve(centered, self._factor)
        self._variance = float((centered * self._alpha).sum() / n)
        self.fitted = (self._center + (covariance @ self._alpha)[:, 0]).numpy()

    def imagine(self, x: IntArray) -> None:
        """Condition on pending architectures (P, D) as if their predicted mean had been observed."""
        more = self._featurize(x)
        target = torch.cat([self._targets(), torch.from_numpy(self.predict(Candidates(x))[0])])
        variance, fitted = self._variance, self.fitted
        self._features = _Features(
            torch.cat([self._features.one_hot, more.one_hot]),
            torch.cat([self._features.counts, more.counts]),
            self._features.num_decisions,
        )
        covariance = _covariance(*self._features.distances(self._features), self.kernel)
        self._condition(covariance, target)
        self._variance, self.fitted = variance, fitted

    def _targets(self) -> Tensor:
        targets: Tensor = self._center + (self._factor @ (self._factor.T @ self._alpha))[:, 0]
        return targets

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Posterior mean and standard deviation (P,) of the noise-free value."""
        hamming, tanimoto = self._features.distances(self._featurize(candidates.x))
        cross = _covariance(hamming, tanimoto, self.kernel)  # (N, P)
        mean = self._center + (cross.T @ self._alpha)[:, 0]
        whitened = torch.linalg.solve_triangular(self._factor, cross, upper=False)
        left = (1 - (whitened**2).sum(0)).clamp_min(1e-9)
        return mean.numpy(), (left * self._variance).sqrt().numpy()

    def _featurize(self, x: IntArray) -> _Features:
        offsets = np.concatenate([[0], np.cumsum(self.space.num_choices)[:-1]])
        one_hot = np.zeros((len(x), int(self.space.num_choices.sum())), dtype=np.float32)
        np.put_along_axis(one_hot, x + offsets, 1, 1)
        return _Features(torch.from_numpy(one_hot), torch.from_numpy(self._counts(x)), x.shape[1])

    def _counts(self, x: IntArray) -> npt.NDArray[np.float32]:
        graphs = self.space.encode(x)
        labels = label_hashes(self.space.node_types)[graphs.types]
        history = refine(labels, to_adjacency(graphs.edges, self.space.num_nodes), _ROUNDS)
        hashes = np.concatenate(history, 1)  # (N, rounds n)
        rows = np.broadcast_to(np.arange(len(x))[:, None], hashes.shape)
        bucket = (hashes % np.uint64(_BUCKETS)).astype(np.int64)
        alive = hashes != 0
        flat = (rows * _BUCKETS + bucket)[alive]
        return (
            np.bincount(flat, minlength=len(x) * _BUCKETS).reshape(-1, _BUCKETS).astype(np.float32)
        )

    def _tune(self, x: IntArray, y: FloatArray) -> None:
        size = max(len(y) - len(y) % self.tune_every, min(len(y), self.tune_every))
        data = x[:size].tobytes() + y[:size].tobytes()
        if data == self._tuned_on:
            return
        kept = _subset(y[:size], _TUNING_POINTS)
        features = self._featurize(x[:size][kept])
        self.kernel = best_kernel(
            *features.distances(features), torch.from_numpy(normal_scores(y[:size])[kept])
        )
        self._tuned_on = data


def best_kernel(hamming: Tensor, tanimoto: Tensor, target: Tensor) -> Kernel:
    """The kernel of the grid with the largest marginal likelihood; distances (N, N), targets (N,)."""
    n, kernels = len(target), [Kernel(*point) for point in _GRID]
    noise = torch.tensor([k.noise for k in kernels], dtype=torch.float64)
    shapes = [Kernel(scale, mix) for scale, mix in product(_SCALES, _MIXES)]
    shaped = torch.stack([_covariance(hamming, tanimoto, k) for k in shapes])  # (G / noises, N, N)
    covariance = shaped.repeat_interleave(len(_NOISES), 0)
    covariance.diagonal(dim1=1, dim2=2).add_(noise[:, None] + 1e-8)
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(
        factor, (target - target.mean())[None, :, None], upper=False
    )
    scale = (white**2).sum((1, 2)) / n
    determinant = factor.diagonal(dim1=1, dim2=2).log().sum(1)
    return kernels[int((-0.5 * n * scale.clamp_min(1e-12).log() - determinant).argmax())]


def _subset(y: FloatArray, most: int) -> npt.NDArray[np.int64]:
    """Row numbers of at most ``most`` points in their order: the better half, and an even spread of the others."""
    if len(y) <= most:
        return np.arange(len(y))
    order = np.argsort(-y, kind="stable")
    top, others = order[: most // 2], order[most // 2 :]
    spread = others[np.linspace(0, len(others) - 1, most - most // 2).astype(np.int64)]
    return np.sort(np.concatenate([top, spread]))
