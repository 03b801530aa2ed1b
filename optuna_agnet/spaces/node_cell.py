"""Cells with operations on the nodes of a free DAG under an edge limit (NAS-Bench-101, Ying et al. 2019)."""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import Architecture, label_hashes, live_nodes, refine
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.core.validation import check_count
from optuna_agnet.spaces.base import Decision, SearchSpace, check_operations
from optuna_agnet.spaces.graphs import Graphs, edge_endpoints, edge_position, to_adjacency
from optuna_agnet.spaces.ordering import canonical_order

_OUTPUT, _INPUT, _FIRST_OP = 0, 1, 2  # node types are (output, input, *ops)


class NodeCell(SearchSpace):
    """A DAG from an input to an output with at most ``max_nodes`` nodes and ``max_edges`` edges.

    Nodes that lie on no path from input to output are dropped, and edges are counted afterwards. Decisions are one
    operation an inner node (``op_1``, ...) and one flag a node pair (``edge_0_1``, ...), the output being the last
    node. The repaired form is canonical, the same for isomorphic cells: inner nodes in an order
    of their own at the front, unused decisions at their first choice.

    Repair of decisions that are not valid: an unreachable output is joined to the input; then, while there are too
    many edges, the last one (in encoding order) that may go without cutting output from input goes.

    Args:
        max_nodes: Most nodes, input and output included; at least 3.
        max_edges: Most edges; default: no limit.
        ops: Names of the operations of the inner nodes.
        name: Short name of the space.

    Raises:
        ValueError: The arguments can't make at least two different cells.

    Example:
        >>> space = NodeCell(max_nodes=4, max_edges=4, ops=("conv", "pool"))
        >>> arch = space.parse("input,pool,conv,output 0>1 0>2 1>3 2>3")
        >>> space.to_params(arch)["op_2"], len(space.neighbors(space.choices([arch])))
        ('pool', 4)
    """

    def __init__(
        self,
        max_nodes: int = 7,
        max_edges: int | None = None,
        ops: Sequence[str] = (),
        *,
        name: str = "node_cell",
    ) -> None:
        n = check_count("max_nodes", max_nodes, 3)
        operations = check_operations(ops)
        self.max_nodes = n
        self._sources, self._targets = edge_endpoints(n)
        self._op_hashes = label_hashes(operations)
        self.max_edges = (
            len(self._sources) if max_edges is None else check_count("max_edges", max_edges, 1)
        )
        pairs = zip(self._sources.tolist(), self._targets.tolist(), strict=True)
        flags = [Decision(f"edge_{i}_{j}", (False, True)) for i, j in pairs]
        nodes = [Decision(f"op_{i}", operations) for i in range(1, n - 1)]
        super().__init__(name, [*nodes, *flags], operations, num_nodes=n)
        if self.max_edges < 2:
            raise ValueError(f"{self!r} holds a single cell: give it max_edges of at least 2")

    def __repr__(self) -> str:
        return f"NodeCell(max_nodes={self.max_nodes}, max_edges={self.max_edges}, ops={self.ops})"

    def _identity(self) -> list[object]:
        return [*super()._identity(), self.max_edges]

    @property
    def allowed_types(self) -> BoolArray:
        allowed = np.zeros((self.num_nodes, len(self.node_types)), dtype=bool)
        allowed[0, _INPUT] = True
        allowed[1:, _OUTPUT] = True
        allowed[1:-1, _FIRST_OP:] = True
        return allowed

    @property
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        fixed = np.full(len(self._sources), -1, dtype=np.int8)
        fixed[0] = 1  # packed, the second node can only hang on the first
        return fixed

    def is_valid(self, x: IntArray) -> BoolArray:
        return self._is_cell(self._pruned(self._adjacency(x)))

    def repair(self, x: IntArray) -> IntArray:
        adjacency = self._adjacency(x)
        pruned = self._pruned(adjacency)
        if not self._is_cell(pruned).all():
            pruned = self._repaired(adjacency)
        return self._packed(x[:, : self.num_nodes - 2], pruned)

    def encode(self, x: IntArray) -> Graphs:
        n = self.num_nodes
        adjacency = self._adjacency(x)
        used = adjacency[:, 1:-1].any(2).sum(1)  # inner nodes; they are packed to the front
        slot = np.arange(n)
        moved = np.where(
            slot <= used[:, None], slot, n - 2
        )  # (B, n): slot 1 + used takes the output
        moved[np.arange(len(x)), used + 1] = n - 1
        live = slot <= used[:, None] + 1
        graph = _permuted(adjacency, moved) & live[:, :, None] & live[:, None, :]
        types = np.where(
            slot <= used[:, None], np.pad(x[:, : n - 2] + _FIRST_OP, ((0, 0), (1, 1))), _OUTPUT
        )
        types[:, 0] = _INPUT
        return Graphs(types, graph[:, self._sources, self._targets])

    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        n, rows = self.num_nodes, np.arange(len(graphs.types))
        is_output = graphs.types == _OUTPUT
        # The last node is forced to be the output (docs/released_code.md, sec. 2).
        is_output[:, 0], is_output[:, -1] = False, True
        end = is_output.argmax(1)  # nodes after the first output are cut
        moved = np.tile(np.arange(n), (len(rows), 1))
        moved[:, -1], moved[rows, end] = end, n - 1
        inner = np.arange(n) < end[:, None]
        clean = ((graphs.types >= _FIRST_OP) | ~inner)[:, 1:].all(1) & (
            graphs.types[:, 0] == _INPUT
        )
        adjacency = to_adjacency(graphs.edges, n)
        last = adjacency[rows, :, end] & inner
        adjacency &= inner[:, :, None] & inner[:, None, :]
        adjacency[:, :, -1] = last
        pruned = self._pruned(adjacency)
        ops = np.maximum(graphs.types[:, 1:-1] - _FIRST_OP, 0)
        valid = clean & self._is_cell(pruned)
        if not valid.all():
            pruned = np.where(valid[:, None, None], pruned, self._repaired(adjacency))
        return self._packed(ops, pruned), valid

    def parse(self, text: str) -> Architecture:
        try:
            labels, _, arrows = text.strip().partition(" ")
            nodes = tuple(labels.split(","))
            edges = tuple(
                (int(i), int(j)) for i, j in (arrow.split(">") for arrow in arrows.split())
            )
            row = np.array(self._row(Architecture(nodes, edges)), dtype=np.int64)[None]
            if nodes[0] != "input" or nodes[-1] != "output" or not self.is_valid(row)[0]:
                raise ValueError
        except (ValueError, IndexError):
            raise ValueError(
                f"'{text}' is no cell of {self!r}; one reads '{self.random_architecture(0)}'"
            ) from None
        return self._architecture(self.repair(row)[0])

    def _draw(self, n: int, rng: np.random.Generator) -> IntArray:
        """Cells whose nodes are all in use, close to uniform over graphs: some have a node less, few two less.

        Independent flags would mostly make small cells, as nodes without a successor are pruned; so every node is
        given a random predecessor and successor where it has none.
        """
        x = super()._draw(n, rng)
        size, nodes = self.num_nodes, np.arange(self.num_nodes)
        unused = np.minimum(rng.geometric(0.94, size=n) - 1, size - 2)
        used = (nodes < size - 1 - unused[:, None]) | (nodes == size - 1)  # (B, n)
        possible = (
            used[:, :, None] & used[:, None, :] & np.triu(np.ones((size, size), dtype=bool), 1)
        )
        share = min(
            0.5, 0.9 * self.max_edges / len(self._sources)
        )  # so that most draws keep the limit
        adjacency = possible & (rng.random((n, size, size)) < share)
        for axis in (1, 2):  # a predecessor each, then a successor each
            luck = np.where(possible, rng.random((n, size, size)), 0)
            lacking = (
                possible
                & (luck == luck.max(axis, keepdims=True))
                & ~adjacency.any(axis, keepdims=True)
            )
            adjacency |= lacking
        x[:, size - 2 :] = adjacency[:, self._sources, self._targets]
        return x

    def _architecture(self, row: IntArray) -> Architecture:
        graphs = self.encode(row[None])
        size = int((graphs.types[0] != _OUTPUT).sum()) + 1
        taken = np.flatnonzero(graphs.edges[0])
        edges = tuple((int(self._sources[e]), int(self._targets[e])) for e in taken)
        nodes = tuple(self.node_types[t] for t in graphs.types[0, :size])
        return Architecture(nodes, edges)

    def _row(self, architecture: Architecture) -> Sequence[int]:
        n, k = self.num_nodes, len(architecture.nodes)
        if k > n:
            raise ValueError("too many nodes")
        ops = [self.ops.index(op) for op in architecture.nodes[1:-1]]
        flags = [0] * len(self._sources)
        for i, j in architecture.edges:
            target = n - 1 if j == k - 1 else j
            flags[edge_position(i, target)] = 1
        return [*ops, *[0] * (n - k), *flags]

    # -- graphs with the output as last node, (B, n, n) ------------------------------------------------------------

    def _adjacency(self, x: IntArray) -> BoolArray:
        return to_adjacency(x[:, self.num_nodes - 2 :].astype(bool), self.num_nodes)

    def _pruned(self, adjacency: BoolArray) -> BoolArray:
        labels = np.ones(adjacency.shape[:2], dtype=np.uint64)
        labels[:, -1] = label_hashes(("output",))
        live = live_nodes(labels, adjacency)
        return adjacency & live[:, :, None] & live[:, None, :]

    def _is_cell(self, pruned: BoolArray) -> BoolArray:
        is_cell: BoolArray = (pruned.sum((1, 2)) <= self.max_edges) & pruned[:, 0].any(1)
        return is_cell

    def _repaired(self, adjacency: BoolArray) -> BoolArray:
        adjacency = adjacency.copy()
        adjacency[:, 0, -1] |= ~self._pruned(adjacency)[:, 0].any(1)
        pruned = self._pruned(adjacency)
        for source, target in zip(self._sources[::-1], self._targets[::-1], strict=True):
            without = pruned.copy()
            without[:, source, target] = False
            without = self._pruned(without)
            drop = (pruned.sum((1, 2)) > self.max_edges) & without[:, 0].any(1)
            pruned = np.where(drop[:, None, None], without, pruned)
        longer = pruned.sum((1, 2)) > self.max_edges  # a single path, longer than the limit
        pruned[longer] = False
        pruned[longer, 0, -1] = True
        return pruned

    def _packed(self, ops: IntArray, pruned: BoolArray) -> IntArray:
        order = self._order(ops, pruned)
        inner = order[:, 1:-1]
        live = np.take_along_axis(pruned.any(2), inner, 1)
        packed_ops = np.where(live, np.take_along_axis(ops, inner - 1, 1), 0)
        flags = _permuted(pruned, order)[:, self._sources, self._targets]
        return np.concatenate([packed_ops, flags.astype(np.int64)], axis=1)

    def _order(self, ops: IntArray, pruned: BoolArray) -> IntArray:
        """The canonical order (B, n) of the nodes: the input first, the output last, unused ones before it."""
        labels = np.pad(self._op_hashes[ops], ((0, 0), (1, 1)))
        labels[:, 0], labels[:, -1] = label_hashes(("input", "output"))
        hashes = refine(labels, pruned, self.num_nodes)[-1]
        live = np.any(pruned, axis=2)
        order = canonical_order(pruned[:, :-1, :-1], live[:, :-1], hashes[:, :-1])
        return np.pad(order, ((0, 0), (0, 1)), constant_values=self.num_nodes - 1)


def _permuted(adjacency: BoolArray, order: IntArray) -> BoolArray:
    """Adjacency (B, n, n) whose node i is the old node ``order[b, i]``."""
    rows = np.take_along_axis(adjacency, order[:, :, None], 1)
    return np.take_along_axis(rows, order[:, None, :], 2)
