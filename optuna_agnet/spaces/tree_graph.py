"""Trees of decisions and cells as graphs: what `tree.Tree` adds values and neighbours to.

A graph has the input, one node a decision, the nodes of the cells, and the output. An edge leads to each decision from
the one that it depends on, or from the same one in the block before, or from the input; and from each to the output. A
cell reads what it depends on in the place of its input. Decisions that don't exist are nodes that carry nothing.

Letters: B rows, D decisions, S slots (leaves of the tree), n nodes, A node types, E edges.
"""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import INPUT, NONE, OUTPUT, Architecture, canonical_keys
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.decision import Decision
from optuna_agnet.spaces.graphs import Graphs
from optuna_agnet.spaces.parts import OPEN, Cell, Choices, Part, Slot, joined

_SHARED = (OUTPUT, INPUT, NONE)  # labels that mean the same in every cell
_OUTPUT, _INPUT = 0, 1
_ROOT = "alternative"  # name of a decision that is the root of a space, as that of a lone OneOf


class TreeGraph(SearchSpace):
    """The decisions and graphs of a `Part`.

    Args:
        name: Short name, used in messages and file names.
        part: What is searched.

    Raises:
        ValueError: Two decisions have the same name.
    """

    def __init__(self, name: str, part: Part) -> None:
        self.part, self.slots = part, part.slots
        self._columns, self._nodes = _places(self.slots)
        decisions = [d for i in range(len(self.slots)) for d in self._decisions(i)]
        names = [decision.name for decision in decisions]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"the names {twice} are given twice: rename a part")
        labels = dict.fromkeys(label for slot in self.slots for label in _labels(slot))
        labels.update(dict.fromkeys([NONE] if any(self._optional) else []))
        super().__init__(
            name,
            decisions,
            operations=[label for label in labels if label not in _SHARED],
            num_nodes=2 + sum(_size(slot) for slot in self.slots),
            structure=[NONE] if NONE in labels else [],
        )
        self._types = [
            np.array([self.node_types.index(label) for label in _labels(slot)])
            for slot in self.slots
        ]
        self._none = self.node_types.index(NONE) if NONE in labels else -1

    def __repr__(self) -> str:
        return repr(self.part)

    def _decisions(self, number: int) -> list[Decision]:
        """Of a slot, with conditions as columns."""
        slot, start = self.slots[number], self._columns[number].start
        parent = None if slot.parent is None else self._columns[slot.parent].start
        if isinstance(slot.leaf, Choices):
            name = slot.name or _ROOT
            return [Decision(name, slot.leaf.values, slot.leaf.ordered, parent, slot.when)]
        own = slot.leaf.space.decisions
        return [
            Decision(
                joined(slot.name, d.name),
                d.choices,
                d.ordered,
                parent if d.parent is None else start + d.parent,
                slot.when if d.parent is None else d.when,
            )
            for d in own
        ]

    @cached_property
    def _optional(self) -> list[bool]:
        """Which slots (S,) some architectures lack."""
        found: list[bool] = []
        for slot in self.slots:
            if slot.parent is None:
                found.append(False)
            else:
                every = len(slot.when) == self.slots[slot.parent].leaf.count
                found.append(found[slot.parent] or not every)
        return found

    @cached_property
    def _cells(self) -> list[tuple[int, Cell]]:
        return [(i, slot.leaf) for i, slot in enumerate(self.slots) if isinstance(slot.leaf, Cell)]

    def _identity(self) -> list[object]:
        cells = [cell.space.fingerprint for _, cell in self._cells]
        return [*super()._identity(), repr(self.part), *cells]

    @property
    def allowed_types(self) -> BoolArray:
        allowed = np.zeros((self.num_nodes, len(self.node_types)), dtype=bool)
        allowed[0, _INPUT] = allowed[-1, _OUTPUT] = True
        for i, slot in enumerate(self.slots):
            own = np.ones((1, len(self._types[i])), dtype=bool)
            if isinstance(slot.leaf, Cell):
                own = slot.leaf.space.allowed_types[1:]
            allowed[self._nodes[i], self._types[i]] = own
            if self._optional[i]:
                allowed[self._nodes[i], self._none] = True
        return allowed

    @property
    def in_degrees(self) -> npt.NDArray[np.int8]:
        degrees = super().in_degrees
        for i, cell in self._cells:
            own = cell.space.in_degrees[1:]
            degrees[self._nodes[i], self._types[i]] = own
            if self._optional[i]:
                free = (own < 0) & cell.space.allowed_types[1:]
                degrees[self._nodes[i], self._none] = np.where(free.any(1), -1, 0)
        return degrees

    @property
    def edge_allowed(self) -> BoolArray:
        edge_allowed = super().edge_allowed
        for i, cell in self._cells:
            own, types = cell.space.edge_allowed, self._types[i]
            edge_allowed[np.ix_(types, types)] &= own
            source = self._source(i)
            if source is not None:
                from_ = np.array([_OUTPUT]) if self._is_cell(source) else self._types[source]
                edge_allowed[np.ix_(from_, types)] &= own[_INPUT]
        return edge_allowed

    @property
    def distinct_source_of(self) -> IntArray:
        distinct_source_of = super().distinct_source_of
        for i, cell in self._cells:
            own = cell.space.distinct_source_of[1:]
            distinct_source_of[self._nodes[i]] = np.where(
                own < 0, -1, own + self._nodes[i].start - 1
            )
        return distinct_source_of

    @property
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        fixed = self._template.astype(np.int8)
        for i, cell in self._cells:
            fixed[self._positions(i)] = cell.space.fixed_edges
        return fixed

    def _is_cell(self, number: int) -> bool:
        return isinstance(self.slots[number].leaf, Cell)

    def _source(self, number: int) -> int | None:
        """The slot from which the edge to a slot leads; None is the input."""
        slot = self.slots[number]
        return slot.parent if slot.before is None else slot.before

    def _source_node(self, number: int) -> int:
        source = self._source(number)
        return 0 if source is None else self._nodes[source].stop - 1

    @cached_property
    def _template(self) -> BoolArray:
        """(E,): the edges between slots, without those inside cells."""
        edges = np.zeros(self.num_nodes * (self.num_nodes - 1) // 2, dtype=bool)
        for i, slot in enumerate(self.slots):
            if not isinstance(slot.leaf, Cell):
                node = self._nodes[i].start
                edges[_position(self._source_node(i), node)] = True
                edges[_position(node, self.num_nodes - 1)] = True
        return edges

    def _positions(self, number: int) -> IntArray:
        """Where the edges of a cell go."""
        nodes = np.r_[self._source_node(number), self._nodes[number]]
        targets, sources = np.tril_indices(len(nodes), -1)
        return _position(nodes[sources], nodes[targets])

    @cached_property
    def _plain(self) -> tuple[IntArray, IntArray, IntArray]:
        """Of the slots that are choices: columns and nodes (S',), and types of their choices (S', K), -1 for none."""
        plain = [i for i in range(len(self.slots)) if not self._is_cell(i)]
        table = np.full((len(plain), max((len(self._types[i]) for i in plain), default=1)), -1)
        for row, i in zip(table, plain, strict=True):
            row[: len(self._types[i])] = self._types[i]
        columns = [self._columns[i].start for i in plain]
        nodes = [self._nodes[i].start for i in plain]
        return np.array(columns, dtype=np.int64), np.array(nodes, dtype=np.int64), table

    def encode(self, x: IntArray) -> Graphs:
        types = np.full((len(x), self.num_nodes), _OUTPUT)
        types[:, 0] = _INPUT
        columns, nodes, table = self._plain
        active = self.active(x)
        chosen = table[np.arange(len(columns)), x[:, columns]]
        types[:, nodes] = np.where(active[:, columns], chosen, self._none)
        if not self._cells:
            return Graphs(types, np.broadcast_to(self._template, (len(x), len(self._template))))
        edges = np.tile(self._template, (len(x), 1))
        for i, cell in self._cells:
            there = active[:, self._columns[i].start, None]
            graphs = cell.space.encode(x[:, self._columns[i]])
            own = self._types[i][graphs.types[:, 1:]]
            types[:, self._nodes[i]] = np.where(there, own, self._none)
            kept = np.where(there, graphs.edges, cell.space.fixed_edges == 1)
            edges[:, self._positions(i)] = kept
        return Graphs(types, edges)

    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        """Graphs as rows, and which stood for valid ones; a node without a choice gets that of a new one."""
        x = np.full((len(graphs.types), len(self.decisions)), OPEN)
        valid = (graphs.types[:, 0] == _INPUT) & (graphs.types[:, -1] == _OUTPUT)
        columns, nodes, table = self._plain
        same = graphs.types[:, nodes, None] == table  # (B, S', K)
        known = same.any(2)
        x[:, columns] = np.where(known, same.argmax(2), OPEN)
        valid &= (known | (graphs.types[:, nodes] == self._none)).all(1)
        between, good = graphs.edges.copy(), {}
        for i, cell in self._cells:
            x[:, self._columns[i]], good[i] = self._decode_cell(i, cell.space, graphs)
            between[:, self._positions(i)] = False
        self.part.fill(x, np.zeros(len(x), dtype=np.int64))
        x = self.repair(x)
        active = self.active(x)
        for i, fits in good.items():
            valid &= fits | ~active[:, self._columns[i].start]
        return x, valid & (between == self._template).all(1)

    def _decode_cell(
        self, number: int, cell: SearchSpace, graphs: Graphs
    ) -> tuple[IntArray, BoolArray]:
        """A cell's columns, `OPEN` where it is absent, and which are valid or absent."""
        types = graphs.types[:, self._nodes[number]]
        own = np.full(len(self.node_types), -1)
        own[self._types[number]] = np.arange(len(self._types[number]))
        translated = np.concatenate([np.full((len(types), 1), _INPUT), own[types]], 1)
        edges = graphs.edges[:, self._positions(number)]
        rows, valid = cell.decode(Graphs(np.maximum(translated, 0), edges))
        absent = (types == self._none).all(1)
        return np.where(absent[:, None], OPEN, rows), absent | (valid & (translated >= 0).all(1))

    def keys(self, x: IntArray) -> npt.NDArray[np.uint64]:
        if not self._cells:
            return super().keys(x)
        # cells leave out nodes that nothing uses, so their values' graphs may differ from the encoded ones
        return canonical_keys(self.architectures(x))

    # -- values ----------------------------------------------------------------------------------------------------

    def _exists(self, number: int, row: IntArray, exists: list[bool]) -> bool:
        """Whether a slot exists in a row (D,), given which of those before it do."""
        slot = self.slots[number]
        if slot.parent is None:
            return True
        return exists[slot.parent] and int(row[self._columns[slot.parent].start]) in slot.when

    def _architecture(self, row: IntArray) -> Architecture:
        nodes, exists = [INPUT], list[bool]()
        edges: list[tuple[int, int]] = []
        plain: list[int] = []  # nodes that lead to the output
        ends: dict[int, int] = {}
        for i, slot in enumerate(self.slots):
            exists.append(self._exists(i, row, exists))
            if not exists[i]:
                continue
            start, first = self._start(i, ends), len(nodes)
            part = row[self._columns[i]]
            if isinstance(slot.leaf, Choices):
                nodes.append(_labels(slot)[part[0]])
                edges.append((start, first))
                plain.append(first)
            else:
                cell = slot.leaf.space.architectures(part[None])[0]
                nodes += [_prefixed(slot.label, label) for label in cell.nodes[1:]]
                edges += [(first + a - 1 if a else start, first + b - 1) for a, b in cell.edges]
            ends[i] = len(nodes) - 1
        edges += [(node, len(nodes)) for node in plain]
        edges.sort(key=lambda edge: edge[::-1])
        text = json.dumps(self.part.read(row), ensure_ascii=False)
        return Architecture((*nodes, OUTPUT), tuple(edges), text)

    def _start(self, number: int, ends: dict[int, int]) -> int:
        source = self._source(number)
        return 0 if source is None else ends[source]

    def _row(self, architecture: Architecture) -> Sequence[int]:
        row, exists = np.zeros(len(self.decisions), dtype=np.int64), list[bool]()
        nodes, given = architecture.nodes, set(architecture.edges)
        expected: set[tuple[int, int]] = set()
        ends: dict[int, int] = {}
        at = 1
        for i, slot in enumerate(self.slots):
            exists.append(self._exists(i, row, exists))
            if not exists[i]:
                continue
            start = self._start(i, ends)
            if isinstance(slot.leaf, Choices):
                row[self._columns[i]] = _labels(slot).index(nodes[at])
                expected |= {(start, at), (at, len(nodes) - 1)}
                at += 1
            else:
                stop = self._stop(slot.leaf, nodes, at)
                own = {(a, b) for a, b in given if at <= b < stop and (a == start or a >= at)}
                row[self._columns[i]] = _cell_row(slot, nodes[at:stop], own, start, at)
                expected |= own
                at = stop
            ends[i] = at - 1
        if expected != given or nodes[at:] != (OUTPUT,):
            raise ValueError("other edges or nodes")
        return row.tolist()  # type: ignore[no-any-return]

    def _stop(self, cell: Cell, nodes: Sequence[str], start: int) -> int:
        """Where the nodes of a cell end: with its last output."""
        outputs = [i for i in range(start, len(nodes)) if nodes[i] == OUTPUT]
        return outputs[cell.outputs - 1] + 1


def _places(slots: Sequence[Slot]) -> tuple[list[slice], list[slice]]:
    """Columns and nodes of each slot."""
    columns, nodes, column, node = [], [], 0, 1
    for slot in slots:
        columns.append(slice(column, column + slot.leaf.width))
        nodes.append(slice(node, node + _size(slot)))
        column, node = columns[-1].stop, nodes[-1].stop
    return columns, nodes


def _size(slot: Slot) -> int:
    return slot.leaf.space.num_nodes - 1 if isinstance(slot.leaf, Cell) else 1


def _labels(slot: Slot) -> list[str]:
    """Node types of a slot: one a choice, or those of its cell."""
    if isinstance(slot.leaf, Cell):
        return [_prefixed(slot.label, label) for label in slot.leaf.space.node_types]
    return [f"{slot.label or _ROOT}={value}" for value in slot.leaf.values]


def _prefixed(name: str, label: str) -> str:
    return label if label in _SHARED else joined(name, label)


def _cell_row(
    slot: Slot, labels: Sequence[str], edges: set[tuple[int, int]], start: int, first: int
) -> IntArray:
    """The decisions of a cell, given its nodes from ``first`` on; ``start`` stands for its input."""
    assert isinstance(slot.leaf, Cell)
    cell = slot.leaf.space
    own = {_prefixed(slot.label, label): label for label in cell.node_types}
    moved = sorted((0 if a == start else a - first + 1, b - first + 1) for a, b in edges)
    graph = Architecture((INPUT, *(own[label] for label in labels)), tuple(moved))
    return np.asarray(cell.choices([graph])[0])


def _position(sources: int | IntArray, targets: int | IntArray) -> IntArray:
    """Of edges in the encoding."""
    return np.asarray(targets * (targets - 1) // 2 + sources)
