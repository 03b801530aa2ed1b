"""Cells with an operation on every edge of a fixed DAG (NAS-Bench-201, Dong and Yang 2020)."""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.core.validation import check_count
from optuna_agnet.spaces.base import Decision, SearchSpace
from optuna_agnet.spaces.graphs import Graphs, edge_endpoints
from optuna_agnet.spaces.operations import (
    all_operations,
    in_order,
    operation_table,
    operations_by_place,
)

_FIRST_OP = 2  # node types are (output, input, *ops)


class EdgeCell(SearchSpace):
    """Every pair of nodes i < j is joined by one operation; a node sums what arrives.

    Its graph is the line graph: one graph node an operation, in the order 0>1, 0>2, 1>2, 0>3, ..., between an input and
    an output; its edges are the same in all architectures. Every combination of choices is valid. An operation named
    "none" carries nothing.

    Args:
        nodes: Number of nodes of the cell, at least 2; the first is the input, the last the output.
        ops: Names of the operations.
        edge_ops: Operations of single edges in the place of ``ops``: ``{(0, 3): ("skip", "conv")}``; a single one is
            the edge's in all cells, ``{(0, 3): ("none",)}`` takes the edge away.
        name: Short name of the space.

    Raises:
        ValueError: The arguments can't make at least two different cells, or ``edge_ops`` names no edge of the cell.
        TypeError: ``edge_ops`` is no mapping.

    Example:
        >>> space = EdgeCell(nodes=3, ops=("conv", "pool", "none"))
        >>> arch = space.from_params({"op_0_1": "conv", "op_0_2": "none", "op_1_2": "pool"})
        >>> str(arch)
        '|conv~0|+|none~0|pool~1|'
        >>> space.parse(str(arch)) == arch
        True

        An edge with operations of its own:

        >>> space = EdgeCell(
        ...     nodes=3, ops=("conv", "pool", "none"), edge_ops={(0, 2): ("skip", "none")}
        ... )
        >>> space.num_architectures
        18
    """

    def __init__(
        self,
        nodes: int = 4,
        ops: Sequence[str] = (),
        *,
        edge_ops: Mapping[tuple[int, int], Sequence[str]] | None = None,
        name: str = "edge_cell",
    ) -> None:
        self.nodes = check_count("nodes", nodes, 2)
        self._sources, self._targets = edge_endpoints(self.nodes)
        pairs = list(zip(self._sources.tolist(), self._targets.tolist(), strict=True))
        by_edge = operations_by_place(pairs, ops, edge_ops, "edge_ops")
        self._common_ops, self.edge_ops = tuple(ops), in_order(edge_ops)
        table = operation_table(by_edge)
        self._types = np.where(table < 0, -1, table + _FIRST_OP)  # (D, K) of each edge's choices
        super().__init__(
            name,
            decisions=[
                Decision(f"op_{i}_{j}", own) for (i, j), own in zip(pairs, by_edge, strict=True)
            ],
            operations=all_operations(by_edge),
            num_nodes=len(pairs) + 2,
        )
        if self.num_combinations < 2:
            raise ValueError(f"{self!r} holds a single cell: give it more operations or nodes")
        self._adjacency = self._line_graph(pairs)
        graph_sources, graph_targets = edge_endpoints(self.num_nodes)
        self._edges = self._adjacency[graph_sources, graph_targets]
        listed = np.argwhere(self._adjacency).tolist()
        self._graph_edges = tuple((int(i), int(j)) for i, j in listed)

    def _line_graph(self, pairs: list[tuple[int, int]]) -> BoolArray:
        adjacency = np.zeros((self.num_nodes, self.num_nodes), dtype=bool)
        for a, (source, target) in enumerate(pairs, start=1):
            adjacency[0, a] = source == 0
            adjacency[a, -1] = target == self.nodes - 1
            for b, (next_source, _) in enumerate(pairs, start=1):
                adjacency[a, b] = target == next_source
        return adjacency

    def __repr__(self) -> str:
        own = f", edge_ops={self.edge_ops}" if self.edge_ops else ""
        return f"EdgeCell(nodes={self.nodes}, ops={self._common_ops}{own})"

    @property
    def allowed_types(self) -> BoolArray:
        allowed = np.zeros((self.num_nodes, len(self.node_types)), dtype=bool)
        allowed[0, 1] = allowed[-1, 0] = True
        edge, choice = np.nonzero(self._types >= 0)
        allowed[1 + edge, self._types[edge, choice]] = True
        return allowed

    @property
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        return self._edges.astype(np.int8)

    def encode(self, x: IntArray) -> Graphs:
        types = np.zeros((len(x), self.num_nodes), dtype=np.int64)
        types[:, 0] = 1
        types[:, 1:-1] = self._types[np.arange(len(self._types)), x]
        return Graphs(types, np.broadcast_to(self._edges, (len(x), len(self._edges))))

    def encode_dense(self, x: IntArray) -> tuple[IntArray, BoolArray]:
        types = self.encode(x).types
        return types, np.broadcast_to(self._adjacency, (len(x), *self._adjacency.shape))

    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        same = graphs.types[:, 1:-1, None] == self._types  # (B, D, K)
        valid = (
            same.any(2).all(1) & (graphs.types[:, 0] == 1) & (graphs.edges == self._edges).all(1)
        )
        return same.argmax(2), valid

    def parse(self, text: str) -> Architecture:
        text = text.strip()
        found = re.findall(r"([^|~+]+)~", text)
        with suppress(ValueError):  # other operations, or another number of them
            architecture = self._architecture(np.array(self._chosen(found), dtype=np.int64))
            if architecture.text == text:
                return architecture
        raise ValueError(
            f"'{text}' is no cell of {self!r}; such a cell reads '{self.random_architecture(0)}'"
        )

    def _architecture(self, row: IntArray) -> Architecture:
        chosen = [str(d.choices[int(k)]) for d, k in zip(self.decisions, row, strict=True)]
        into = [
            "".join(
                f"|{op}~{i}"
                for op, i, j in zip(chosen, self._sources, self._targets, strict=True)
                if j == node
            )
            for node in range(1, self.nodes)
        ]
        return Architecture(
            ("input", *chosen, "output"), self._graph_edges, "+".join(f"{part}|" for part in into)
        )

    def _row(self, architecture: Architecture) -> Sequence[int]:
        if set(architecture.edges) != set(self._graph_edges):
            raise ValueError("edges differ")
        return self._chosen(architecture.nodes[1:-1])

    def _chosen(self, ops: Sequence[str]) -> list[int]:
        return [d.choices.index(op) for d, op in zip(self.decisions, ops, strict=True)]
