"""Several cells that make one architecture, such as a normal and a reduction cell."""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import INPUT, NONE, OUTPUT, Architecture
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.spaces.base import Decision, SearchSpace
from optuna_agnet.spaces.darts import DartsCell
from optuna_agnet.spaces.graphs import Graphs, edge_endpoints, edge_position, num_edges
from optuna_agnet.spaces.tree import Tree

_SHARED = (OUTPUT, INPUT, NONE)  # labels that mean the same in every cell


class Stack(SearchSpace):
    """One architecture of several named cells, which are chosen together.

    Parameters carry the cell's name and a dot before each (``normal.node_2_inputs``). The graph of the whole is those
    of its cells side by side behind one common input; labels carry the cell's name too. The text form is a genotype,
    ``Genotype(normal=[...], normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6))`` where the cells are
    `DartsCell`, ``Genotype(NAME=Genotype(...), ...)`` for a stack inside a stack, and ``Genotype(NAME='TEXT', ...)``
    for others.

    Args:
        name: Short name of the space.
        **cells: The cells' spaces, in the order in which they make the architecture. One may be a `Stack` itself, whose
            names then have two dots (``encoder.normal.node_2_inputs``).

    Raises:
        ValueError: There is no cell, or one is a `Network`, an `OneOf` or a `Repeat`: these hold cells.

    Example:
        >>> space = Stack(normal=DartsCell(), reduce=DartsCell())
        >>> arch = space.random_architecture(0)
        >>> len(space.decisions), sorted(space.split(arch))
        (24, ['normal', 'reduce'])
    """

    def __init__(self, *, name: str = "stack", **cells: SearchSpace) -> None:
        if not cells or not all(isinstance(cell, SearchSpace) for cell in cells.values()):
            raise ValueError(
                f"cells={cells!r}: name one space a cell, e.g. Stack(normal=DartsCell(), reduce=DartsCell())"
            )
        odd = [n for n, cell in cells.items() if isinstance(cell, Tree) or not n.isidentifier()]
        if odd:
            raise ValueError(
                f"cells {odd}: a cell's name must be an identifier, and a cell no Network, OneOf or Repeat; those can"
                " hold cells: Network(normal=DartsCell(), width=ordered(16, 32))"
            )
        self.cells = dict(cells)
        labels = {
            own: [_prefixed(own, label) for label in cell.node_types] for own, cell in cells.items()
        }
        ops = [_prefixed(own, op) for own, cell in cells.items() for op in cell.ops]
        every = [label for of_cell in labels.values() for label in of_cell]
        super().__init__(
            name,
            [
                Decision(f"{own}.{d.name}", d.choices)
                for own, cell in cells.items()
                for d in cell.decisions
            ],
            operations=tuple(dict.fromkeys(ops)),
            num_nodes=1 + sum(cell.num_nodes - 1 for cell in cells.values()),
            structure=[o for o in dict.fromkeys(every) if o not in {*ops, OUTPUT, INPUT}],
        )
        self._types = [
            np.array([self.node_types.index(label) for label in labels[own]]) for own in cells
        ]
        self._columns = _slices([len(cell.decisions) for cell in cells.values()], 0)
        self._places = _slices([cell.num_nodes - 1 for cell in cells.values()], 1)
        self._edges = [
            _edge_positions(cell.num_nodes, place.start - 1)
            for cell, place in zip(cells.values(), self._places, strict=True)
        ]

    def __repr__(self) -> str:
        return f"Stack({', '.join(f'{name}={cell!r}' for name, cell in self.cells.items())})"

    def _identity(self) -> list[object]:
        return [*super()._identity(), *(cell.fingerprint for cell in self.cells.values())]

    # -- cells ---------------------------------------------------------------------------------------------------------

    def split(self, architecture: Architecture) -> dict[str, Architecture]:
        """The cells of an architecture by name.

        Raises:
            ValueError: It is no architecture of this space.
        """
        row = self.choices([self.canonical(architecture)])
        return {
            name: cell.architectures(row[:, columns])[0]
            for (name, cell), columns in zip(self.cells.items(), self._columns, strict=True)
        }

    def join(self, **cells: Architecture) -> Architecture:
        """The architecture of cells by name, the reverse of `split`.

        Raises:
            ValueError: A cell is missing, unknown, or none of its space.
        """
        if set(cells) != set(self.cells):
            raise ValueError(f"cells {sorted(cells)} given; needed are {list(self.cells)}")
        rows = [cell.choices([cell.canonical(cells[name])]) for name, cell in self.cells.items()]
        return self.architectures(np.concatenate(rows, 1))[0]

    # -- batches -------------------------------------------------------------------------------------------------------

    @property
    def allowed_types(self) -> BoolArray:
        allowed = np.zeros((self.num_nodes, len(self.node_types)), dtype=bool)
        for cell, types, place in self._parts():
            own = cell.allowed_types
            allowed[0, types] |= own[0]
            allowed[place, types] = own[1:]
        return allowed

    @property
    def in_degrees(self) -> npt.NDArray[np.int8]:
        degrees = super().in_degrees
        for cell, types, place in self._parts():
            degrees[place, types] = cell.in_degrees[1:]
        return degrees

    @property
    def edge_allowed(self) -> BoolArray:
        edge_allowed = super().edge_allowed
        for cell, types, _ in self._parts():
            edge_allowed[np.ix_(types, types)] &= cell.edge_allowed
        return edge_allowed

    @property
    def distinct_source_of(self) -> IntArray:
        distinct_source_of = super().distinct_source_of
        for cell, _, place in self._parts():
            own = cell.distinct_source_of[1:]
            distinct_source_of[place] = np.where(own < 0, -1, own + place.start - 1)
        return distinct_source_of

    def _parts(self) -> list[tuple[SearchSpace, IntArray, slice]]:
        return list(zip(self.cells.values(), self._types, self._places, strict=True))

    @property
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        fixed = np.zeros(num_edges(self.num_nodes), dtype=np.int8)
        for cell, edges in zip(self.cells.values(), self._edges, strict=True):
            fixed[edges] = cell.fixed_edges
        return fixed

    def is_valid(self, x: IntArray) -> BoolArray:
        valid = [cell.is_valid(part) for cell, part in self._cut(x)]
        return np.logical_and.reduce(valid)  # type: ignore[no-any-return]

    def repair(self, x: IntArray) -> IntArray:
        return np.concatenate([cell.repair(part) for cell, part in self._cut(x)], 1)

    def _cut(self, x: IntArray) -> list[tuple[SearchSpace, IntArray]]:
        return [
            (cell, x[:, columns])
            for cell, columns in zip(self.cells.values(), self._columns, strict=True)
        ]

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        return np.concatenate([cell.sample(n, rng) for cell in self.cells.values()], 1)

    def encode(self, x: IntArray) -> Graphs:
        types = np.empty((len(x), self.num_nodes), dtype=np.int64)
        edges = np.zeros((len(x), num_edges(self.num_nodes)), dtype=bool)
        parts = zip(self._cut(x), self._types, self._places, self._edges, strict=True)
        for (cell, part), labels, place, positions in parts:
            graphs = cell.encode(part)
            types[:, 0] = labels[graphs.types[:, 0]]
            types[:, place] = labels[graphs.types[:, 1:]]
            edges[:, positions] = graphs.edges
        return Graphs(types, edges)

    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        rows, between = [], graphs.edges.copy()
        valid = np.ones(len(graphs.types), dtype=bool)
        for (cell, labels, place), positions in zip(self._parts(), self._edges, strict=True):
            own = np.full(len(self.node_types), -1)
            own[labels] = np.arange(len(labels))
            types = own[np.concatenate([graphs.types[:, :1], graphs.types[:, place]], 1)]
            between[:, positions] = False
            part, good = cell.decode(Graphs(np.maximum(types, 0), graphs.edges[:, positions]))
            valid &= good & (types >= 0).all(1)
            rows.append(part)
        return np.concatenate(rows, 1), valid & ~between.any(1)

    def _value_graphs(self, x: IntArray) -> tuple[tuple[str, ...], IntArray, BoolArray]:
        labels: list[str] = [INPUT]
        parts = [cell._value_graphs(part) for cell, part in self._cut(x)]
        places = _slices([types.shape[1] - 1 for _, types, _ in parts], 1)
        types = np.zeros((len(x), places[-1].stop), dtype=np.int64)
        adjacency = np.zeros((len(x), types.shape[1], types.shape[1]), dtype=bool)
        for own, part, place in zip(self.cells, parts, places, strict=True):
            own_labels, own_types, own_adjacency = part
            types[:, place] = own_types[:, 1:] + len(labels)
            labels += [_prefixed(own, label) for label in own_labels]
            adjacency[:, place, place] = own_adjacency[:, 1:, 1:]
            adjacency[:, 0, place] = own_adjacency[:, 0, 1:]  # all read the one input
        return tuple(labels), types, adjacency

    # -- values --------------------------------------------------------------------------------------------------------

    def parse(self, text: str) -> Architecture:
        fields = self._fields(text)
        cells = {}
        for name, cell in self.cells.items():
            if name not in fields:
                raise ValueError(f"'{text}' lacks the cell '{name}' of {self!r}")
            try:
                cells[name] = cell.parse(fields.pop(name))
            except ValueError as error:
                raise ValueError(f"cell '{name}': {error}") from None
            if isinstance(cell, DartsCell):
                concat = fields.pop(f"{name}_concat", cell.concat[0])
                if concat not in cell.concat:
                    raise ValueError(
                        f"{name}_concat={concat}: the output of {cell!r} concatenates {cell.concat[0]}"
                    )
        if fields:
            raise ValueError(f"'{text}' has {list(fields)}; the cells are {list(self.cells)}")
        return self.join(**cells)

    def _fields(self, text: str) -> dict[str, str]:
        """``NAME(a=..., b='...')`` as the texts of its fields."""
        try:
            call = ast.parse(text.strip(), mode="eval").body
            if not isinstance(call, ast.Call) or call.args:
                raise ValueError
        except (SyntaxError, ValueError):
            raise ValueError(
                f"'{text}' is no architecture of {self!r}; one reads \"{self.random_architecture(0)}\""
            ) from None
        fields: dict[str, str] = {}
        for field in call.keywords:
            if str(field.arg) in fields:
                raise ValueError(f"'{text}' has two cells '{field.arg}': a cell's name is its own")
            quoted = isinstance(field.value, ast.Constant)
            fields[str(field.arg)] = (
                str(ast.literal_eval(field.value)) if quoted else ast.unparse(field.value)
            )
        return fields

    def _architecture(self, row: IntArray) -> Architecture:
        nodes: list[str] = [INPUT]
        edges: list[tuple[int, int]] = []
        fields: list[str] = []
        for name, (cell, part) in zip(self.cells, self._cut(row[None]), strict=True):
            own = cell.architectures(part)[0]
            shift = len(nodes) - 1
            nodes += [_prefixed(name, label) for label in own.nodes[1:]]
            edges += [(i + shift if i else 0, j + shift) for i, j in own.edges]
            if isinstance(cell, DartsCell):
                fields.append(f"{name}={own}, {name}_concat={cell.concat[0]}")
            elif isinstance(cell, Stack):
                fields.append(f"{name}={own}")
            else:
                fields.append(f"{name}={str(own)!r}")
        return Architecture(tuple(nodes), tuple(edges), f"Genotype({', '.join(fields)})")

    def _row(self, architecture: Architecture) -> Sequence[int]:
        nodes, left = architecture.nodes, len(architecture.edges)
        outputs = [i for i, label in enumerate(nodes) if label == OUTPUT]
        row: list[int] = []
        first = 1
        for name, cell in self.cells.items():
            last = outputs[_num_outputs(cell) - 1]
            outputs, shift = outputs[_num_outputs(cell) :], first - 1
            own = tuple(
                (i - shift if i else 0, j - shift)
                for i, j in architecture.edges
                if first <= j <= last and (i == 0 or i >= first)
            )
            labels = [_unprefixed(name, label) for label in nodes[first : last + 1]]
            row += cell._row(Architecture((nodes[0], *labels), own))
            left -= len(own)
            first = last + 1
        if left or first != len(nodes):
            raise ValueError("edges between cells, or further nodes")
        return row


def _num_outputs(cell: SearchSpace) -> int:
    return sum(map(_num_outputs, cell.cells.values())) if isinstance(cell, Stack) else 1


def _prefixed(name: str, label: str) -> str:
    return label if label in _SHARED else f"{name}.{label}"


def _unprefixed(name: str, label: str) -> str:
    if label in _SHARED:
        return label
    own, _, rest = label.partition(".")
    if own != name:
        raise ValueError(f"'{label}' is not of cell '{name}'")
    return rest


def _slices(sizes: Sequence[int], start: int) -> list[slice]:
    ends = np.cumsum([start, *sizes]).tolist()
    return [slice(a, b) for a, b in pairwise(ends)]


def _edge_positions(n: int, shift: int) -> IntArray:
    """Where the edges (E,) of a graph of n nodes go whose nodes but the first are moved by ``shift``."""
    sources, targets = edge_endpoints(n)
    moved = targets + shift
    return edge_position(np.where(sources == 0, 0, sources + shift), moved)
