"""The default surrogate: an exact Gaussian process on true encodings with rank-transformed targets.

Kernel: w exp(-Hamming / l) + (1 - w) Tanimoto. Hamming is the share of decisions that differ; Tanimoto compares
the counts of Weisfeiler-Lehman labels of both graphs, dead nodes left out. w, l and the noise maximise the marginal
likelihood on a grid, with the signal's variance in closed form.

Letters: N training architectures, P candidates, K quantities, F hashed Weisfeiler-Lehman features, G points of the
grid.

Own code instead of a library, for a measured reason (`benchmarks/gp_library.py`; one core, N = 192, P = 512): fit and
predict take 8 ms here and 31 ms in GPyTorch, hyperparameters 56 ms (the best of 100 grid points, no local optima) and
305 ms (50 steps of Adam); an ask, which needs both, is to stay under 30 ms.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

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


class Distances(NamedTuple):
    """Share of differing decisions and Tanimoto similarity, both (N, P)."""

    hamming: Tensor
    tanimoto: Tensor

    def of(self, rows: Tensor, columns: Tensor | slice = slice(None)) -> Distances:
        """Those of some pairs."""
        return Distances(self.hamming[rows][:, columns], self.tanimoto[rows][:, columns])


@dataclass(frozen=True)
class _Features:
    one_hot: Tensor  # (N, sum of choices)
    counts: Tensor  # (N, F)
    num_decisions: int

    def distances(self, other: _Features) -> Distances:
        """Between all pairs."""
        hamming = 1 - self.one_hot @ other.one_hot.T / self.num_decisions
        dot = self.counts @ other.counts.T
        norms = (self.counts**2).sum(1)[:, None] + (other.counts**2).sum(1)[None] - dot
        tanimoto = torch.where(norms > 0, dot / norms.clamp_min(1e-9), 1.0)  # 1: both are empty
        return Distances(hamming.double(), tanimoto.double())


def _covariance(distances: Distances, kernel: Kernel) -> Tensor:
    covariance: Tensor = kernel.mix * torch.exp(-distances.hamming / kernel.scale)
    return covariance + (1 - kernel.mix) * distances.tanimoto


def normal_scores(y: FloatArray) -> FloatArray:
    """Values (N,) as normal quantiles of their ranks; equal values get equal scores, infinite ones are fine.

    Example:
        >>> normal_scores(np.array([0.0, 5.0, np.inf])).round(2)
        array([-0.97,  0.  ,  0.97])
    """
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return _quantile(middle[inverse] / len(y))


def zero_score(y: FloatArray) -> float:
    """Where 0 lies among the normal scores of values (N,): just below those that are not negative.

    A quarter of a rank beyond all of them where they have one sign.

    Example:
        >>> (
        ...     zero_score(np.array([-2.0, -1.0, 3.0, 4.0])),
        ...     round(zero_score(np.array([-2.0, -1.0])), 2),
        ... )
        (0.0, 1.15)
    """
    share = np.clip((y < 0).mean(), 0.25 / len(y), 1 - 0.25 / len(y))
    return float(_quantile(np.asarray(share)))


def _quantile(share: FloatArray) -> FloatArray:
    return torch.special.ndtri(torch.from_numpy(share)).numpy()  # type: ignore[no-any-return]


class _Posterior:
    """One quantity given its known values: a GP with the signal's variance in closed form.

    Args:
        rows: Row numbers of the training set (n,) where the quantity is known.
        covariance: Of those (n, n), without noise.
        target: (n,).
        noise: Variance in units of the signal's.
        variance: The signal's; None estimates it.
    """

    def __init__(
        self,
        rows: Tensor,
        covariance: Tensor,
        target: Tensor,
        noise: float,
        variance: float | None = None,
    ) -> None:
        self.rows, self.target, size = rows, target, len(target)
        self.center = target.mean()
        noisy = covariance + (noise + 1e-8) * torch.eye(size, dtype=torch.float64)
        self._factor = torch.linalg.cholesky(noisy)
        centered = (target - self.center)[:, None]
        self._alpha = torch.cholesky_solve(centered, self._factor)
        self.variance = (
            float((centered * self._alpha).sum() / size) if variance is None else variance
        )
        self.fitted = (self.center + (covariance @ self._alpha)[:, 0]).numpy()

    def predict(self, cross: Tensor) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (P,) of the noise-free value, given covariances (n, P) with its rows."""
        mean = self.center + (cross.T @ self._alpha)[:, 0]
        whitened = torch.linalg.solve_triangular(self._factor, cross, upper=False)
        left = (1 - (whitened**2).sum(0)).clamp_min(1e-9)
        return mean.numpy(), (left * self.variance).sqrt().clamp_min(1e-9).numpy()


class GaussianProcess:
    """See the module. Each quantity has a GP of its own; predictions are in units of normal scores.

    Args:
        space: Whose decisions it reads.
        tune_every: Hyperparameters are those of the first so many points, a multiple of this; so they depend on the
            data alone and not on how often it was fitted.
        max_points: Bound of the training set: the better half, and an even spread of the others.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> x = space.sample(40, np.random.default_rng(0))
        >>> y = (x == 3).sum(1).astype(float)
        >>> gp = GaussianProcess(space)
        >>> gp.fit(x[:30], y[:30, None], rank=-y[:30])
        >>> mean, std = gp.predict(Candidates(x[30:]))
        >>> mean.shape, bool((std > 0).all())
        ((10, 1), True)
    """

    zero: FloatArray
    fitted: FloatArray

    def __init__(self, space: CellSpace, *, tune_every: int = 8, max_points: int = 500) -> None:
        self.space, self.tune_every, self.max_points = space, tune_every, max_points
        self.kernels: list[Kernel] = []
        self._tuned_on: bytes | None = None

    def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None:
        """Condition on decisions (N, D) and values (N, K), as `Surrogate.fit`."""
        self._tune(x, y)
        kept = _subset(rank, self.max_points)
        self._features = self._featurize(x[kept])
        distances = self._features.distances(self._features)
        self.zero, self.fitted = np.zeros(y.shape[1]), np.full(y.shape, np.nan)
        self._posteriors = []
        for column, kernel in enumerate(self.kernels):
            values = y[kept, column]
            known = np.flatnonzero(~np.isnan(values))
            if not len(
                known
            ):  # all known ones were left out: as if one average value had been seen
                known, values = np.zeros(1, dtype=np.int64), np.zeros(1)
            target, rows = torch.from_numpy(normal_scores(values[known])), torch.from_numpy(known)
            covariance = _covariance(distances.of(rows, rows), kernel)
            posterior = _Posterior(rows, covariance, target, kernel.noise)
            self.zero[column] = zero_score(values[known])
            self.fitted[kept[known], column] = posterior.fitted
            self._posteriors.append(posterior)

    def imagine(self, x: IntArray) -> None:
        """Condition on pending architectures (P, D) as if their predicted means had been observed.

        `zero` and `fitted` stay as they are.
        """
        means, _ = self.predict(Candidates(x))
        more, old = self._featurize(x), len(self._features.one_hot)
        self._features = _Features(
            torch.cat([self._features.one_hot, more.one_hot]),
            torch.cat([self._features.counts, more.counts]),
            self._features.num_decisions,
        )
        distances = self._features.distances(self._features)
        pending = torch.arange(old, old + len(x))
        for column, (kernel, posterior) in enumerate(
            zip(self.kernels, self._posteriors, strict=True)
        ):
            rows = torch.cat([posterior.rows, pending])
            target = torch.cat([posterior.target, torch.from_numpy(means[:, column].copy())])
            covariance = _covariance(distances.of(rows, rows), kernel)
            self._posteriors[column] = _Posterior(
                rows, covariance, target, kernel.noise, posterior.variance
            )

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Posterior mean and standard deviation (P, K) of the noise-free values."""
        distances = self._features.distances(self._featurize(candidates.x))
        found = [
            posterior.predict(_covariance(distances.of(posterior.rows), kernel))
            for kernel, posterior in zip(self.kernels, self._posteriors, strict=True)
        ]
        return np.stack([mean for mean, _ in found], 1), np.stack([std for _, std in found], 1)

    def _featurize(self, x: IntArray) -> _Features:
        one_hot = torch.from_numpy(self.space.one_hot(x))
        return _Features(one_hot, torch.from_numpy(self._counts(x)), x.shape[1])

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
        self.kernels, self._tuned_on = [Kernel()] * y.shape[1], data
        columns = defaultdict(list)  # those known for the same architectures share the costly part
        for column, values in enumerate(y[:size].T):
            known = np.flatnonzero(~np.isnan(values))
            columns[known[_subset(-values[known], _TUNING_POINTS)].tobytes()].append(column)
        for rows_data, chosen in columns.items():
            rows = np.frombuffer(rows_data, dtype=np.int64)
            if not len(rows):
                continue
            features = self._featurize(x[rows])
            targets = np.stack([normal_scores(y[rows, column]) for column in chosen], 1)
            kernels = best_kernels(features.distances(features), torch.from_numpy(targets))
            for column, kernel in zip(chosen, kernels, strict=True):
                self.kernels[column] = kernel


def best_kernels(distances: Distances, targets: Tensor) -> list[Kernel]:
    """For each of the targets (N, K) the kernel of the grid with the largest marginal likelihood."""
    n, kernels = len(targets), [Kernel(*point) for point in _GRID]
    noise = torch.tensor([k.noise for k in kernels], dtype=torch.float64)
    shapes = [Kernel(scale, mix) for scale, mix in product(_SCALES, _MIXES)]
    shaped = torch.stack([_covariance(distances, k) for k in shapes])  # (G / noises, N, N)
    covariance = shaped.repeat_interleave(len(_NOISES), 0)
    covariance.diagonal(dim1=1, dim2=2).add_(noise[:, None] + 1e-8)
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, (targets - targets.mean(0))[None], upper=False)
    scale = (white**2).sum(1) / n  # (G, K)
    determinant = factor.diagonal(dim1=1, dim2=2).log().sum(1)
    likelihood = -0.5 * n * scale.clamp_min(1e-12).log() - determinant[:, None]
    return [kernels[best] for best in likelihood.argmax(0).tolist()]


def _subset(rank: FloatArray, most: int) -> npt.NDArray[np.int64]:
    """Row numbers of at most ``most`` points in their order: the better half, and an even spread of the others."""
    if len(rank) <= most:
        return np.arange(len(rank))
    order = np.argsort(rank, kind="stable")
    top, others = order[: most // 2], order[most // 2 :]
    spread = others[np.linspace(0, len(others) - 1, most - most // 2).astype(np.int64)]
    return np.sort(np.concatenate([top, spread]))
