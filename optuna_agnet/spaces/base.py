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
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

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
from optuna_agnet.core.validation import check_type
from optuna_agnet.spaces.graphs import Graphs, to_adjacency

if TYPE_CHECKING:
    import optuna

Choice: TypeAlias = str | bool

_ENUMERABLE = 200_000
_SAMPLE_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Decision:
    """One categorical choice; its name is the Optuna parameter's."""

    name: str
    choices: tuple[Choice, ...]


class SearchSpace(ABC):
    """A finite set of architectures, described by categorical decisions.

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

    def __init__(
        self,
        name: str,
        decisions: Sequence[Decision],
        operations: Sequence[str],
        num_nodes: int,
        structure: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.decisions = tuple(decisions)
        self.ops = tuple(operations)
        self.node_types = (OUTPUT, INPUT, *self.ops, *structure)
        self.num_nodes = num_nodes
        self.num_choices = np.array([len(d.choices) for d in self.decisions], dtype=np.int64)

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

    @abstractmethod
    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        """Graphs as repaired decisions (B, D), and which rows (B,) stood for a valid graph."""

    @abstractmethod
    def parse(self, text: str) -> Architecture:
        """The architecture that ``str(architecture)`` gave.

        Raises:
            ValueError: The text is no architecture of this space.
        """

    @abstractmethod
    def _architecture(self, row: IntArray) -> Architecture:
        """One repaired row (D,) as a value."""

    @abstractmethod
    def _row(self, architecture: Architecture) -> Sequence[int]:
        """The reverse of `_architecture`; raises ValueError or IndexError for foreign ones."""

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
        graphs = self.encode(x)
        return self.node_types, graphs.types, to_adjacency(graphs.edges, self.num_nodes)

    def one_hot(self, x: IntArray) -> npt.NDArray[np.float32]:
        """Decisions (B, D) as 0 and 1, one column a choice of a decision."""
        offsets = np.concatenate([[0], np.cumsum(self.num_choices)[:-1]])
        columns = np.zeros((len(x), int(self.num_choices.sum())), dtype=np.float32)
        np.put_along_axis(columns, x + offsets, 1, 1)
        return columns

    def enumerate(self) -> IntArray | None:
        """Every architecture (K, D) once, or None where there are too many decisions to list."""
        if self.num_combinations > _ENUMERABLE:
            return None
        rows = np.array(
            list(itertools.product(*(range(k) for k in self.num_choices))), dtype=np.int64
        )
        return np.unique(self.repair(rows[self.is_valid(rows)]), axis=0)

    @property
    def num_combinations(self) -> int:
        """Number of combinations of choices: an upper bound of the number of architectures."""
        product = 1
        for k in self.num_choices:
            product *= int(k)
        return product

    # -- values and Optuna parameters ----------------------------------------------------------------------------

    def architectures(self, x: IntArray) -> list[Architecture]:
        """Decisions (B, D), repaired where needed, as a list of B values."""
        return [self._architecture(row) for row in self.repair(x)]

    def choices(self, architectures: Sequence[Architecture]) -> IntArray:
        """Values as decisions (B, D).

        Raises:
            ValueError: One is no architecture of this space.
            TypeError: One is no `Architecture`.
        """
        for architecture in architectures:
            check_architecture(architecture)
        rows = np.empty((len(architectures), len(self.decisions)), dtype=np.int64)
        for row, architecture in zip(rows, architectures, strict=True):
            try:
                row[:] = self._row(architecture)
            except (ValueError, IndexError, KeyError):
                raise ValueError(
                    f"'{architecture}' is no architecture of the space {self!r}"
                ) from None
        return rows

    def random_architecture(self, seed: int | None = None) -> Architecture:
        """One valid architecture, to try code with."""
        return self.architectures(self.sample(1, np.random.default_rng(seed)))[0]

    def to_params(self, architecture: Architecture) -> dict[str, Choice]:
        """The Optuna parameters of an architecture."""
        return self.row_to_params(self.choices([architecture])[0])

    def row_to_params(self, row: IntArray) -> dict[str, Choice]:
        """The Optuna parameters of one row (D,) of decisions."""
        return {d.name: d.choices[int(k)] for d, k in zip(self.decisions, row, strict=True)}

    def from_params(self, params: Mapping[str, object]) -> Architecture:
        """The architecture that parameters stand for, repaired where needed; other parameters are ignored.

        Raises:
            ValueError: A parameter of this space is missing or has an unknown value.
        """
        return self._architecture(self.repair(self.params_to_row(params)[None])[0])

    def params_to_row(self, params: Mapping[str, object]) -> IntArray:
        """Parameters as one row (D,) of decisions, not repaired.

        Raises:
            ValueError: A parameter of this space is missing or has an unknown value.
        """
        row = np.empty(len(self.decisions), dtype=np.int64)
        for i, decision in enumerate(self.decisions):
            if decision.name not in params:
                raise ValueError(f"parameter '{decision.name}' of the space {self!r} is missing")
            value = params[decision.name]
            if value not in decision.choices:
                raise ValueError(
                    f"parameter '{decision.name}' is {value!r}; the space {self!r} knows {list(decision.choices)}"
                )
            row[i] = decision.choices.index(value)
        return row

    def distributions(self) -> dict[str, optuna.distributions.CategoricalDistribution]:
        """The search space in Optuna's terms."""
        from optuna.distributions import CategoricalDistribution

        return {d.name: CategoricalDistribution(d.choices) for d in self.decisions}

    def suggest(self, trial: optuna.Trial) -> Architecture:
        """The architecture of a trial: one ``suggest_categorical`` a decision, whatever the study's sampler is.

        Raises:
            ValueError: The study or the trial has another parameter of the same name.
        """
        params: dict[str, object] = {}
        for decision in self.decisions:
            try:
                params[decision.name] = trial.suggest_categorical(decision.name, decision.choices)
            except ValueError as error:
                raise ValueError(
                    f"the parameter '{decision.name}' of {self!r} can't be suggested ({error}). Where another parameter"
                    " of the study has this name, rename that one; search two spaces at once as cells of a Stack; and"
                    " give a changed space a new study"
                ) from error
        return self.from_params(params)

    # -- identity ------------------------------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: spaces with equal ones have the same encoding and the same valid graphs."""
        return hashlib.sha256(json.dumps(self._identity()).encode()).hexdigest()

    def _identity(self) -> list[object]:
        decisions = [[d.name, list(d.choices)] for d in self.decisions]
        return [type(self).__name__, self.num_nodes, list(self.node_types), decisions]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)


def check_architecture(architecture: object) -> None:
    """The same for an architecture."""
    example = "space.parse(text) of its text, or space.from_params(trial.params)"
    check_type("architecture", architecture, Architecture, example)


def check_operations(ops: Sequence[str]) -> tuple[str, ...]:
    """Operation names as a tuple.

    Raises:
        ValueError: There are none, one is empty, reserved or no string, or one is given twice.
    """
    if isinstance(ops, (str, set, frozenset)) or not ops:  # a set has no order to count on
        raise ValueError(
            f"ops={ops!r}: give a sequence of at least one operation name, e.g. ops=('conv', 'pool')"
        )
    for op in ops:
        if not isinstance(op, str) or not op or op in (INPUT, OUTPUT) or set(op) & set("|+~, \n"):
            raise ValueError(
                f"operation {op!r} must be a non-empty string without blanks and without any of | + ~ ,"
                f" and neither '{INPUT}' nor '{OUTPUT}'"
            )
    twice = sorted({op for op in ops if list(ops).count(op) > 1})
    if twice:
        raise ValueError(f"operations {twice} are given more than once: names must be unique")
    return tuple(ops)
