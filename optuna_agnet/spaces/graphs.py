"""Batches of graphs and their edges.

Letters: B graphs in a batch, n nodes, E = n (n - 1) / 2 possible edges.
Edge (s, t), s < t, has position t (t - 1) / 2 + s.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np

from optuna_agnet.core.arrays import BoolArray, IntArray

_T = TypeVar("_T", int, IntArray)


class Graphs(NamedTuple):
    """A batch of graphs: ``types`` (B, n) indices into ``space.node_types``, ``edges`` (B, E) bool."""

    types: IntArray
    edges: BoolArray


def num_edges(n: int) -> int:
    """E, how many edges a graph of n nodes may have."""
    return n * (n - 1) // 2


def edge_position(source: _T, target: _T) -> _T:
    """Where the edge between two nodes (numbers or arrays of them), source < target, stands in the encoding."""
    return target * (target - 1) // 2 + source


def edge_endpoints(n: int) -> tuple[IntArray, IntArray]:
    """Sources and targets, each (E,), of the upper-triangle edges in encoding order."""
    targets, sources = np.tril_indices(n, -1)
    return sources, targets


def to_adjacency(edges: BoolArray, n: int) -> BoolArray:
    """Edges (B, E) as adjacency matrices (B, n, n)."""
    adjacency = np.zeros((len(edges), n, n), dtype=bool)
    sources, targets = edge_endpoints(n)
    adjacency[:, sources, targets] = edges
    return adjacency
