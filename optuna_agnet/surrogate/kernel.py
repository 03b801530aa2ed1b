"""The covariance of the Gaussian process: what two architectures have in common.

w exp(-Hamming / l) + (1 - w) Tanimoto. Hamming is the share of decisions that differ; Tanimoto compares the counts of
Weisfeiler-Lehman labels of both graphs, dead nodes left out.

Letters: N and P architectures, D decisions, F hashed labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from optuna_agnet.architecture import label_hashes, refine
from optuna_agnet.spaces.base import CellSpace, IntArray, to_adjacency

_ROUNDS = 1  # of Weisfeiler-Lehman refinement: a node and what it is connected with
_BUCKETS = 1024  # F


@dataclass(frozen=True, slots=True)
class Kernel:
    """Hyperparameters: ``scale`` l, ``mix`` w, ``noise`` variance in units of the signal's.

    Weights of the sources have the mean ``trust`` / S and the variance ``slack``, in units of the signal's as well.
    """

    scale: float = 0.4
    mix: float = 0.5
    noise: float = 0.05
    trust: float = 1.0
    slack: float = 0.1


class Room:
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
class Features:
    """What distances between architectures are made from."""

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

    def distances(self, other: Features, room: Room | None = None) -> Distances:
        """Between all pairs."""
        room = room or Room()
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


def covariance(distances: Distances, kernel: Kernel, out: Tensor | None = None) -> Tensor:
    """(N, P), in units of the signal's variance."""
    near = torch.div(distances.hamming, -kernel.scale, out=out).exp_().mul_(kernel.mix)
    return near.add_(distances.tanimoto, alpha=1 - kernel.mix)


def featurize(
    space: CellSpace, x: IntArray, room: Room | None = None, name: str = "counts"
) -> Features:
    """Features of decisions (N, D) that last until some are made in the room under the same name."""
    graphs = space.encode(x)
    labels = label_hashes(space.node_types)[graphs.types]
    history = refine(labels, to_adjacency(graphs.edges, space.num_nodes), _ROUNDS)
    hashes = np.concatenate(history, 1)  # (N, rounds n), 0 for dead nodes
    buckets = torch.from_numpy((hashes % np.uint64(_BUCKETS)).astype(np.int64))
    alive = torch.from_numpy((hashes != 0).astype(np.float32))
    counts = (room or Room())(name, len(x), _BUCKETS, dtype=torch.float32).zero_()
    counts.scatter_add_(1, buckets, alive)
    return Features(torch.from_numpy(space.one_hot(x)), counts, x.shape[1])
