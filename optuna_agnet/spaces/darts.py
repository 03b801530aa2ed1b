"""Cells whose nodes pick two predecessors and an operation for each (DARTS, Liu et al. 2019; NAS-Bench-301)."""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.core.validation import check_count
from optuna_agnet.spaces.base import Decision, SearchSpace
from optuna_agnet.spaces.checks import check_operations
from optuna_agnet.spaces.graphs import (
    Graphs,
    edge_endpoints,
    edge_position,
    num_edges,
    to_adjacency,
)

PREVIOUS = "previous cell"
SUM = "node sum"
OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""DARTS's own without `none`, which no derived cell holds; as in NAS-Bench-301."""

_OUTPUT, _INPUT, _FIRST_OP = 0, 1, 2  # node types are (output, input, *ops, PREVIOUS, SUM)


class DartsCell(SearchSpace):
    """Intermediate nodes that each sum two operations on two different predecessors; the output concatenates them all.

    Sources are numbered as in genotypes: 0 and 1 are the outputs of the cell before the previous one and of the
    previous one, 2, 3, ... the intermediate nodes. Decisions of intermediate node i are its pair of sources
    (``node_i_inputs``: "0_1", "0_2", ...; node 2 has one pair only) and the operations on the first and second of them
    (``node_i_op_0``, ``node_i_op_1``). Every combination of choices is valid.

    Its graph: input (source 0) and `PREVIOUS` (source 1, behind source 0 as it is in a network), then for each
    intermediate node both operations and their `SUM`, at last the output. Sums keep apart cells that pair the same
    operations otherwise.

    Args:
        nodes: Number of intermediate nodes.
        ops: Names of the operations.
        name: Short name of the space.

    Raises:
        ValueError: ``nodes`` or ``ops`` can't make at least two different cells.

    Example:
        >>> space = DartsCell(nodes=2)
        >>> arch = space.parse(
        ...     "[('skip_connect', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 2), ('skip_connect', 0)]"
        ... )
        >>> space.to_params(arch)["node_3_inputs"], space.to_params(arch)["node_3_op_1"]
        ('0_2', 'max_pool_3x3')
    """

    def __init__(
        self, nodes: int = 4, ops: Sequence[str] = OPERATIONS, *, name: str = "darts_cell"
    ) -> None:
        self.nodes = check_count("nodes", nodes, 1)
        operations = check_operations(ops)
        low, high = edge_endpoints(self.nodes + 1)  # all pairs; those of a node are the first ones
        self._pairs = np.stack([low, high], 1)  # (P, 2)
        names = [f"{a}_{b}" for a, b in self._pairs.tolist()]
        decisions = []
        for node in range(2, self.nodes + 2):
            decisions.append(Decision(f"node_{node}_inputs", tuple(names[: num_edges(node)])))
            decisions += [Decision(f"node_{node}_op_{k}", operations) for k in (0, 1)]
        super().__init__(
            name, decisions, operations, num_nodes=3 * self.nodes + 3, structure=(PREVIOUS, SUM)
        )
        if self.num_combinations < 2:
            raise ValueError(f"{self!r} holds a single cell: give it more operations or nodes")
        self._place_of_source = np.array([0, 1, *range(4, self.num_nodes - 1, 3)])  # graph nodes
        self._place_of_op = np.arange(2, self.num_nodes - 1).reshape(-1, 3)[:, :2]  # (nodes, 2)
        self._skeleton = self._shared_edges()  # (n, n)
        self._template = np.full(self.num_nodes, len(self.node_types) - 1)  # (n,) types
        self._template[[0, 1, -1]] = _INPUT, len(self.node_types) - 2, _OUTPUT

    def __repr__(self) -> str:
        return f"DartsCell(nodes={self.nodes}, ops={self.ops})"

    def _shared_edges(self) -> BoolArray:
        """The edges of every cell, which are all but those from sources to operations."""
        shared = np.zeros((self.num_nodes, self.num_nodes), dtype=bool)
        shared[0, 1] = True
        for total in self._place_of_source[2:]:
            shared[[total - 2, total - 1], total] = shared[total, -1] = True
        return shared

    @property
    def concat(self) -> tuple[str, str]:
        """How genotypes say which nodes the output concatenates, which is all of them: the first is what we write."""
        return f"range(2, {self.nodes + 2})", str(list(range(2, self.nodes + 2)))

    @property
    def allowed_types(self) -> BoolArray:
        allowed = np.zeros((self.num_nodes, len(self.node_types)), dtype=bool)
        allowed[0, _INPUT] = allowed[-1, _OUTPUT] = allowed[1, -2] = True
        allowed[self._place_of_source[2:], -1] = True
        allowed[self._place_of_op.ravel(), _FIRST_OP:-2] = True
        return allowed

    @property
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        fixed = self._skeleton.astype(np.int8)
        for node, (first, second) in enumerate(self._place_of_op):
            sources = self._place_of_source[: node + 2]
            fixed[sources[:-1], first] = -1  # the first of two sources is never the last one
            fixed[sources[1:], second] = -1
        fixed[[0, 1], self._place_of_op[0]] = 1
        sources, targets = edge_endpoints(self.num_nodes)
        return fixed[sources, targets]

    @property
    def in_degrees(self) -> npt.NDArray[np.int8]:
        degrees = super().in_degrees
        degrees[self._place_of_op[1:].ravel(), _FIRST_OP:-2] = 1
        return degrees

    @property
    def distinct_source_of(self) -> IntArray:
        distinct_source_of = super().distinct_source_of
        distinct_source_of[self._place_of_op[1:, 1]] = self._place_of_op[1:, 0]
        return distinct_source_of

    def encode(self, x: IntArray) -> Graphs:
        each = x.reshape(len(x), self.nodes, 3)
        types = np.repeat(self._template[None], len(x), axis=0)
        types[:, self._place_of_op] = each[:, :, 1:] + _FIRST_OP
        source = self._place_of_source[self._pairs[each[:, :, 0]]]  # (B, nodes, 2)
        adjacency = np.repeat(self._skeleton[None], len(x), axis=0)
        adjacency[np.arange(len(x))[:, None, None], source, self._place_of_op] = True
        sources, targets = edge_endpoints(self.num_nodes)
        return Graphs(types, adjacency[:, sources, targets])

    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        free = np.s_[:, self._place_of_source[:-1, None, None], self._place_of_op]
        number = np.arange(2, self.nodes + 2)  # of a node, which is how many sources it has
        before = np.arange(self.nodes + 1)[:, None, None] < number[:, None]
        adjacency = to_adjacency(graphs.edges, self.num_nodes)
        into = adjacency[free] & before  # (B, sources, nodes, 2)
        adjacency[free] &= ~before
        first, second = np.moveaxis(into.argmax(1), 2, 0)  # (B, nodes)
        valid = (into.sum(1) == 1).all((1, 2)) & (first != second).all(1)
        second = np.where(first == second, (first + 1) % number, second)
        low, high = np.minimum(first, second), np.maximum(first, second)
        pair = edge_position(low, high)[:, :, None]

        ops = graphs.types[:, self._place_of_op] - _FIRST_OP
        is_op = (ops >= 0) & (ops < len(self.ops))
        ops = np.where(is_op, ops, 0)
        ops = np.where((first > second)[:, :, None], ops[:, :, ::-1], ops)
        others = graphs.types == self._template
        others[:, self._place_of_op] = is_op
        valid &= (adjacency == self._skeleton).all((1, 2)) & others.all(1)
        return np.concatenate([pair, ops], 2).reshape(len(ops), 3 * self.nodes), valid

    def parse(self, text: str) -> Architecture:
        try:
            genotype = ast.literal_eval(text.strip())
            pairs = [(str(op), int(source)) for op, source in genotype]
        except (ValueError, SyntaxError, TypeError):
            raise ValueError(f"'{text}' {self._how_it_reads()}") from None
        if len(pairs) != 2 * self.nodes:
            raise ValueError(f"'{text}' has {len(pairs)} operations; it {self._how_it_reads()}")
        row: list[int] = []
        for node, (one, other) in enumerate(zip(pairs[::2], pairs[1::2], strict=True), start=2):
            row += self._node(node, *sorted([one, other], key=lambda pair: pair[1]))
        return self._architecture(np.array(row, dtype=np.int64))

    def _how_it_reads(self) -> str:
        return f'is no cell of {self!r}; such a cell reads "{self.random_architecture(0)}"'

    def _node(self, node: int, one: tuple[str, int], other: tuple[str, int]) -> list[int]:
        for op, source in (one, other):
            if op not in self.ops:
                raise ValueError(f"node {node} has operation {op!r}; known are {list(self.ops)}")
            if not 0 <= source < node:
                raise ValueError(
                    f"node {node} reads {source}; it can read 0 to {node - 1}:"
                    " 0 and 1 are the inputs, intermediate nodes start at 2"
                )
        low, high = one[1], other[1]
        if low == high:
            raise ValueError(f"node {node} reads {low} twice: give it two different predecessors")
        return [edge_position(low, high), self.ops.index(one[0]), self.ops.index(other[0])]

    def _architecture(self, row: IntArray) -> Architecture:
        graphs = self.encode(row[None])
        sources, targets = edge_endpoints(self.num_nodes)
        taken = graphs.edges[0]
        edges = tuple(zip(sources[taken].tolist(), targets[taken].tolist(), strict=True))
        genotype = []
        for pair, *ops in row.reshape(-1, 3).tolist():
            both = zip(ops, self._pairs[pair].tolist(), strict=True)
            genotype += [(self.ops[op], source) for op, source in both]
        return Architecture(
            tuple(self.node_types[t] for t in graphs.types[0]), edges, str(genotype)
        )

    def _row(self, architecture: Architecture) -> Sequence[int]:
        types = np.array([[self.node_types.index(label) for label in architecture.nodes]])
        if types.shape[1] != self.num_nodes:
            raise ValueError("the number of nodes differs")
        edges = np.zeros((1, num_edges(self.num_nodes)), dtype=bool)
        edges[0, [edge_position(s, t) for s, t in architecture.edges]] = True
        x, valid = self.decode(Graphs(types, edges))
        if not valid[0]:
            raise ValueError("no cell")
        return x[0].tolist()  # type: ignore[no-any-return]
