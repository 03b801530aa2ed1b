"""The default surrogate: an exact Gaussian process on true encodings with rank-transformed targets.

Kernel: w exp(-Hamming / l) + (1 - w) Tanimoto. Hamming is the share of decisions that differ; Tanimoto compares
the counts of Weisfeiler-Lehman labels of both graphs, dead nodes left out. w, l and the noise are the most probable
ones of a grid: the marginal likelihood, with the signal's variance in closed form, times a weak prior.

Other studies' results are a prior: each source has a GaussianProcess of its own, and what these predict are regressors
of the mean. Their weights are normal around equal shares of one; the grid also says how far they may be from that, and
can leave the sources out. Weights are part of the GP (a linear kernel), so a source that misleads is followed less with
every result, and one that is always wrong is turned around. No sources are the case S = 0 of the same formulas.

Letters: N training architectures, P candidates, K quantities, S sources, F hashed Weisfeiler-Lehman features, G points
of the grid.

Own code instead of a library, for a measured reason (`benchmarks/gp_library.py`; one core, N = 192, P = 512): fit and
predict take 8 ms here and 31 ms in GPyTorch, hyperparameters 56 ms (the best of 100 grid points, no local optima) and
305 ms (50 steps of Adam); an ask, which needs both, is to stay under 30 ms.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from optuna_agnet.architecture import label_hashes, refine
from optuna_agnet.spaces.base import CellSpace, IntArray, to_adjacency
from optuna_agnet.surrogate.base import Candidates, FloatArray
from optuna_agnet.surrogate.scores import normal_scores, zero_score

_ROUNDS = 1  # of Weisfeiler-Lehman refinement: a node and what it is connected with
_BUCKETS = 1024  # F
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
_TUNING_POINTS = 200
_TRUSTS = (
    (1.0, 0.1),
    (1.0, 1.0),
    (0.0, 0.0),
)  # in sources; the first before there is much to tune on
_GUESSED = 4  # results that a signal's variance of 1 counts for where sources stand in for the first results


@dataclass(frozen=True, slots=True)
class Kernel:
    """Hyperparameters: ``scale`` l, ``mix`` w, ``noise`` variance in units of the signal's.

    Weights of the sources have the mean ``trust`` / S and the variance ``slack``, in units of the signal's as well.
    """

    scale: float = 0.4
    mix: float = 0.5
    noise: float = 0.05
    trust: float = _TRUSTS[0][0]
    slack: float = _TRUSTS[0][1]


class _Room:
    """Memory of the large matrices, for the next fit too.

    What is freed between allocations that stay, of other sizes each time, malloc hardly ever finds again: without this,
    2,000 asks take 2 GB.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, torch.dtype], Tensor] = {}

    def __call__(self, name: str, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Anything in this shape, until the same name is asked for again."""
        size, held = math.prod(shape), self._held.get((name, dtype))
        if held is None or len(held) < size:
            held = self._held[name, dtype] = torch.empty(size * 3 // 2, dtype=dtype)
        return held[:size].view(shape)


class Distances(NamedTuple):
    """Share of differing decisions and Tanimoto similarity, both (N, P)."""

    hamming: Tensor
    tanimoto: Tensor

    def of(self, rows: Tensor, columns: Tensor | None = None) -> Distances:
        """Those of some rows, and of some columns or all; indices ascend, so as many as there are is all of them."""
        found = list(self)
        for dim, kept in enumerate((rows, columns)):
            if kept is not None and len(kept) < self.hamming.shape[dim]:
                found = [part.index_select(dim, kept) for part in found]
        return Distances(*found)


@dataclass(frozen=True)
class _Features:
    one_hot: Tensor  # (N, sum of choices)
    counts: Tensor  # (N, F)
    num_decisions: int

    @cached_property
    def squares(self) -> Tensor:
        """(N,): sums of squared counts."""
        return torch.einsum("nf,nf->n", self.counts, self.counts)

    @cached_property
    def seen(self) -> Tensor:
        """Numbers of the labels that any of them has."""
        return self.counts.sum(0).nonzero()[:, 0]

    def distances(self, other: _Features, room: _Room | None = None) -> Distances:
        """Between all pairs."""
        room = room or _Room()
        shape = len(self.one_hot), len(other.one_hot)
        single = [room(name, *shape, dtype=torch.float32) for name in ("same", "either")]
        same = torch.mm(self.one_hot, other.one_hot.T, out=single[0])
        hamming = room("hamming", *shape).copy_(same.div_(-self.num_decisions).add_(1))
        counts, others = (
            torch.index_select(
                f.counts,
                1,
                self.seen,
                out=room(name, len(f.counts), len(self.seen), dtype=torch.float32),
            )
            for name, f in (("own", self), ("others", other))
        )
        dot = torch.mm(counts, others.T, out=single[0])  # labels that were not seen add nothing
        either = torch.add(self.squares[:, None], other.squares, out=single[1]).sub_(dot)
        tanimoto = dot.div_(either).nan_to_num_(nan=1.0)  # 0 / 0: both are empty
        return Distances(hamming, room("tanimoto", *shape).copy_(tanimoto))


def _covariance(distances: Distances, kernel: Kernel, out: Tensor | None = None) -> Tensor:
    near = torch.div(distances.hamming, -kernel.scale, out=out).exp_().mul_(kernel.mix)
    return near.add_(distances.tanimoto, alpha=1 - kernel.mix)


class _Posterior:
    """One quantity given its known values: a GP with the signal's variance in closed form.

    Args:
        distances: Between all architectures of the training set.
        rows: Row numbers of the training set (n,) where the quantity is known.
        target: (n,).
        prior: What the sources predict there (n, S).
        kernel: Hyperparameters.
        room: Of this quantity.
        variance: The signal's; None estimates it.
    """

    def __init__(
        self,
        distances: Distances,
        rows: Tensor,
        target: Tensor,
        prior: Tensor,
        kernel: Kernel,
        room: _Room,
        variance: float | None = None,
    ) -> None:
        self.rows, self.target, self.prior, self.kernel = rows, target, prior, kernel
        self.room = room
        size, sources = prior.shape
        self.center, self._middle = target.sum() / max(size, 1), prior.sum(0) / max(size, 1)
        self._offset = prior - self._middle
        near = _covariance(distances.of(rows, rows), kernel, room("covariance", size, size))
        covariance = self._with_sources(near, self._offset)
        noisy = room("noisy", size, size).copy_(covariance)
        noisy.diagonal().add_(kernel.noise + 1e-8)
        factor = room("factor", size, size).mT  # by columns, as LAPACK has it: nothing is copied
        self._factor = torch.linalg.cholesky(noisy, out=factor)
        residual = (target - self.center - self._trend(self._offset))[:, None]
        self._alpha = torch.cholesky_solve(residual, self._factor)
        if variance is None:
            guessed = _GUESSED if sources else 0
            variance = float(((residual * self._alpha).sum() + guessed) / (size + guessed))
        self.variance = variance
        fitted = self.center + (covariance @ self._alpha)[:, 0] + self._trend(self._offset)
        self.fitted = fitted.numpy()

    def _trend(self, offset: Tensor) -> Tensor:
        """The mean's part (P,) that follows the sources, given how far they (P, S) are from their mean."""
        trend: Tensor = self.kernel.trust / max(offset.shape[1], 1) * offset.sum(1)
        return trend

    def _with_sources(self, near: Tensor, offset: Tensor) -> Tensor:
        if not offset.shape[1]:
            return near
        return torch.addmm(near, self._offset, offset.T, alpha=self.kernel.slack)

    def cross(self, distances: Distances, prior: Tensor) -> Tensor:
        """Covariances (n, P) with others, given distances (N, P) and what the sources predict of them (P, S)."""
        others = distances.of(self.rows)
        near = _covariance(others, self.kernel, self.room("cross", *others.hamming.shape))
        return self._with_sources(near, prior - self._middle)

    def mean(self, cross: Tensor, prior: Tensor) -> Tensor:
        """Mean (P,), given covariances (n, P) with others and what the sources predict of them (P, S)."""
        found: Tensor = self.center + (cross.T @ self._alpha)[:, 0]
        return found + self._trend(prior - self._middle)

    def std(self, cross: Tensor, prior: Tensor) -> Tensor:
        """Standard deviation (P,) of the noise-free value, given the same."""
        offset = prior - self._middle
        whitened = torch.linalg.solve_triangular(  # (P, n): this way round nothing is copied
            self._factor.T,
            cross.T,
            upper=True,
            left=False,
            out=self.room("whitened", *cross.shape).T,
        )
        before = 1 + self.kernel.slack * (offset**2).sum(1)
        left: Tensor = (before - whitened.square_().sum(1)).clamp_min(1e-9)
        return (left * self.variance).sqrt().clamp_min(1e-9)


class GaussianProcess:
    """See the module. Each quantity has a GP of its own; predictions are in units of normal scores.

    Args:
        space: Whose decisions it reads.
        sources: Processes that were fitted to other studies' results of the same quantities.
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

    def __init__(
        self,
        space: CellSpace,
        *,
        sources: Sequence[GaussianProcess] = (),
        tune_every: int = 8,
        max_points: int = 400,
    ) -> None:
        self.space, self.sources = space, sources
        self.tune_every, self.max_points = tune_every, max_points
        self.kernels: list[Kernel] = []
        self._tuned_on: bytes | None = None
        self._room = _Room()
        self._rooms: defaultdict[int, _Room] = defaultdict(_Room)  # of each quantity

    def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None:
        """Condition on decisions (N, D) and values (N, K), as `Surrogate.fit`."""
        self._posteriors: list[_Posterior] = []
        self._tune(x, y)
        kept = _subset(rank, self.max_points)
        self._features = self._featurize(x[kept], "counts")
        distances = self._features.distances(self._features, self._room)
        prior = self._prior(self._features, y.shape[1])
        self.zero, self.fitted = np.zeros(y.shape[1]), np.full(y.shape, np.nan)
        for column, kernel in enumerate(self.kernels):
            values = y[kept, column]
            known = np.flatnonzero(~np.isnan(values))
            if len(kept) and not len(known):
                # all known ones were left out: as if one average value had been seen
                known, values = np.zeros(1, dtype=np.int64), np.zeros(1)
            target, rows = torch.from_numpy(normal_scores(values[known])), torch.from_numpy(known)
            posterior = _Posterior(
                distances, rows, target, prior[rows, column], kernel, self._rooms[column]
            )
            self.zero[column] = zero_score(values[known]) if len(known) else 0.0
            self.fitted[kept[known], column] = posterior.fitted
            self._posteriors.append(posterior)

    def imagine(self, x: IntArray) -> None:
        """Condition on pending architectures (P, D) as if their predicted means had been observed.

        `zero` and `fitted` stay as they are.
        """
        more, old = self._featurize(x, "more counts"), len(self._features.one_hot)
        prior = self._prior(more, len(self.kernels))
        means = self._means(more, prior)
        self._features = _Features(
            torch.cat([self._features.one_hot, more.one_hot]),
            torch.cat([self._features.counts, more.counts]),
            self._features.num_decisions,
        )
        distances = self._features.distances(self._features, self._room)
        pending = torch.arange(old, old + len(x))
        for column, posterior in enumerate(self._posteriors):
            rows = torch.cat([posterior.rows, pending])
            target = torch.cat([posterior.target, means[:, column]])
            known = torch.cat([posterior.prior, prior[:, column]])
            self._posteriors[column] = _Posterior(
                distances,
                rows,
                target,
                known,
                posterior.kernel,
                posterior.room,
                posterior.variance,
            )

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Posterior mean and standard deviation (P, K) of the noise-free values."""
        features = self._featurize(candidates.x, "more counts")
        prior = self._prior(features, len(self.kernels))
        given = self._given(features, prior)
        means = [posterior.mean(cross, known) for posterior, cross, known in given]
        stds = [posterior.std(cross, known) for posterior, cross, known in given]
        return torch.stack(means, 1).numpy(), torch.stack(stds, 1).numpy()

    def _means(self, features: _Features, prior: Tensor) -> Tensor:
        """Posterior means (P, K), given what the sources predict."""
        given = self._given(features, prior)
        return torch.stack([posterior.mean(cross, known) for posterior, cross, known in given], 1)

    def _given(self, features: _Features, prior: Tensor) -> list[tuple[_Posterior, Tensor, Tensor]]:
        """Of each quantity its posterior, covariances with candidates, and what the sources predict of them."""
        distances = self._features.distances(features, self._room)
        known = zip(self._posteriors, prior.unbind(1), strict=True)
        return [(posterior, posterior.cross(distances, p), p) for posterior, p in known]

    def _prior(self, features: _Features, quantities: int) -> Tensor:
        """What the sources predict (P, K, S)."""
        none = torch.empty(len(features.one_hot), quantities, 0, dtype=torch.float64)
        found = [source._means(features, none) for source in self.sources]
        return torch.stack(found, 2) if found else none

    def _featurize(self, x: IntArray, room: str) -> _Features:
        """Features (N, ...) that last until some are made in the room of the same name."""
        one_hot = torch.from_numpy(self.space.one_hot(x))
        return _Features(one_hot, self._counts(x, room), x.shape[1])

    def _counts(self, x: IntArray, room: str) -> Tensor:
        graphs = self.space.encode(x)
        labels = label_hashes(self.space.node_types)[graphs.types]
        history = refine(labels, to_adjacency(graphs.edges, self.space.num_nodes), _ROUNDS)
        hashes = np.concatenate(history, 1)  # (N, rounds n), 0 for dead nodes
        buckets = torch.from_numpy((hashes % np.uint64(_BUCKETS)).astype(np.int64))
        alive = torch.from_numpy((hashes != 0).astype(np.float32))
        counts = self._room(room, len(x), _BUCKETS, dtype=torch.float32).zero_()
        return counts.scatter_add_(1, buckets, alive)

    def _tune(self, x: IntArray, y: FloatArray) -> None:
        size = max(len(y) - len(y) % self.tune_every, min(len(y), self.tune_every))
        data = x[:size].tobytes() + y[:size].tobytes()
        if data == self._tuned_on:
            return
        self.kernels, self._tuned_on = [Kernel()] * y.shape[1], data
        if self.sources and size < self.tune_every:
            return
        columns = defaultdict(list)  # those known for the same architectures share the costly part
        for column, values in enumerate(y[:size].T):
            known = np.flatnonzero(~np.isnan(values))
            columns[known[_subset(-values[known], _TUNING_POINTS)].tobytes()].append(column)
        for rows_data, chosen in columns.items():
            rows = np.frombuffer(rows_data, dtype=np.int64)
            if not len(rows):
                continue
            features = self._featurize(x[rows], "more counts")
            targets = np.stack([normal_scores(y[rows, column]) for column in chosen], 1)
            prior = self._prior(features, y.shape[1])[:, chosen]
            distances = features.distances(features, self._room)
            kernels = best_kernels(distances, torch.from_numpy(targets), prior)
            for column, kernel in zip(chosen, kernels, strict=True):
                self.kernels[column] = kernel


def best_kernels(distances: Distances, targets: Tensor, prior: Tensor) -> list[Kernel]:
    """For each of the targets (N, K) the most probable kernel of the grid.

    Args:
        distances: Of the N architectures.
        targets: (N, K).
        prior: What the sources predict (N, K, S).
    """
    n, sources = len(targets), prior.shape[2]
    both = torch.cat([targets[..., None], prior], 2)  # (N, K, 1 + S)
    centered = (both - both.mean(0)).flatten(1)
    shapes = [Kernel(scale, mix) for scale, mix in product(_SCALES, _MIXES)]
    # one shape at a time: the covariances of the whole grid would be the memory peak of a search
    parts = [_whitened(_covariance(distances, shape), centered) for shape in shapes]
    white, determinant = (torch.cat(part) for part in zip(*parts, strict=True))  # (G, ...)
    white = white.reshape(len(_GRID), *both.shape)
    target, regressors = white[..., :1], white[..., 1:]
    believed = torch.tensor(_PRIOR, dtype=torch.float64)[:, None]
    guessed = _GUESSED if sources else 0
    probable, kernels = [], []
    for trust, slack in _TRUSTS if sources else _TRUSTS[:1]:
        residual = target - trust / max(sources, 1) * regressors.sum(3, keepdim=True)
        explained, linear = _linear_part(regressors, residual, slack)
        squares = (residual[..., 0] ** 2).sum(1) - explained + guessed  # (G, K)
        scale = (squares / (n + guessed)).clamp_min(1e-12)
        probable.append(believed - 0.5 * (n + guessed) * scale.log() - determinant - linear)
        kernels += [Kernel(*point, trust, slack) for point in _GRID]
    return [kernels[best] for best in torch.cat(probable).argmax(0).tolist()]


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


def _subset(rank: FloatArray, most: int) -> npt.NDArray[np.int64]:
    """Row numbers of at most ``most`` points in their order: the better half, and an even spread of the others."""
    if len(rank) <= most:
        return np.arange(len(rank))
    order = np.argsort(rank, kind="stable")
    top, others = order[: most // 2], order[most // 2 :]
    spread = others[np.linspace(0, len(others) - 1, most - most // 2).astype(np.int64)]
    return np.sort(np.concatenate([top, spread]))
