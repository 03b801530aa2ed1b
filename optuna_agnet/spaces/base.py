"""What every search space offers: decisions, graphs, and the way between them.

Letters: B architectures in a batch, D decisions, n nodes, A node types, E = n (n - 1) / 2 possible edges.
A batch of architectures is an integer array ``x`` (B, D): for every decision the index of the choice taken.
Its graphs are `Graphs`: node types (B, n) and upper-triangle edges (B, E); edge (s, t) has position t (t - 1) / 2 + s.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import (
    INPUT,
    NONE,
    OUTPUT,
    Architecture,
    graph_keys,
    label_hashes,
)
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.spaces.checks import advice_on, check_architecture
from optuna_agnet.spaces.decision import Choice as Choice
from optuna_agnet.spaces.decision import Decision as Decision
from optuna_agnet.spaces.graphs import Graphs, to_adjacency
from optuna_agnet.spaces.rows import Rows
from optuna_agnet.spaces.table import space_table

if TYPE_CHECKING:
    import optuna


_SAMPLE_ROUNDS = 200


class SearchSpace(Rows, ABC):
    """A finite set of architectures, described by decisions, some of which may exist only under others.

    Subclasses say how decisions become graphs and back; everything else follows from that.

    Args:
        name: Short name, used in messages and file names.
        decisions: The decisions, in the order of the columns of ``x``.
        operations: Labels that inner nodes may have.
        num_nodes: n, the most nodes a graph has, input and output included.
        structure: Labels of further inner nodes, which are no operations.

    Raises:
        ValueError: Operations are missing, empty or given twice, or fewer than two architectures remain.
    """

    most_enumerated = 200_000
    """Spaces of more combinations are not listed by `enumerate`."""

    def __init__(
        self,
        name: str,
        decisions: Sequence[Decision],
        operations: Sequence[str],
        num_nodes: int,
        structure: Sequence[str] = (),
    ) -> None:
        super().__init__(decisions)
        self.name = name
        self.ops = tuple(operations)
        self.node_types = (OUTPUT, INPUT, *self.ops, *structure)
        self.num_nodes = num_nodes

    # -- what a subclass defines ---------------------------------------------------------------------------------

    @property
    @abstractmethod
    def allowed_types(self) -> BoolArray:
        """(n, A): which types a node may have in any valid graph."""

    @property
    @abstractmethod
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        """(E,): 1 or 0 where every valid graph has or lacks the edge, -1 where it is free."""

    @property
    def in_degrees(self) -> npt.NDArray[np.int8]:
        """(n, A): how many edges a node takes besides the fixed ones, given its type; -1 where any number will do."""
        return np.full((self.num_nodes, len(self.node_types)), -1, dtype=np.int8)

    @property
    def edge_allowed(self) -> BoolArray:
        """(A, A): whether a node of the first type may have an edge to one of the second."""
        edge_allowed = np.ones((len(self.node_types), len(self.node_types)), dtype=bool)
        edge_allowed[[label == NONE for label in self.node_types]] = False
        return edge_allowed

    @property
    def distinct_source_of(self) -> IntArray:
        """(n,): for each node an earlier one, or -1; they share no free source.

        Nor does it share one with the earlier one's own earlier one, and so on: three in a chain have three sources.
        """
        return np.full(self.num_nodes, -1)

    @property
    def must_be_read(self) -> BoolArray:
        """(n,): nodes that have an edge to some later node with a known number of inputs, in every valid graph."""
        return np.zeros(self.num_nodes, dtype=bool)

    def is_valid(self, x: IntArray) -> BoolArray:
        """(B,): whether the decisions (B, D) describe a valid architecture without repair; all do unless overridden."""
        return np.ones(len(x), dtype=bool)

    def repair(self, x: IntArray) -> IntArray:
        """The decisions (B, D) of the architectures that any decisions (B, D) stand for; the same unless overridden.

        Total, deterministic and idempotent: the same architecture always comes out as the same row.
        """
        return x

    @abstractmethod
    def encode(self, x: IntArray) -> Graphs:
        """Repaired decisions (B, D) as graphs."""

    def encode_dense(self, x: IntArray) -> tuple[IntArray, BoolArray]:
        """`encode` as types (B, n) and adjacency matrices (B, n, n); neither is to be written to."""
        graphs = self.encode(x)
        return graphs.types, to_adjacency(graphs.edges, self.num_nodes)

    @abstractmethod
    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        """Graphs as repaired decisions (B, D), and which rows (B,) stood for a valid graph."""

    @abstractmethod
    def parse(self, text: str) -> Architecture:
        """The architecture that ``str(architecture)`` gave; blanks and newlines around the text don't count.

        Raises:
            ValueError: The text is no architecture of this space.
        """

    @abstractmethod
    def _architecture(self, row: IntArray) -> Architecture:
        """One repaired row (D,) as a value."""

    @abstractmethod
    def _row(self, architecture: Architecture) -> Sequence[int]:
        """The reverse of `_architecture`; raises ValueError or IndexError for foreign ones."""

    def _repr_html_(self) -> str:
        return space_table(self)

    # -- batches -------------------------------------------------------------------------------------------------

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """``n`` valid architectures (n, D), repaired; drawn with replacement."""
        found = np.empty((0, len(self.decisions)), dtype=np.int64)
        for _ in range(_SAMPLE_ROUNDS):
            if len(found) >= n:
                break
            x = self._draw(4 * n + 64, rng)
            found = np.concatenate([found, self.repair(x[self.is_valid(x)])])
        if len(found) < n:  # hardly anything is valid: repair what comes
            found = np.concatenate([found, self.repair(self._draw(n, rng))])
        return found[:n]

    def _draw(self, n: int, rng: np.random.Generator) -> IntArray:
        return rng.integers(0, self.num_choices, size=(n, len(self.decisions)))

    def neighbors(self, x: IntArray) -> IntArray:
        """All valid architectures (K, D) that one changed decision makes of the rows of ``x`` (B, D).

        Rows of ``x`` themselves and repeated rows are left out.
        """
        column = np.repeat(np.arange(len(self.decisions)), self.num_choices - 1)  # (M,)
        step = np.concatenate([np.arange(1, k) for k in self.num_choices])  # (M,)
        changed = np.repeat(x[:, None], len(column), axis=1)  # (B, M, D)
        each = np.arange(len(column))
        changed[:, each, column] = (changed[:, each, column] + step) % self.num_choices[column]
        flat = changed[self._matters(x)[:, column]]
        repaired = self.repair(flat[self.is_valid(flat)])
        own = {row.tobytes() for row in x}
        unique = np.unique(repaired, axis=0)
        return unique[[row.tobytes() not in own for row in unique]]

    def neighbors_and_steps(self, x: IntArray) -> tuple[IntArray, IntArray]:
        """`neighbors` (K, D), and how many steps (K,) each is away: more than one where choices have an order only."""
        found = self.neighbors(x)
        return found, np.ones(len(found), dtype=np.int64)

    def _matters(self, x: IntArray) -> BoolArray:
        """(B, D): which decisions of repaired rows make a difference."""
        return np.ones(x.shape, dtype=bool)

    def keys(self, x: IntArray) -> npt.NDArray[np.uint64]:
        """Canonical keys (B,) of repaired rows, equal for isomorphic graphs; as in `Architecture.key`."""
        labels, types, adjacency = self._value_graphs(x)
        return graph_keys(label_hashes(labels)[types], adjacency)

    def _value_graphs(self, x: IntArray) -> tuple[tuple[str, ...], IntArray, BoolArray]:
        """The graphs of `_architecture`, unused nodes included: labels, indices into them (B, m), adjacency (B, m, m).

        A space overrides it where `encode` gives other graphs than its values have.
        """
        return self.node_types, *self.encode_dense(x)

    def enumerate(self) -> IntArray | None:
        """Every architecture (K, D) once, or None where there are too many decisions to list."""
        if self.num_combinations > self.most_enumerated:
            return None
        rows = np.array(
            list(itertools.product(*(range(k) for k in self.num_choices))), dtype=np.int64
        )
        return np.unique(self.repair(rows[self.is_valid(rows)]), axis=0)

    @property
    def num_architectures(self) -> int | None:
        """Number of different architectures, as rows; None where there are too many invalid ones to be counted."""
        own = type(self)
        if own.is_valid is SearchSpace.is_valid and own.repair is SearchSpace.repair:
            return self.num_combinations
        every = self.enumerate()
        return None if every is None else len(every)

    @cached_property
    def has_isomorphic(self) -> bool:
        """Whether different repaired rows may have isomorphic graphs."""
        return True

    # -- values and Optuna parameters ----------------------------------------------------------------------------

    def architectures(self, x: IntArray) -> list[Architecture]:
        """Decisions (B, D), repaired where needed, as a list of B values."""
        return [self._architecture(row) for row in self.repair(x)]

    def choices(self, architectures: Sequence[Architecture]) -> IntArray:
        """Values as repaired decisions (B, D), the reverse of `architectures`.

        Raises:
            ValueError: One is no architecture of this space, or has another form than this space gives it: with dead
                nodes, or nodes in another order; `canonical` gives the same graph in the space's form.
            TypeError: One is no `Architecture`.
        """
        rows = [self._any_row(architecture) for architecture in architectures]
        x = self.repair(np.array(rows, dtype=np.int64).reshape(len(rows), len(self.decisions)))
        for architecture, row in zip(architectures, x, strict=True):
            # what a row can't say would be lost, and a value filed under another architecture
            if self._architecture(row) != architecture:
                raise ValueError(
                    f"'{architecture}' has another form than {self!r} gives it, '{self.canonical(architecture)}':"
                    " give space.canonical(architecture)"
                )
        return x

    def canonical(self, architecture: Architecture) -> Architecture:
        """The architecture of this space that has the same graph, as `Architecture.key` compares graphs.

        Raises:
            ValueError: There is none.
            TypeError: It is no `Architecture`.
        """
        own = self.architectures(self._any_row(architecture)[None])[0]
        if own.key != architecture.key:
            raise ValueError(f"'{architecture}' is no valid architecture of the space {self!r}")
        return own

    def _any_row(self, architecture: Architecture) -> IntArray:
        """`_row` of any architecture (D,); what the row can't say of a foreign one is missing in it."""
        check_architecture(architecture)
        row = np.empty(len(self.decisions), dtype=np.int64)
        try:
            if (architecture.nodes[0], architecture.nodes[-1]) != (INPUT, OUTPUT):
                raise ValueError("foreign ends")
            row[:] = self._row(architecture)
        except (ValueError, IndexError, KeyError):
            raise ValueError(f"'{architecture}' is no architecture of the space {self!r}") from None
        return row

    def random_architecture(self, seed: int | None = None) -> Architecture:
        """One valid architecture, to try code with."""
        return self.architectures(self.sample(1, np.random.default_rng(seed)))[0]

    def to_params(self, architecture: Architecture) -> dict[str, Choice]:
        """The Optuna parameters of an architecture."""
        return self.row_to_params(self.choices([architecture])[0])

    def from_params(self, params: Mapping[str, object]) -> Architecture:
        """The architecture that parameters stand for, repaired where needed; other parameters are ignored.

        Raises:
            ValueError: A parameter of this space is missing or has an unknown value.
        """
        return self._architecture(self.repair(self.params_to_row(params)[None])[0])

    def suggest(self, trial: optuna.Trial) -> Architecture:
        """The architecture of a trial: one ``suggest_categorical`` a decision that exists, whatever the sampler is.

        Raises:
            ValueError: The study or the trial has another parameter of the same name.
        """

        def choose(decision: Decision) -> int:
            try:
                return decision.index(trial.suggest_categorical(decision.name, decision.choices))
            except ValueError as error:
                if type(error) is not ValueError:  # the sampler's own, such as SpaceExhausted
                    raise
                raise ValueError(
                    f"the parameter '{decision.name}' of {self!r} can't be suggested ({error})"
                    f"{advice_on(trial, decision)}"
                ) from error

        return self._architecture(self.repair(self._decide(choose)[None])[0])

    # -- identity ------------------------------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: spaces with equal ones have the same encoding and the same valid graphs."""
        return hashlib.sha256(json.dumps(self._identity()).encode()).hexdigest()

    def _identity(self) -> list[object]:
        decisions = [[d.name, list(d.choices), *["ordered"] * d.ordered] for d in self.decisions]
        return [type(self).__name__, self.num_nodes, list(self.node_types), decisions]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)
