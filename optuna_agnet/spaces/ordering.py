"""One order for all isomorphic graphs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.arrays import BoolArray, IntArray


def canonical_order(
    adjacency: BoolArray, live: BoolArray, labels: npt.NDArray[np.uint64]
) -> IntArray:
    """A topological order (B, n) in which each next node follows the latest possible one; unused nodes come last.

    Ties go to the larger label, so isomorphic graphs come out alike. That neighbours in the order are mostly joined
    keeps the nodes of independently sampled edges in use.

    Args:
        adjacency: (B, n, n), ``[b, i, j]`` is an edge i -> j between live nodes.
        live: (B, n), which nodes are in use.
        labels: (B, n), equal for nodes that isomorphisms exchange, e.g. of `refine`.
    """
    placed = np.zeros_like(live)
    latest = np.full(live.shape, -1)  # position of a node's latest placed predecessor
    order = np.zeros(live.shape, dtype=np.int64)
    rows = np.arange(len(live))
    for position in range(live.shape[1]):
        ready = ~placed & ~(adjacency & ~placed[:, :, None]).any(1)
        rank = np.where(ready, latest + 2 * live, -9)  # unused nodes -1, used ones at least 1
        first = rank == rank.max(1, keepdims=True)
        node = np.where(first, labels + np.uint64(1), np.uint64(0)).argmax(1)
        order[:, position] = node
        placed[rows, node] = True
        latest = np.where(adjacency[rows, node], position, latest)
    return order
