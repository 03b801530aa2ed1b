"""Architecture: one labelled DAG, its canonical key and its conversions.

Letters used here and in `spaces`: B graphs in a batch, n nodes a graph.
``labels`` (B, n) uint64 hashes of node labels, ``adjacency`` (B, n, n) bool, ``[b, i, j]`` is an edge i -> j, i < j.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.arrays import BoolArray
from optuna_agnet.core.seeds import number_of

if TYPE_CHECKING:
    import networkx as nx

INPUT = "input"
OUTPUT = "output"
NONE = "none"
"""A node with this label carries nothing: it is pruned before graphs are compared."""

_HashArray = npt.NDArray[np.uint64]
_BATCH_ENTRIES = 2**22  # of the adjacency matrices that are refined together


@dataclass(frozen=True, slots=True)
class Architecture:
    """A labelled directed acyclic graph; node 0 is the input, the last node the output.

    Spaces make architectures (`space.parse`, `space.suggest`, ...); two are equal when their labels and edges are.
    Isomorphic ones are different values with the same `key`.

    Args:
        nodes: One label a node, in topological order.
        edges: Pairs (i, j) with i < j, in any order.
        text: The space's own text form, what `str` gives; not part of the comparison.
        hyperparameters: Values by name that it is to be trained with, where a search proposes both; not part of the
            comparison either.

    Raises:
        ValueError: An edge does not lead from a lower to a higher existing node, or is given twice.
        TypeError: ``nodes`` holds something else than strings, or ``edges`` something else than pairs of integers.

    Example:
        >>> a = Architecture(("input", "conv", "pool", "output"), ((0, 1), (0, 2), (1, 3), (2, 3)))
        >>> b = Architecture(("input", "pool", "conv", "output"), ((0, 1), (0, 2), (1, 3), (2, 3)))
        >>> a == b, a.key == b.key
        (False, True)
    """

    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    text: str = field(default="", compare=False)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        # lists would only fail later, where a value is hashed
        object.__setattr__(self, "nodes", _labels(self.nodes))
        object.__setattr__(self, "edges", _pairs(self.edges))
        for i, j in self.edges:
            if not 0 <= i < j < len(self.nodes):
                raise ValueError(
                    f"edge ({i}, {j}) must lead from a lower to a higher node of the {len(self.nodes)} nodes"
                )
        if len(set(self.edges)) < len(self.edges):
            twice = sorted({edge for edge in self.edges if self.edges.count(edge) > 1})
            raise ValueError(f"edges {twice} are given more than once")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Architecture):
            return NotImplemented
        return self.nodes == other.nodes and (
            self.edges == other.edges or set(self.edges) == set(other.edges)
        )

    def __hash__(self) -> int:
        return hash((self.nodes, frozenset(self.edges)))

    def __str__(self) -> str:
        return self.text or f"{','.join(self.nodes)} {' '.join(f'{i}>{j}' for i, j in self.edges)}"

    def _repr_html_(self) -> str:
        figures = import_module(
            "optuna_agnet.visualization"
        )  # by name: nothing here needs it otherwise
        return f"<div style='overflow-x: auto'>{figures.architecture_svg(self)}</div>"

    def with_hyperparameters(self, **values: Any) -> Architecture:
        """The same with values by name, to `tell` of a training that was not asked for."""
        return replace(self, hyperparameters=values)

    @property
    def key(self) -> str:
        """16 hexadecimal digits, the same for isomorphic graphs after dead nodes are pruned (`graph_keys`)."""
        return f"{int(canonical_keys([self])[0]):016x}"

    def to_networkx(self) -> nx.DiGraph:
        """The graph as a `networkx.DiGraph`; node attribute ``op`` holds the label; PyTorch brings networkx along."""
        import networkx as nx

        graph = nx.DiGraph()
        graph.add_nodes_from((i, {"op": op}) for i, op in enumerate(self.nodes))
        graph.add_edges_from(self.edges)
        return graph

    def to_pyg(self, labels: tuple[str, ...]) -> Any:
        """The graph as `torch_geometric.data.Data`: ``x`` (n, len(labels)) one-hot, ``edge_index`` (2, E).

        Args:
            labels: All labels in the order of the one-hot columns, e.g. ``space.node_types``.

        Raises:
            ImportError: torch-geometric is missing (``pip install 'optuna-agnet[gnn]'``).
            ValueError: A node's label is not among ``labels``.
        """
        try:
            from torch_geometric.data import Data
        except ImportError as error:
            raise ImportError(
                "to_pyg needs torch-geometric: pip install 'optuna-agnet[gnn]'"
            ) from error
        import torch

        unknown = sorted(set(self.nodes) - set(labels))
        if unknown:
            raise ValueError(f"labels {unknown} are not among {list(labels)}")
        types = torch.tensor([labels.index(op) for op in self.nodes])
        edges = torch.tensor(self.edges, dtype=torch.long).reshape(-1, 2).T
        return Data(x=torch.nn.functional.one_hot(types, len(labels)).float(), edge_index=edges)


def _labels(nodes: Iterable[str]) -> tuple[str, ...]:
    found = tuple(nodes) if isinstance(nodes, Iterable) else ()
    if isinstance(nodes, str) or not found or not all(isinstance(label, str) for label in found):
        raise TypeError(
            f"nodes={nodes!r} must be labels, one string a node, such as ('input', 'conv', 'output')"
        )
    return found


def _pairs(edges: Iterable[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    try:
        found = [(index(i), index(j)) for i, j in edges]  # numpy's integers become Python's
    except (TypeError, ValueError):
        raise TypeError(
            f"edges={edges!r} must be pairs of node numbers, such as ((0, 1), (1, 2))"
        ) from None
    return tuple(found)


_OUTPUT_HASH = np.uint64(number_of(OUTPUT))


@lru_cache(maxsize=1024)
def label_hashes(labels: tuple[str, ...]) -> _HashArray:
    """64-bit hashes of labels, equal on every machine; 0 stands for `NONE`. Not to be written to: it is kept."""
    hashes = np.array(
        [0 if label == NONE else number_of(label) for label in labels], dtype=np.uint64
    )
    hashes.flags.writeable = False
    return hashes


def live_nodes(labels: _HashArray, adjacency: BoolArray) -> BoolArray:
    """Which nodes lie on a path from node 0 to a node labelled `OUTPUT`, (B, n)."""
    n = labels.shape[1]
    usable, backward = labels != 0, labels == _OUTPUT_HASH
    if _alike(usable) and _alike(backward) and _alike(adjacency):  # chains: one says it of all
        usable, backward, adjacency = usable[:1], backward[:1], adjacency[:1]
    forward = np.zeros_like(usable)
    forward[:, 0] = True
    for j in range(1, n):
        forward[:, j] = usable[:, j] & (adjacency[:, :j, j] & forward[:, :j]).any(1)
    for i in range(n - 2, -1, -1):
        backward[:, i] |= usable[:, i] & (adjacency[:, i, i + 1 :] & backward[:, i + 1 :]).any(1)
    live: BoolArray = forward & backward
    return np.broadcast_to(live, labels.shape)


def _alike(rows: BoolArray) -> bool:
    """Whether the first two of several rows are equal, and then all."""
    return len(rows) > 1 and np.array_equal(rows[0], rows[1]) and bool((rows == rows[0]).all())


def _live_edges(adjacency: BoolArray, live: BoolArray) -> tuple[npt.NDArray[np.int64], ...]:
    """Graph, source and target (E,) of the edges between live nodes."""
    if not (_alike(live) and _alike(adjacency)):
        return np.nonzero(adjacency & live[:, :, None] & live[:, None, :])
    i, j = np.nonzero(adjacency[0] & live[0, :, None] & live[0])
    graphs = len(live)
    return np.repeat(np.arange(graphs), len(i)), np.tile(i, graphs), np.tile(j, graphs)


def _mix(x: _HashArray) -> _HashArray:
    """The finaliser of splitmix64 (Steele et al. 2014): spreads every input bit over the output."""
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def refine(labels: _HashArray, adjacency: BoolArray, rounds: int) -> list[_HashArray]:
    """Weisfeiler-Lehman labels of the live nodes after 0..rounds rounds, each (B, n); dead nodes are 0.

    A node's new label hashes its own one with the multisets of its predecessors' and of its successors'. Sums of
    mixed 64-bit labels stand for multisets.
    """
    live = live_nodes(labels, adjacency)
    return list(itertools.islice(_refined(labels, adjacency, live), rounds + 1))


def _refined(labels: _HashArray, adjacency: BoolArray, live: BoolArray) -> Iterator[_HashArray]:
    """The labels of `refine` round by round, without end."""
    graph, i, j = _live_edges(adjacency, live)
    source, target = graph * labels.shape[1] + i, graph * labels.shape[1] + j
    current = np.where(live, _mix(labels + np.uint64(1)), np.uint64(0))
    while True:
        yield current
        sent = _mix(current + np.uint64(2)).ravel()
        received = _mix(_sums(sent[source], target, live.shape) + np.uint64(3))
        returned = _mix(_sums(sent[target], source, live.shape) + np.uint64(5))
        mixed = _mix(current * np.uint64(3) + received + returned * np.uint64(7))
        current = np.where(live, mixed, np.uint64(0))


def _sums(values: _HashArray, place: npt.NDArray[np.int64], shape: tuple[int, ...]) -> _HashArray:
    """Sums modulo 2^64 of the values (E,) that share a place."""
    sums: _HashArray = np.zeros(shape, dtype=np.uint64)
    np.add.at(sums.reshape(-1), place, values)
    return sums


def final_labels(labels: _HashArray, adjacency: BoolArray) -> _HashArray:
    """Weisfeiler-Lehman labels (B, n) after as many rounds as the graph has live nodes; dead nodes are 0."""
    live = live_nodes(labels, adjacency)
    size = live.sum(1)
    final = np.empty(labels.shape, dtype=np.uint64)
    rounds = range(int(size.max(initial=0)) + 1)
    for number, current in zip(rounds, _refined(labels, adjacency, live), strict=False):
        final[size == number] = current[size == number]
    return final


def graph_keys(labels: _HashArray, adjacency: BoolArray) -> _HashArray:
    """Canonical keys (B,) uint64: equal for isomorphic graphs after pruning.

    Weisfeiler-Lehman refinement with as many rounds as the graph has live nodes; tests compare it with exact
    isomorphism, and on NAS-Bench-101 it separates all 423,624 cells.
    """
    final = final_labels(labels, adjacency)
    keys: _HashArray = _mix(final).sum(1, where=final != 0, dtype=np.uint64)
    return keys


def canonical_keys(architectures: Sequence[Architecture]) -> _HashArray:
    """`Architecture.key` of many, as numbers (B,).

    Graphs of different sizes share a batch: smaller ones are filled up with nodes of no label, which are dead.
    """
    n = max((len(a.nodes) for a in architectures), default=1)
    size = max(1, _BATCH_ENTRIES // n**2)
    batches = (architectures[k : k + size] for k in range(0, len(architectures), size))
    keys = [graph_keys(*_padded(batch, n)) for batch in batches]
    return np.concatenate([np.empty(0, dtype=np.uint64), *keys])


def _padded(architectures: Sequence[Architecture], n: int) -> tuple[_HashArray, BoolArray]:
    """Hashes of labels (B, n) and adjacency (B, n, n)."""
    labels = np.zeros((len(architectures), n), dtype=np.uint64)
    adjacency = np.zeros((len(architectures), n, n), dtype=bool)
    for row, a in enumerate(architectures):
        labels[row, : len(a.nodes)] = label_hashes(a.nodes)
        for i, j in a.edges:
            adjacency[row, i, j] = True
    return labels, adjacency
