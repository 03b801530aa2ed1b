"""Recurrent cells written as recipes (NAS-Bench-NLP, Klyuchnikov et al. 2020)."""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import (
    INPUT,
    NONE,
    OUTPUT,
    Architecture,
    final_labels,
    label_hashes,
)
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.core.validation import check_count
from optuna_agnet.spaces.base import Decision, SearchSpace
from optuna_agnet.spaces.graphs import Graphs, edge_endpoints, to_adjacency
from optuna_agnet.spaces.ordering import canonical_order
from optuna_agnet.spaces.recipes import REST, cells_of, read_recipe, recipe_of, write_recipe
from optuna_agnet.spaces.recurrent_repair import (
    ARITY,
    BLEND,
    BLEND_CODE,
    FIRST_NODE,
    LINEAR,
    OPERATIONS,
    STATES,
    Cells,
    resolved,
)

_ROLES = np.array(list(permutations(range(3))))  # (6, 3): gate, first, second as ranks of sources
_LABELS = (
    *(f"blend {gate}{one}{other}" for gate, one, other in _ROLES.tolist()),
    *(REST, NONE),
    *(f"h_prev_{j}" for j in range(STATES)),
    *(f"h_new_{j}" for j in range(STATES)),
)


class RecurrentCell(SearchSpace):
    """At most ``max_nodes`` nodes that compute up to three new hidden states from an input and the previous ones.

    A recipe is JSON, ``{"NODE": {"op": OPERATION, "input": [SOURCE, ...]}, ...}``; sources are ``x``, ``h_prev_0``, ...
    and other nodes, and the new states are the nodes ``h_new_0``, .... Operations are linear (two or three inputs, the
    only one that reads ``x``), blend (g, a, b: g a + (1 - g) b), product, sum, tanh, sigmoid and leaky ReLU. A node
    reads different sources, and ``x`` and ``h_prev_0`` are read.

    Decisions: the number of states (``states``), and for each node its operation (``node_i_op``, "none" for no node)
    and sources (``node_i_input_k``; those beyond the operation's number don't count), and the node of each new state
    (``state_j``). The repaired form is canonical, the same for isomorphic cells.

    Nodes that no state depends on go, and so do states but the first whose previous value nothing reads. Repair of
    decisions that are not valid: too few nodes are filled up with linear ones; a source that can't be read gives way to
    the next one that can, an operation without enough sources becomes linear; a cell that ignores ``x`` or ``h_prev_0``
    reads both in a linear node in the place of its first one.

    Its generated graph: input (``x``), previous states, nodes, new states, output; blend's label tells which of its
    sources, in the order of the graph, is which. Values split a blend in two nodes instead, `REST` for (1 - g) b.

    Args:
        max_nodes: Most nodes, at least 3; NAS-Bench-NLP has 24, its subset of surrogate benchmarks 12.
        name: Short name of the space.

    Raises:
        ValueError: ``max_nodes`` is no integer of at least 3.

    Example:
        >>> space = RecurrentCell(max_nodes=3)
        >>> arch = space.parse(
        ...     '{"i": {"op": "linear", "input": ["x", "h_prev_0"]},'
        ...     ' "h_new_0": {"op": "activation_tanh", "input": ["i"]}}'
        ... )
        >>> space.to_params(arch)["node_2_op"], arch.nodes
        ('activation_tanh', ('input', 'h_prev_0', 'linear_2', 'activation_tanh', 'h_new_0', 'output'))
    """

    def __init__(self, max_nodes: int = 24, *, name: str = "recurrent_cell") -> None:
        n = check_count("max_nodes", max_nodes, STATES)
        self.max_nodes = n
        nodes = [f"node_{i}" for i in range(1, n + 1)]
        sources = ["x", *(f"h_prev_{j}" for j in range(STATES)), *nodes]
        decisions = [Decision("states", tuple(str(j + 1) for j in range(STATES)))]
        for i, node in enumerate(nodes):
            decisions.append(Decision(f"{node}_op", (NONE, *OPERATIONS)))
            before = tuple(sources[: FIRST_NODE + i])
            decisions += [Decision(f"{node}_input_{k}", before) for k in range(3)]
        decisions += [Decision(f"state_{j}", tuple(nodes)) for j in range(STATES)]
        super().__init__(
            name,
            decisions,
            operations=tuple(OPERATIONS),
            num_nodes=FIRST_NODE + n + STATES + 1,
            structure=_LABELS,
        )
        self._type = {label: i for i, label in enumerate(self.node_types)}
        self._previous = np.array([self._type[f"h_prev_{j}"] for j in range(STATES)])
        self._new = np.array([self._type[f"h_new_{j}"] for j in range(STATES)])
        self._places = slice(FIRST_NODE, FIRST_NODE + n)  # of the nodes in the graph

    def __repr__(self) -> str:
        return f"RecurrentCell(max_nodes={self.max_nodes})"

    # -- structure -----------------------------------------------------------------------------------------------------

    @property
    def allowed_types(self) -> BoolArray:
        n = self.max_nodes
        allowed = np.zeros((self.num_nodes, len(self.node_types)), dtype=bool)
        allowed[0, self._type[INPUT]] = allowed[-1, self._type[OUTPUT]] = True
        nodes = allowed[self._places]
        nodes[:, [self._type[label] for label in (*OPERATIONS, *_LABELS[: len(_ROLES)])]] = True
        nodes[:, self._type[BLEND]] = False
        nodes[1:, self._type[NONE]] = True
        for j in range(STATES):
            allowed[1 + j, self._type[f"h_prev_{j}"]] = True
            allowed[1 + j, self._type[NONE]] = j > 0
            allowed[FIRST_NODE + n + j, self._type[f"h_new_{j}"]] = True
        return allowed

    @property
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        fixed = np.zeros((self.num_nodes, self.num_nodes), dtype=np.int8)
        fixed[: self._places.stop, self._places] = -1
        fixed[self._places, self._places.stop : -1] = -1
        fixed[0, 1:FIRST_NODE] = 1
        fixed[self._places.stop : -1, -1] = 1
        sources, targets = edge_endpoints(self.num_nodes)
        return fixed[sources, targets]

    @property
    def in_degrees(self) -> npt.NDArray[np.int8]:
        degrees = super().in_degrees
        nodes = degrees[self._places]
        for op, arity in zip(OPERATIONS, ARITY[1:], strict=True):
            nodes[:, self._type[op]] = arity
        nodes[:, [self._type[label] for label in _LABELS[: len(_ROLES)]]] = 3
        nodes[:, self._type[NONE]] = 0
        degrees[self._places.stop : -1] = 1
        return degrees

    @property
    def edge_allowed(self) -> BoolArray:
        edge_allowed = super().edge_allowed
        reads_x = [*(f"linear_{k}" for k in (2, 3)), *(f"h_prev_{j}" for j in range(STATES))]
        edge_allowed[self._type[INPUT]] = [label in reads_x for label in self.node_types]
        return edge_allowed

    @property
    def distinct_source_of(self) -> IntArray:
        distinct_source_of = super().distinct_source_of
        distinct_source_of[self._places.stop + 1 : -1] = np.arange(
            self._places.stop, self.num_nodes - 2
        )
        return distinct_source_of

    @property
    def must_be_read(self) -> BoolArray:
        must_be_read = super().must_be_read
        must_be_read[:2] = True  # x and h_prev_0
        return must_be_read

    # -- decisions -----------------------------------------------------------------------------------------------------

    def _cells(self, x: IntArray) -> Cells:
        each = x[:, 1:-STATES].reshape(len(x), self.max_nodes, 4)
        return Cells(x[:, 0] + 1, each[:, :, 0], each[:, :, 1:], x[:, -STATES:] + FIRST_NODE)

    def _rows(self, cells: Cells) -> IntArray:
        each = np.concatenate([cells.ops[:, :, None], np.where(cells.used, cells.inputs, 0)], 2)
        parts = (
            cells.states[:, None] - 1,
            each.reshape(len(each), 4 * self.max_nodes),
            cells.outputs - FIRST_NODE,
        )
        return np.concatenate(parts, 1)

    def is_valid(self, x: IntArray) -> BoolArray:
        return resolved(self._cells(x))[1]

    def repair(self, x: IntArray) -> IntArray:
        return self._rows(self._packed(resolved(self._cells(x))[0]))

    def _packed(self, cells: Cells) -> Cells:
        """The same cells with their nodes in canonical order and the sources of symmetric operations sorted."""
        labels, types, adjacency = self._graphs_of(cells)
        final = final_labels(label_hashes(labels)[types], adjacency)[:, self._value_places()]
        live = cells.ops > 0
        reads = cells.reads()[:, :, FIRST_NODE:].transpose(0, 2, 1)
        order = canonical_order(reads, live, final)
        rows = np.arange(len(order))[:, None]
        place = np.empty_like(order)  # of each old node
        place[rows, order] = np.arange(self.max_nodes)
        fixed = np.broadcast_to(np.arange(FIRST_NODE), (len(order), FIRST_NODE))
        moved = np.concatenate([fixed, place + FIRST_NODE], 1)  # (B, S): new number of a source
        ops = np.take_along_axis(cells.ops, order, 1)
        inputs = moved[rows[:, :, None], cells.inputs[rows, order]]
        used = np.arange(3) < ARITY[ops][:, :, None]
        inputs = np.where(used, inputs, moved.shape[1])
        inputs = np.where((ops != BLEND_CODE)[:, :, None], np.sort(inputs, 2), inputs)
        outputs = np.where(
            np.arange(STATES) < cells.states[:, None], moved[rows, cells.outputs], FIRST_NODE
        )
        return Cells(cells.states, ops, np.where(used, inputs, 0), outputs)

    def _matters(self, x: IntArray) -> BoolArray:
        cells = self._cells(x)
        nodes = np.concatenate([cells.ops[:, :, None] > 0, cells.used], 2)
        nodes = nodes.reshape(len(x), 4 * self.max_nodes)
        states = np.arange(STATES) < cells.states[:, None]
        return np.concatenate([np.ones((len(x), 1), dtype=bool), nodes, states], 1)

    def _draw(self, n: int, rng: np.random.Generator) -> IntArray:
        """Cells of any number of nodes in which nodes prefer to read what nothing read so far."""
        states = rng.integers(1, STATES + 1, size=n)
        size = rng.integers(STATES, self.max_nodes + 1, size=n)
        ops = rng.integers(1, len(ARITY), size=(n, self.max_nodes))
        ops[np.arange(self.max_nodes) >= size[:, None]] = 0
        inputs = np.zeros((n, self.max_nodes, 3), dtype=np.int64)
        unread = np.ones((n, FIRST_NODE + self.max_nodes), dtype=bool)
        exists = np.concatenate([np.arange(FIRST_NODE) <= states[:, None], ops > 0], 1)
        rows = np.arange(n)
        for i in range(self.max_nodes):
            luck = _luck(unread[:, : FIRST_NODE + i], exists[:, : FIRST_NODE + i], rng)
            luck[~np.isin(ops[:, i], LINEAR), 0] = -np.inf
            inputs[:, i] = np.argsort(-luck, 1)[:, :3]
            for k in range(3):
                unread[rows, inputs[:, i, k]] &= k >= ARITY[ops[:, i]]
        luck = _luck(unread, exists, rng)
        outputs = np.argsort(-luck[:, FIRST_NODE:], 1)[:, :STATES] + FIRST_NODE
        return self._rows(Cells(states, ops, inputs, outputs))

    # -- graphs --------------------------------------------------------------------------------------------------------

    def encode(self, x: IntArray) -> Graphs:
        cells = self._cells(x)
        rank = np.argsort(np.argsort(cells.inputs, 2), 2)  # of gate, first and second
        role = (rank[:, :, None] == _ROLES).all(3).argmax(2)  # (B, N)
        types = np.zeros((len(x), self.num_nodes), dtype=np.int64)
        types[:, 0], types[:, -1] = self._type[INPUT], self._type[OUTPUT]
        states = np.arange(STATES)
        there = states < cells.states[:, None]
        types[:, 1 + states] = np.where(there, self._previous, self._type[NONE])
        types[:, self._places.stop + states] = self._new
        codes = np.array([self._type[label] for label in (NONE, *OPERATIONS)])
        blends = cells.ops == BLEND_CODE
        types[:, self._places] = np.where(blends, self._type[_LABELS[0]] + role, codes[cells.ops])
        adjacency = np.zeros((len(x), self.num_nodes, self.num_nodes), dtype=bool)
        adjacency[:, 0, 1:FIRST_NODE] = adjacency[:, self._places.stop : -1, -1] = True
        adjacency[:, : self._places.stop, self._places] = cells.reads().transpose(0, 2, 1)
        rows = np.arange(len(x))[:, None]
        adjacency[rows, _distinct(cells), self._places.stop + states] = True
        sources, targets = edge_endpoints(self.num_nodes)
        return Graphs(types, adjacency[:, sources, targets])

    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        n = self.max_nodes
        types, adjacency = graphs.types, to_adjacency(graphs.edges, self.num_nodes)
        valid = self.allowed_types[np.arange(self.num_nodes), types].all(1)
        fixed = self.fixed_edges
        valid &= ((fixed < 0) | (graphs.edges == fixed)).all(1)
        nodes = types[:, self._places]
        role = nodes - self._type[_LABELS[0]]
        is_blend = (role >= 0) & (role < len(_ROLES))
        codes = np.zeros(len(self.node_types), dtype=np.int64)
        codes[[self._type[op] for op in OPERATIONS]] = np.arange(1, len(ARITY))
        ops = np.where(is_blend, BLEND_CODE, codes[nodes])
        reads = adjacency[:, : self._places.stop, self._places].transpose(0, 2, 1)  # (B, N, S)
        sound = reads.sum(2) == ARITY[ops]
        inputs = np.argsort(~reads, 2, kind="stable")[:, :, :3]
        blended = np.take_along_axis(inputs, _ROLES[np.clip(role, 0, len(_ROLES) - 1)], 2)
        inputs = np.where(is_blend[:, :, None], blended, inputs)
        inputs = np.minimum(inputs, np.arange(FIRST_NODE, FIRST_NODE + n)[:, None] - 1)
        there = types[:, 2:FIRST_NODE] == self._previous[1:]
        states = 1 + there.sum(1)
        alone = ~there[:, 0] & there[:, 1]  # a third state without a second one is the second one
        inputs = np.where(alone[:, None, None] & (inputs == STATES), STATES - 1, inputs)
        into = adjacency[:, self._places, self._places.stop : -1]  # (B, N, STATES)
        valid &= ((into.sum(1) == 1) | (np.arange(STATES) >= states[:, None])).all(1)
        outputs = into.argmax(1) + FIRST_NODE
        cells, clean = resolved(Cells(states, ops, inputs, outputs), sound)
        return self._rows(self._packed(cells)), valid & clean

    def _value_places(self) -> IntArray:
        """Where the nodes stand in the graphs of values, each behind a place for the rest of a blend."""
        return FIRST_NODE + 1 + 2 * np.arange(self.max_nodes)

    def _value_graphs(self, x: IntArray) -> tuple[tuple[str, ...], IntArray, BoolArray]:
        return self._graphs_of(self._cells(x))

    def _graphs_of(self, cells: Cells) -> tuple[tuple[str, ...], IntArray, BoolArray]:
        nodes = self._value_places()
        size = FIRST_NODE + 2 * self.max_nodes + STATES + 1
        types = np.full((len(cells.ops), size), self._type[NONE])
        types[:, 0], types[:, -1] = self._type[INPUT], self._type[OUTPUT]
        codes = np.array([self._type[label] for label in (NONE, *OPERATIONS)])
        types[:, nodes] = codes[cells.ops]
        types[:, nodes - 1] = np.where(cells.ops == BLEND_CODE, self._type[REST], self._type[NONE])
        place = np.concatenate([np.arange(FIRST_NODE), nodes])  # of sources
        adjacency = np.zeros((len(types), size, size), dtype=bool)
        adjacency[:, 0, 1:FIRST_NODE] = adjacency[:, -1 - STATES : -1, -1] = True
        reads = cells.reads().transpose(0, 2, 1)
        adjacency[np.ix_(np.arange(len(types)), place, nodes)] = reads
        b, i = np.nonzero(cells.ops == BLEND_CODE)
        gate, _, second = place[cells.inputs[b, i]].T
        adjacency[b, second, nodes[i]] = False
        adjacency[b, [gate, second], nodes[i] - 1] = adjacency[b, nodes[i] - 1, nodes[i]] = True
        states = np.arange(STATES)
        there = states < cells.states[:, None]
        types[:, 1 + states] = np.where(there, self._previous, self._type[NONE])
        types[:, size - 1 - STATES + states] = np.where(there, self._new, self._type[NONE])
        b, j = np.nonzero(there)
        adjacency[b, place[cells.outputs[b, j]], size - 1 - STATES + j] = True
        return self.node_types, types, adjacency

    # -- values --------------------------------------------------------------------------------------------------------

    def parse(self, text: str) -> Architecture:
        nodes = read_recipe(text)
        if nodes is None:
            raise ValueError(f"'{text}' is no recipe; one reads '{self.random_architecture(0)}'")
        row = self._rows(cells_of(nodes, self.max_nodes))
        if not self.is_valid(row)[0]:
            raise ValueError(
                f"'{text}' is no cell of {self!r}: only linear nodes read x, a node's sources differ, and x and"
                " h_prev_0 must be read"
            )
        return self._architecture(self.repair(row)[0])

    def _architecture(self, row: IntArray) -> Architecture:
        labels, types, adjacency = self._value_graphs(row[None])
        kept = np.flatnonzero(types[0] != self._type[NONE])
        place = {int(old): new for new, old in enumerate(kept)}
        targets, sources = np.nonzero(adjacency[0].T)
        edges = tuple(
            (place[i], place[j])
            for i, j in zip(sources.tolist(), targets.tolist(), strict=True)
            if i in place and j in place
        )
        return Architecture(
            tuple(labels[t] for t in types[0, kept]), edges, write_recipe(self._cells(row[None]))
        )

    def _row(self, architecture: Architecture) -> Sequence[int]:
        row = self._rows(cells_of(recipe_of(architecture), self.max_nodes))
        if architecture.nodes[0] != INPUT or not self.is_valid(row)[0]:
            raise ValueError("no cell")
        return row[0].tolist()  # type: ignore[no-any-return]


def _luck(
    unread: BoolArray, exists: BoolArray, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Random priorities (B, S) of sources: unread ones win mostly, absent ones never."""
    return np.where(exists, rng.gumbel(size=unread.shape) + 2.0 * unread, -np.inf)


def _distinct(cells: Cells) -> IntArray:
    """(B, STATES): the nodes of the states; those that aren't there take the first nodes that are left."""
    outputs: IntArray = cells.outputs.copy()
    for j in range(1, STATES):
        taken = (outputs[:, :j, None] == np.arange(FIRST_NODE, FIRST_NODE + STATES)).any(1)
        first = FIRST_NODE + (~taken).argmax(1)
        outputs[:, j] = np.where(j < cells.states, outputs[:, j], first)
    return outputs
