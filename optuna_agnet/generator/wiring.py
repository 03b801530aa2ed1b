"""Edges that are drawn together: where a node's type says how many edges it takes, they are drawn without replacement.

Independent draws would hardly ever give each of many nodes its exact number of inputs (`SearchSpace.in_degrees`), two
nodes different ones (`distinct_source_of`), or an input of a type that it can read (`SearchSpace.edge_allowed`), and
may leave a node unread that has to be read (`must_be_read`).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.graphs import edge_endpoints, edge_position, num_edges


class Wiring(nn.Module):
    """The wired nodes of a space, T in number: those whose free edges are as many as their type says.

    The score of an edge to such a node is the logarithm of its share among the node's free edges.

    Args:
        space: The space.
    """

    drawn: Tensor  # (E,) bool: whether an edge is among the wired ones
    pairs: Tensor  # (2, P): edges from the same source of which the first rules the second out

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        free = _free_edges(space)
        known = np.all((space.in_degrees >= 0) | ~space.allowed_types, axis=1)
        places = [i for i in range(space.num_nodes) if len(free[i]) and known[i]]
        none = len(space.fixed_edges)
        table = np.full((len(places), max((len(free[i]) for i in places), default=0)), none)
        for row, i in zip(table, places, strict=True):
            row[: len(free[i])] = free[i]
        drawn = np.zeros(none + 1, dtype=bool)
        drawn[table] = True
        earlier = [_apart_from(space, i) for i in places]
        pairs = [
            _ruled_out(free, j, i) for i, of_i in zip(places, earlier, strict=True) for j in of_i
        ]
        self.register_buffer("drawn", torch.from_numpy(drawn[:-1]), persistent=False)
        both = np.concatenate([np.empty((2, 0), dtype=np.int64), *pairs], 1)
        self.register_buffer("pairs", torch.from_numpy(both), persistent=False)
        degrees = np.maximum(space.in_degrees[places], 0).astype(np.int64)
        self.places = torch.tensor(places, dtype=torch.long)  # (T,)
        self.degrees = torch.from_numpy(degrees)  # (T, A): edges that they take, by type
        self.table = torch.from_numpy(table)  # (T, S): their free edges; E stands for none
        self._read = torch.from_numpy(np.flatnonzero(space.must_be_read))
        self._turn = torch.tensor([len(of_i) for of_i in earlier], dtype=torch.long)  # (T,)
        self._joins = torch.from_numpy(space.edge_allowed)  # (A, A)
        ends_of_edges = edge_endpoints(space.num_nodes)
        self._sources, self._targets = (torch.from_numpy(end) for end in ends_of_edges)  # (E,)
        independent = (space.fixed_edges < 0) & ~drawn[:-1]
        self.count = len(places) + int(independent.sum())  # what a loss over all edges averages

    def likelihoods(self, scores: Tensor) -> Tensor:
        """What each edge (B, E) adds to the log likelihood of a graph that has it.

        With p the share of an edge that another rules out, the other remaining shares grow by 1 / (1 - p); where
        several rule edges out, that is an approximation.
        """
        first, second = self.pairs
        share = scores[:, second].exp().clamp_max(1 - 1e-6)
        return scores.index_add(1, first, -torch.log1p(-share))

    def draw(self, scores: Tensor, luck: Tensor, types: Tensor) -> Tensor:
        """Edges (B, E) of the wired nodes, the others False; everything on the CPU.

        Args:
            scores: (B, E).
            luck: (B, E), uniform in [0, 1).
            types: (B, n) of the nodes.
        """
        gumbel = -torch.log(-torch.log(luck.clamp(1e-20, 1 - 1e-7)))
        possible = self._joins[types[:, self._sources], types[:, self._targets]]
        perturbed = (scores + gumbel).masked_fill(~possible, -torch.inf)
        perturbed = F.pad(perturbed, (0, 1), value=-torch.inf)
        degree = self.degrees[torch.arange(len(self.places)), types[:, self.places]]  # (B, T)
        edges = torch.zeros(perturbed.shape, dtype=torch.bool)
        first, second = self.pairs.cpu()
        for turn in range(int(self._turn.max()) + 1):
            if turn:
                ruled_out = torch.where(edges[:, first], -torch.inf, 0.0)
                perturbed = perturbed.index_add(1, second, ruled_out)
            self._choose(perturbed, degree, self._turn == turn, edges)
        for source in self._read:
            self._read_by_one(source, perturbed, edges)
        return edges[:, :-1]

    def _choose(self, scores: Tensor, degree: Tensor, places: Tensor, edges: Tensor) -> None:
        """Set the best ``degree`` (B, T) edges of some places in ``edges`` (B, E + 1)."""
        table = self.table[places]
        most = min(int(self.degrees.max()), table.shape[1])
        best = scores[:, table].topk(most, 2).indices  # (B, T, most)
        taken = torch.arange(most) < degree[:, places, None]
        chosen = torch.zeros(len(scores), *table.shape, dtype=torch.bool).scatter_(2, best, taken)
        edges[:, table] = chosen

    def _read_by_one(self, source: Tensor, scores: Tensor, edges: Tensor) -> None:
        """Where no node reads ``source``, let the one do so that came nearest to it, in the place of its worst source.

        Scores are perturbed ones; edges (B, E + 1) are changed in place. Sources that must be read are not given up.
        """
        of_source = F.pad(self._sources == source, (0, 1))[self.table]  # (T, S)
        others = ~F.pad(torch.isin(self._sources, self._read), (0, 1))[self.table]
        score, taken = scores[:, self.table], edges[:, self.table]  # (B, T, S)
        worst = score.where(taken & others & score.isfinite(), torch.inf).min(2)
        wanted = score.where(of_source, -torch.inf).max(2)
        least = (worst.values - wanted.values).min(1)  # (B,)
        unread = ~(taken & of_source).any(2).any(1) & least.values.isfinite()
        rows, place = unread.nonzero()[:, 0], least.indices[unread]
        edges[rows, self.table[place, worst.indices[rows, place]]] = False
        edges[rows, self.table[place, wanted.indices[rows, place]]] = True


def _free_edges(space: SearchSpace) -> list[IntArray]:
    """For each node, the edges to it that some valid graphs have and some have not."""
    ends = [num_edges(i + 1) for i in range(space.num_nodes)]
    return [a + np.flatnonzero(space.fixed_edges[a:b] < 0) for a, b in pairwise([0, *ends])]


def _apart_from(space: SearchSpace, node: int) -> list[int]:
    """The earlier nodes that share no source with a node."""
    earlier: list[int] = []
    while (node := int(space.distinct_source_of[node])) >= 0:
        earlier.append(node)
    return earlier


def _ruled_out(free: list[IntArray], first: int, second: int) -> IntArray:
    """Edges (2, P) to two nodes from the same sources."""
    one, other = (free[i] - edge_position(0, i) for i in (first, second))
    common = np.intersect1d(one, other)
    return np.stack([edge_position(0, i) + common for i in (first, second)])
