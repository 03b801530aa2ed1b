"""The covariance of the Gaussian process: what two architectures have in common.

w exp(-Hamming / l) + (1 - w) Tanimoto. Hamming is the share of decisions that differ, where ordered ones differ by as
much as their positions do (Gower 1971; `SearchSpace.features`). In networks and chains some may count more than others
(`relevance`). Tanimoto compares the counts of Weisfeiler-Lehman labels of both graphs, dead nodes left out.

Hyperparameters beside the architecture are a factor each, so what one architecture says of another counts less the more
they differ: a Matern kernel of smoothness 5/2 over |z - z'| / reach, a reach of its own for every hyperparameter.

Letters: N and P architectures, D decisions, F hashed labels, H hyperparameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from optuna_agnet.core.architecture import label_hashes, refine
from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.spaces.base import SearchSpace

_ROUNDS = 1  # of Weisfeiler-Lehman refinement: a node and what it is connected with
_BUCKETS = 1024  # F
_MOST_KNOWN = 8_000
"""Architectures whose features are remembered: ten megabytes where they have 30 nodes."""

_Labels: TypeAlias = npt.NDArray[np.uint64]
_Columns: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KernelParams:
    """Hyperparameters: ``scale`` l, ``mix`` w, ``noise`` variance in units of the signal's.

    Weights of the sources have the mean ``trust`` / S and the variance ``slack``, in units of the signal's as well.
    ``reaches`` are those of the hyperparameters beside the architecture, ``shares`` what is not common to all
    architectures and, after that, to all values of each of them.
    """

    scale: float = 0.4
    mix: float = 0.5
    noise: float = 0.05
    trust: float = 1.0
    slack: float = 0.1
    reaches: tuple[float, ...] = ()
    shares: tuple[float, ...] = (1.0,)


class BufferPool:
    """Reuses the buffers of large matrices from fit to fit, which avoids heap fragmentation.

    Without it, 2,000 asks take 2 GB: each frees matrices of another size between small allocations that stay.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, torch.dtype], Tensor] = {}

    def __call__(self, name: str, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Anything in this shape, until the same name is asked for again."""
        size, held = math.prod(shape), self._held.get((name, dtype))
        if held is None or len(held) < size:
            held = self._held[name, dtype] = torch.empty(size * 3 // 2, dtype=dtype)
        return held[:size].view(shape)


class Similarities(NamedTuple):
    """Share of differing decisions and Tanimoto similarity, both (N, P), and gaps of hyperparameters (H, N, P)."""

    hamming: Tensor
    tanimoto: Tensor
    gaps: Tensor

    def of(self, rows: Tensor, columns: Tensor | None = None) -> Similarities:
        """Those of some rows, and of some columns or all; indices ascend, so as many as there are is all of them."""
        found = list(self)
        for dim, kept in ((-2, rows), (-1, columns)):
            if kept is not None and len(kept) < self.hamming.shape[dim]:
                found = [part.index_select(dim, kept) for part in found]
        return Similarities(*found)

    def repeated(
        self, rows: Tensor | None, columns: Tensor | None, buffers: BufferPool
    ) -> Similarities:
        """Where architectures are repeated: which one each row and column stands for, None for all in their order."""

        def of_each(part: Tensor, name: str) -> Tensor:
            part = part if rows is None else part.index_select(0, rows)
            if columns is None:
                return part
            out = buffers(name, len(part), len(columns))
            return torch.index_select(part, 1, columns, out=out)

        hamming = of_each(self.hamming, "hamming of each")
        return Similarities(hamming, of_each(self.tanimoto, "tanimoto of each"), self.gaps)


@dataclass(frozen=True)
class Features:
    """What distances between architectures are made from; A of them are different, as N pairs repeat architectures."""

    one_hot: Tensor  # (A, sum of choices)
    counts: Tensor  # (A, F)
    num_decisions: int
    z: Tensor  # (N, H)
    unordered: Tensor  # (H,): of which hyperparameters two values are the same or different
    each: Tensor | None = None  # (N,), which of the A it is; None: each is one of its own

    @cached_property
    def squares(self) -> Tensor:
        """(A,): sums of squared counts."""
        return torch.einsum("nf,nf->n", self.counts, self.counts)

    @cached_property
    def seen(self) -> Tensor:
        """Numbers of the labels that any of them has."""
        return self.counts.sum(0).nonzero()[:, 0]

    def distances(
        self, other: Features, buffers: BufferPool | None = None, weights: Tensor | None = None
    ) -> Similarities:
        """Between all pairs; ``weights`` (F,) say how much each column counts, None: all alike."""
        buffers = buffers or BufferPool()
        shape = len(self.one_hot), len(other.one_hot)
        single = [buffers(name, *shape, dtype=torch.float32) for name in ("same", "either")]
        weighted = self.one_hot if weights is None else self.one_hot * weights
        same = torch.mm(weighted, other.one_hot.T, out=single[0])
        hamming = buffers("hamming", *shape).copy_(same.div_(-self.num_decisions).add_(1))
        counts, others = (
            torch.index_select(
                f.counts,
                1,
                self.seen,
                out=buffers(name, len(f.counts), len(self.seen), dtype=torch.float32),
            )
            for name, f in (("own", self), ("others", other))
        )
        dot = torch.mm(counts, others.T, out=single[0])  # labels that were not seen add nothing
        either = torch.add(self.squares[:, None], other.squares, out=single[1]).sub_(dot)
        tanimoto = dot.div_(either).nan_to_num_(nan=1.0)  # 0 / 0: both are empty
        gaps = (self.z.T[:, :, None] - other.z.T[:, None]).abs_()
        gaps[self.unordered] = gaps[self.unordered].ceil_().clamp_max_(1)  # of indices
        found = Similarities(hamming, buffers("tanimoto", *shape).copy_(tanimoto), gaps)
        return found.repeated(self.each, other.each, buffers)

    def take(self, columns: Sequence[int]) -> Features:
        """With some of the hyperparameters alone."""
        kept = list(columns)
        return replace(self, z=self.z[:, kept], unordered=self.unordered[kept])

    def with_more(self, more: Features) -> Features:
        """Both behind each other."""
        joined = (
            torch.cat([a, b])
            for a, b in ((self.one_hot, more.one_hot), (self.counts, more.counts), (self.z, more.z))
        )
        one_hot, counts, z = joined
        each = None
        if self.each is not None and more.each is not None:
            each = torch.cat([self.each, more.each + len(self.one_hot)])
        return Features(one_hot, counts, self.num_decisions, z, self.unordered, each)


def covariance(distances: Similarities, kernel: KernelParams, out: Tensor | None = None) -> Tensor:
    """(N, P), in units of the signal's variance."""
    near = torch.div(distances.hamming, -kernel.scale, out=out).exp_().mul_(kernel.mix)
    near.add_(distances.tanimoto, alpha=1 - kernel.mix)
    if not kernel.reaches:
        return near
    of_architecture, *shares = kernel.shares
    near.mul_(of_architecture).add_(1 - of_architecture)
    for gap, reach, share in zip(distances.gaps, kernel.reaches, shares, strict=True):
        near.mul_(matern(gap, reach).mul_(share).add_(1 - share))
    return near


def covariance_among(
    distances: Similarities,
    kernel: KernelParams,
    buffers: BufferPool,
    name: str,
    rows: Tensor,
    columns: Tensor | None = None,
) -> Tensor:
    """`covariance` of some rows and of some columns, or all, in the buffer of that name."""
    part = distances.of(rows, columns)
    return covariance(part, kernel, buffers(name, *part.hamming.shape))


def matern(gap: Tensor, reach: float | Tensor) -> Tensor:
    """Matern kernel of smoothness 5/2 (Rasmussen and Williams 2006, Eq. 4.17), in the shape of the gaps."""
    u = gap * (math.sqrt(5) / reach)
    return (1 + u + u**2 / 3) * torch.exp(-u)


class Featurizer:
    """Makes features. Those of an architecture are remembered: a search comes to the same ones again and again.

    Args:
        space: Of the architectures.
        unordered: (H,), `Hyperparameters.unordered`; None: there are no hyperparameters.
        buffers: Whose memory is used.
    """

    def __init__(
        self,
        space: SearchSpace,
        unordered: BoolArray | None = None,
        buffers: BufferPool | None = None,
    ) -> None:
        self._space, self._buffers = space, buffers or BufferPool()
        self._unordered = torch.from_numpy(np.empty(0, bool) if unordered is None else unordered)
        self._known: dict[bytes, tuple[_Labels, _Columns]] = {}  # by row

    def __call__(self, x: IntArray, z: FloatArray | None = None, name: str = "counts") -> Features:
        """Features of decisions (N, D), with hyperparameters (N, H), until some are made under the same name."""
        rows, each = [row.tobytes() for row in x], None
        z = np.empty((len(x), 0)) if z is None else z
        if z.shape[1]:  # an architecture comes with many hyperparameters
            first: dict[bytes, int] = {}
            for number, row in enumerate(rows):
                first.setdefault(row, number)
            place = {row: number for number, row in enumerate(first)}
            each = torch.tensor([place[row] for row in rows], dtype=torch.int64)
            rows, x = list(first), x[list(first.values())]
        hashes, one_hot = self._of_rows(rows, x)  # 0 for dead nodes
        buckets = torch.from_numpy((hashes % np.uint64(_BUCKETS)).astype(np.int64))
        alive = torch.from_numpy((hashes != 0).astype(np.float32))
        counts = self._buffers(name, len(x), _BUCKETS, dtype=torch.float32).zero_()
        counts.scatter_add_(1, buckets, alive)
        decisions, others = torch.from_numpy(one_hot), torch.from_numpy(z)
        return Features(decisions, counts, x.shape[1], others, self._unordered, each)

    def compared(
        self,
        x: IntArray,
        z: FloatArray,
        known: Features | None = None,
        weights: Tensor | None = None,
    ) -> tuple[Features, Similarities]:
        """Features, and distances from ``known`` ones, or among them; they last until others are made so.

        Args:
            x: Decisions (P, D).
            z: Hyperparameters (P, H).
            known: From which (N, P) distances are measured; None: from each other (P, P).
            weights: How much each column of the decisions' features counts; None: all alike.
        """
        features = self(x, z, "counts" if known is None else "more counts")
        known = features if known is None else known
        return features, known.distances(features, self._buffers, weights)

    def _of_rows(self, rows: Sequence[bytes], x: IntArray) -> tuple[_Labels, _Columns]:
        """Weisfeiler-Lehman labels of all nodes (N, rounds n) and `SearchSpace.features` (N, F).

        Args:
            rows: The decisions of each.
            x: The same as an array (N, D).
        """
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        new = {row: number for number, row in enumerate(rows) if row not in self._known}
        if new or not rows:
            some = x[list(new.values())]
            types, adjacency = self._space.encode_dense(some)
            labels = refine(label_hashes(self._space.node_types)[types], adjacency, _ROUNDS)
            made = np.concatenate(labels, 1), self._space.features(some)
            if not rows:
                return made
            self._known.update(zip(new, zip(*made, strict=True), strict=True))
        found = [self._known[row] for row in rows]
        return np.array([labels for labels, _ in found]), np.array([own for _, own in found])


def featurize(
    space: SearchSpace,
    x: IntArray,
    z: FloatArray | None = None,
    unordered: BoolArray | None = None,
) -> Features:
    """Features of decisions (N, D) and hyperparameters (N, H), once."""
    return Featurizer(space, unordered)(x, z)
