"""Cells with operations on the nodes of a free DAG under an edge limit (NAS-Bench-101, Ying et al. 2019)."""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import Architecture, label_hashes, live_nodes, refine
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.core.validation import check_count
from optuna_agnet.spaces.base import Decision, SearchSpace
from optuna_agnet.spaces.graphs import Graphs, edge_endpoints, edge_position, to_adjacency
from optuna_agnet.spaces.operations import (
    all_operations,
    in_order,
    operation_table,
    operations_by_place,
)
from optuna_agnet.spaces.ordering import canonical_order

_OUTPUT, _INPUT, _FIRST_OP = 0, 1, 2  # node types are (output, input, *ops)


class NodeCell(SearchSpace):
    """A DAG from an input to an output with at most ``max_nodes`` nodes and ``max_edges`` edges.

    Nodes that lie on no path from input to output are dropped, and edges are counted afterwards. Decisions are one
    operation an inner node (``op_1``, ...) and one flag a node pair (``edge_0_1``, ...), the output being the last
    node. The repaired form is canonical, the same for isomorphic cells: inner nodes in an order
    of their own at the front, unused decisions at their first choice. Where nodes have operations of their own, each
    is at the first place that has its operation; where that order does not fit these, the nodes keep their own.

    Repair of decisions that are not valid: an unreachable output is joined to the input; then, while there are too
    many edges, or too many to its target, the last one (in encoding order) that may go without cutting output from
    input goes.

    Args:
        max_nodes: Most nodes, input and output included; at least 3.
        max_edges: Most edges; default: no limit.
        ops: Names of the operations of the inner nodes.
        node_ops: Operations of single nodes, numbered from 1, in the place of ``ops``: ``{1: ("conv",)}``.
        max_in_degree: Most edges to an inner node; default: no limit. With 1 each takes one predecessor, which makes
            trees whose leaves the output joins: it takes any number.
        name: Short name of the space.

    Raises:
        ValueError: The arguments can't make at least two different cells, or ``node_ops`` names no inner node.
        TypeError: ``node_ops`` is no mapping.

    Example:
        >>> space = NodeCell(max_nodes=4, max_edges=4, ops=("conv", "pool"))
        >>> arch = space.parse("input,pool,conv,output 0>1 0>2 1>3 2>3")
        >>> space.to_params(arch)["op_2"], len(space.neighbors(space.choices([arch])))
        ('pool', 4)

        Trees that begin with a convolution:

        >>> space = NodeCell(
        ...     max_nodes=4, ops=("conv", "pool"), node_ops={1: ("conv",)}, max_in_degree=1
        ... )
        >>> space.is_valid(space.choices([space.parse("input,conv,pool,output 0>1 1>2 2>3")]))
        array([ True])
    """

    def __init__(
        self,
        max_nodes: int = 7,
        max_edges: int | None = None,
        ops: Sequence[str] = (),
        *,
        node_ops: Mapping[int, Sequence[str]] | None = None,
        max_in_degree: int | None = None,
        name: str = "node_cell",
    ) -> None:
        n = check_count("max_nodes", max_nodes, 3)
        by_node = operations_by_place(range(1, n - 1), ops, node_ops, "node_ops")
        self._common_ops, self.node_ops = tuple(ops), in_order(node_ops)
        self._op_of = operation_table(by_node)  # (n - 2, K)
        self.max_nodes = n
        self._sources, self._targets = edge_endpoints(n)
        self._op_hashes = label_hashes(all_operations(by_node))
        self.max_edges = (
            len(self._sources) if max_edges is None else check_count("max_edges", max_edges, 1)
        )
        most = n - 2  # predecessors that the last inner node may have
        limit = most if max_in_degree is None else check_count("max_in_degree", max_in_degree, 1)
        self.max_in_degree = min(limit, most)
        pairs = zip(self._sources.tolist(), self._targets.tolist(), strict=True)
        flags = [Decision(f"edge_{i}_{j}", (False, True)) for i, j in pairs]
        nodes = [Decision(f"op_{i}", own) for i, own in enumerate(by_node, start=1)]
        super().__init__(name, [*nodes, *flags], all_operations(by_node), num_nodes=n)
        self._choice_of = np.full((n - 2, len(self.ops)), -1)  # the reverse of _op_of
        node, choice = np.nonzero(self._op_of >= 0)
        self._choice_of[node, self._op_of[node, choice]] = choice
        if self.max_edges < 2:
            raise ValueError(f"{self!r} holds a single cell: give it max_edges of at least 2")

    def __repr__(self) -> str:
        more = f", node_ops={self.node_ops}" if self.node_ops else ""
        more += f", max_in_degree={self.max_in_degree}" if self._limits_in_degrees else ""
        return (
            f"NodeCell(max_nodes={self.max_nodes}, max_edges={self.max_edges},"
            f" ops={self._common_ops}{more})"
        )

    @property
    def _limits_in_degrees(self) -> bool:
        return self.max_in_degree < self.max_nodes - 2

    def _identity(self) -> list[object]:
        limit = [self.max_in_degree] * self._limits_in_degrees
        return [*super()._identity(), self.max_edges, *limit]

    @property
    def allowed_types(self) -> BoolArray:
        allowed = np.zeros((self.num_nodes, len(self.node_types)), dtype=bool)
        allowed[0, _INPUT] = True
        allowed[1:, _OUTPUT] = True
        later = (self._choice_of >= 0)[::-1].cumsum(0)[::-1] > 0  # nodes are packed to the front
        allowed[1:-1, _FIRST_OP:] = later
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
        broken = ~self._is_cell(pruned)
        if broken.any():
            pruned[broken] = self._repaired(adjacency[broken])
        return self._packed(self._ops(x), pruned)[0]

    def _ops(self, x: IntArray) -> IntArray:
        """The operations (B, n - 2) of the nodes, as numbers in ``ops``."""
        return np.asarray(self._op_of[np.arange(len(self._op_of)), x[:, : self.num_nodes - 2]])

    def encode(self, x: IntArray) -> Graphs:
        n, rows = self.num_nodes, np.arange(len(x))
        adjacency = self._adjacency(x)
        moved = np.tile(np.arange(n), (len(x), 1))  # (B, n): nodes, the used ones at the front
        moved[:, 1:-1] = _used_first(adjacency)
        used = adjacency[:, 1:-1].any(2).sum(1)
        moved[rows, used + 1] = n - 1
        live = np.arange(n) <= used[:, None] + 1
        graph = _permuted(adjacency, moved) & live[:, :, None] & live[:, None, :]
        types = np.take_along_axis(np.pad(self._ops(x) + _FIRST_OP, ((0, 0), (1, 1))), moved, 1)
        types = np.where(live, types, _OUTPUT)
        types[:, 0], types[rows, used + 1] = _INPUT, _OUTPUT
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
        if self._limits_in_degrees:
            adjacency = self._limited(adjacency, inner)
        pruned = self._pruned(adjacency)
        ops = np.maximum(graphs.types[:, 1:-1] - _FIRST_OP, 0)
        valid: BoolArray = clean & self._is_cell(pruned)
        if not valid.all():
            pruned[~valid] = self._repaired(adjacency[~valid])
        x, fits = self._packed(ops, pruned)
        if not fits.all():  # what its place does not have becomes the first that it has
            places, own = np.arange(n - 2), ops[~fits]
            own = np.where(self._choice_of[places, own] < 0, self._op_of[:, 0], own)
            x[~fits] = self._packed(own, pruned[~fits])[0]
        return x, valid & fits

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
        given a random predecessor and successor where it has none. With a limit on in-degrees, further predecessors go
        at random, and the successor is the output.
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
        adjacency = _completed(adjacency, possible, 1, rng)  # a predecessor each
        if self._limits_in_degrees:
            adjacency = _thinned(adjacency, self.max_in_degree, rng)
            possible &= nodes == size - 1
        adjacency = _completed(adjacency, possible, 2, rng)  # a successor each
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
        row, places = [0] * len(self.decisions), [0]
        for op in architecture.nodes[1:-1]:
            place = places[-1]  # of the node before; column of the next one
            while op not in self.decisions[place].choices:
                place += 1
            row[place] = self.decisions[place].choices.index(op)
            places.append(place + 1)
        places.append(self.num_nodes - 1)
        for i, j in architecture.edges:
            row[self.num_nodes - 2 + edge_position(places[i], places[j])] = 1
        return row

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
        if self._limits_in_degrees:
            is_cell &= (pruned[:, :, 1:-1].sum(1) <= self.max_in_degree).all(1)
        return is_cell

    def _limited(self, adjacency: BoolArray, inner: BoolArray) -> BoolArray:
        """Drawn graphs (B, n, n) as cells of a limited in-degree; ``inner`` (B, n): the nodes before the output.

        Of too many sources the first ones stay, as in `repair`, and what no node reads is joined to the output, which
        takes any number. So all drawings are cells that keep the limit, and each such cell is a drawing of itself.
        """
        limited: BoolArray = adjacency.copy()
        limited[:, :, 1:-1] &= adjacency[:, :, 1:-1].cumsum(1) <= self.max_in_degree
        limited[:, :, -1] |= inner & ~limited[:, :, :-1].any(2)
        return limited

    def _repaired(self, adjacency: BoolArray) -> BoolArray:
        adjacency = adjacency.copy()
        adjacency[:, 0, -1] |= ~self._pruned(adjacency)[:, 0].any(1)
        pruned = self._pruned(adjacency)
        for source, target in zip(self._sources[::-1], self._targets[::-1], strict=True):
            without = pruned.copy()
            without[:, source, target] = False
            without = self._pruned(without)
            most = self.max_in_degree if target < self.num_nodes - 1 else self.num_nodes
            many = (pruned.sum((1, 2)) > self.max_edges) | (pruned[:, :, target].sum(1) > most)
            drop = many & without[:, 0].any(1)
            pruned = np.where(drop[:, None, None], without, pruned)
        longer = pruned.sum((1, 2)) > self.max_edges  # a single path, longer than the limit
        pruned[longer] = False
        pruned[longer, 0, -1] = True
        return pruned

    def _packed(self, ops: IntArray, pruned: BoolArray) -> tuple[IntArray, BoolArray]:
        """Rows (B, D) of graphs with operations (B, n - 2); False (B,) where these don't fit the nodes."""
        used = pruned[:, 1:-1].any(2).sum(1)
        order, fits = self._placed(ops, self._canonical(ops, pruned), used)
        if not fits.all():
            own, fits_own = self._placed(ops[~fits], _used_first(pruned[~fits]), used[~fits])
            order[~fits], fits[~fits] = own, fits_own
        live = np.take_along_axis(pruned.any(2), order, 1)
        placed = self._choice_of[np.arange(order.shape[1]), np.take_along_axis(ops, order - 1, 1)]
        order = np.pad(order, ((0, 0), (1, 1)))
        order[:, -1] = self.num_nodes - 1
        flags = _permuted(pruned, order)[:, self._sources, self._targets]
        x = np.concatenate([np.where(live, placed, 0), flags.astype(np.int64)], axis=1)
        return x, fits

    def _canonical(self, ops: IntArray, pruned: BoolArray) -> IntArray:
        """The canonical order (B, n - 2) of the inner nodes, unused ones last."""
        labels = np.pad(self._op_hashes[ops], ((0, 0), (1, 1)))
        labels[:, 0], labels[:, -1] = label_hashes(("input", "output"))
        hashes = refine(labels, pruned, self.num_nodes)[-1]
        live = np.any(pruned, axis=2)
        return canonical_order(pruned[:, :-1, :-1], live[:, :-1], hashes[:, :-1])[:, 1:]

    def _placed(self, ops: IntArray, order: IntArray, used: IntArray) -> tuple[IntArray, BoolArray]:
        """Which node is in each place (B, n - 2), when all come in an order and each as early as may be.

        Unused ones are where none is, and it is False (B,) where some find no place.
        """
        rows, turn = np.arange(len(ops)), np.zeros(len(ops), dtype=np.int64)
        placed = np.repeat(order[:, -1:], order.shape[1], 1)
        for place, choices in enumerate(self._choice_of):
            node = order[rows, np.minimum(turn, order.shape[1] - 1)]
            takes = (turn < used) & (choices[ops[rows, node - 1]] >= 0)
            placed[takes, place] = node[takes]
            turn += takes
        return placed, turn == used


def _used_first(pruned: BoolArray) -> IntArray:
    """The inner nodes (B, n - 2) in their own order, unused ones last."""
    return np.argsort(~pruned[:, 1:-1].any(2), axis=1, kind="stable") + 1


def _completed(
    adjacency: BoolArray, possible: BoolArray, axis: int, rng: np.random.Generator
) -> BoolArray:
    """A random predecessor (axis 1) or successor (axis 2) for each node that has none."""
    luck = np.where(possible, rng.random(possible.shape), 0)
    lacking = ~adjacency.any(axis, keepdims=True)
    completed: BoolArray = adjacency | (
        possible & (luck == luck.max(axis, keepdims=True)) & lacking
    )
    return completed


def _thinned(adjacency: BoolArray, most: int, rng: np.random.Generator) -> BoolArray:
    """At most so many random ones of the edges to each node."""
    luck = np.where(adjacency, rng.random(adjacency.shape), 0)
    rank = (-luck).argsort(1).argsort(1)
    thinned: BoolArray = adjacency & (rank < most)
    return thinned


def _permuted(adjacency: BoolArray, order: IntArray) -> BoolArray:
    """Adjacency (B, n, n) whose node i is the old node ``order[b, i]``."""
    rows = np.take_along_axis(adjacency, order[:, :, None], 1)
    return np.take_along_axis(rows, order[:, None, :], 2)
