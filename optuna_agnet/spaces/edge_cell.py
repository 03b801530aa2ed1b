"""Cells with an operation on every edge of a fixed DAG (NAS-Bench-201, Dong and Yang 2020)."""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.core.validation import check_count
from optuna_agnet.spaces.base import Decision, SearchSpace, check_operations
from optuna_agnet.spaces.graphs import Graphs, edge_endpoints

_FIRST_OP = 2  # node types are (output, input, *ops)


class EdgeCell(SearchSpace):
    """Every pair of nodes i < j is joined by one operation; a node sums what arrives.

    Its graph is the line graph: one graph node an operation, in the order 0>1, 0>2, 1>2, 0>3, ..., between an input and
    an output; its edges are the same in all architectures. Every combination of choices is valid. An operation named
    "none" carries nothing.

    Args:
        nodes: Number of nodes of the cell, at least 2; the first is the input, the last the output.
        ops: Names of the operations.
        name: Short name of the space.

    Raises:
        ValueError: ``nodes`` or ``ops`` can't make at least two different cells.

    Example:
        >>> space = EdgeCell(nodes=3, ops=("conv", "pool", "none"))
        >>> arch = space.from_params({"op_0_1": "conv", "op_0_2": "none", "op_1_2": "pool"})
        >>> str(arch)
        '|conv~0|+|none~0|pool~1|'
        >>> space.parse(str(arch)) == arch
        True
    """

    def __init__(self, nodes: int = 4, ops: Sequence[str] = (), *, name: str = "edge_cell") -> None:
        self.nodes = check_count("nodes", nodes, 2)
        operations = check_operations(ops)
        self._sources, self._targets = edge_endpoints(self.nodes)
        pairs = list(zip(self._sources.tolist(), self._targets.tolist(), strict=True))
        super().__init__(
            name,
            decisions=[Decision(f"op_{i}_{j}", operations) for i, j in pairs],
            operations=operations,
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
        return f"EdgeCell(nodes={self.nodes}, ops={self.ops})"

    @property
    def allowed_types(self) -> BoolArray:
        allowed = np.zeros((self.num_nodes, len(self.node_types)), dtype=bool)
        allowed[0, 1] = allowed[-1, 0] = True
        allowed[1:-1, _FIRST_OP:] = True
        return allowed

    @property
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        return self._edges.astype(np.int8)

    def encode(self, x: IntArray) -> Graphs:
        types = np.zeros((len(x), self.num_nodes), dtype=np.int64)
        types[:, 0] = 1
        types[:, 1:-1] = x + _FIRST_OP
        return Graphs(types, np.broadcast_to(self._edges, (len(x), len(self._edges))))

    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        inner = graphs.types[:, 1:-1] - _FIRST_OP
        valid = (
            (inner >= 0).all(1) & (graphs.types[:, 0] == 1) & (graphs.edges == self._edges).all(1)
        )
        return np.maximum(inner, 0), valid

    def parse(self, text: str) -> Architecture:
        text = text.strip()
        found = re.findall(r"([^|~+]+)~", text)
        if len(found) == len(self.decisions) and set(found) <= set(self.ops):
            row = np.array([self.ops.index(op) for op in found], dtype=np.int64)
            architecture = self._architecture(row)
            if architecture.text == text:
                return architecture
        raise ValueError(
            f"'{text}' is no cell of {self!r}; such a cell reads '{self.random_architecture(0)}'"
        )

    def _architecture(self, row: IntArray) -> Architecture:
        chosen = [self.ops[int(k)] for k in row]
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
        return [self.ops.index(op) for op in architecture.nodes[1:-1]]
