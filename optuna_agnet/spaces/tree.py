"""Network spaces as search spaces: plain values, sampling and neighbours; `tree_graph` has their graphs.

Letters: B rows, D decisions, S slots (leaves of the tree).
"""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.decision import Ordered, plain_values
from optuna_agnet.spaces.parts import OPEN, Cell, Choices, Part, Slot
from optuna_agnet.spaces.tree_graph import TreeGraph

_MOST_VARIANTS = 16  # of what a new part begins with, among the neighbours


class Tree(TreeGraph):
    """What `Network`, `OneOf` and `Repeat` have in common.

    Values are plain: of a `Network` a dict, of an `OneOf` a dict of the chosen alternative, of a `Repeat` a list, of a
    cell the text of its architecture. An architecture's own text is its value as JSON.

    Args:
        name: Short name, used in messages and file names.
        part: What is searched.

    Raises:
        ValueError: Two decisions have the same name.
    """

    # -- plain values ----------------------------------------------------------------------------------------------

    def values(self, architecture: Architecture) -> Any:
        """An architecture as dicts, lists, strings and numbers, to build a network with.

        Raises:
            ValueError: It is no architecture of this space.
            TypeError: It is no `Architecture`.
        """
        return self.part.read(self.choices([architecture])[0])

    def from_values(self, values: object) -> Architecture:
        """The architecture of plain values, the reverse of `values`.

        Raises:
            ValueError: They don't fit; the message says where.
        """
        row = np.zeros(len(self.decisions), dtype=np.int64)
        self.part.write(values, row, "")
        return self._architecture(self.repair(row[None])[0])

    def parse(self, text: str) -> Architecture:
        try:
            values = json.loads(text)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{text!r} is no JSON ({error}); an architecture of this space reads"
                f" '{self.random_architecture(0)}'"
            ) from None
        return self.from_values(values)

    @property
    def num_architectures(self) -> int | None:
        return self.part.count

    @property
    def num_combinations(self) -> int:
        return self.part.count or super().num_combinations

    # -- batches ---------------------------------------------------------------------------------------------------

    def is_valid(self, x: IntArray) -> BoolArray:
        valid, active = np.ones(len(x), dtype=bool), self.active(x)
        for i, cell in self._cells:
            columns = self._columns[i]
            valid &= ~active[:, columns.start] | cell.space.is_valid(x[:, columns])
        return valid

    def repair(self, x: IntArray) -> IntArray:
        repaired = x.copy()
        for i, cell in self._cells:
            columns = self._columns[i]
            repaired[:, columns] = cell.space.repair(x[:, columns])
        return np.where(self.active(repaired), repaired, 0)

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """``n`` architectures (n, D), drawn with replacement from the top down.

        Each decision is uniform given those that it depends on: every depth and every alternative is equally likely,
        however many architectures it holds.
        """
        x = self._draw(n, rng)
        for i, cell in self._cells:
            x[:, self._columns[i]] = cell.space.sample(n, rng)
        return self.repair(x)

    def filled(self, x: IntArray) -> IntArray:
        return self._fill(x, np.arange(len(x)))

    def _fill(self, x: IntArray, variant: IntArray) -> IntArray:
        filled = np.where(self.active(x), x, OPEN)
        self.part.fill(filled, variant)
        return filled

    def neighbors(self, x: IntArray) -> IntArray:
        """All architectures (K, D) that one changed decision makes of rows (B, D), the nearest first.

        A change of an ordered decision is as far as the values are apart in their order. Where a change brings blocks
        into being, they are copies of the block before; other new parts are tried with all their choices in turn.
        Rows of ``x`` themselves and repeated rows are left out.
        """
        return self.neighbors_and_steps(x)[0]

    def neighbors_and_steps(self, x: IntArray) -> tuple[IntArray, IntArray]:
        column = np.repeat(np.arange(len(self.decisions)), self.num_choices - 1)  # (M,)
        step = np.concatenate([[0][:0], *(np.arange(1, k) for k in self.num_choices)])
        matters, opening = self._matters(x), self._opening
        found, steps = [x[:0]], [np.empty(0, dtype=np.int64)]
        for variant in range(self._num_variants):
            start = self._fill(x, np.full(len(x), variant))
            used = opening[column] if variant else np.ones(len(column), dtype=bool)
            rows, moves = np.nonzero(matters[:, column] & used)
            changed, at, each = start[rows], column[moves], np.arange(len(rows))
            old = changed[each, at]
            new = (old + step[moves]) % self.num_choices[at]
            changed[each, at] = new
            found.append(changed)
            steps.append(np.where(self._ordered[at], np.abs(new - old), 1))
        return self._nearest_first(np.concatenate(found), np.concatenate(steps), x)

    def _nearest_first(
        self, x: IntArray, steps: IntArray, own: IntArray
    ) -> tuple[IntArray, IntArray]:
        """The valid ones of neighbours, repaired, each once and none of one's own rows; and their steps."""
        valid = self.is_valid(x)
        rows, steps = self.repair(x[valid]), steps[valid]
        order = np.argsort(steps, kind="stable")
        unique, first = np.unique(rows[order], axis=0, return_index=True)
        known = {row.tobytes() for row in own}
        new = np.array([row.tobytes() not in known for row in unique], dtype=bool)
        fewest = steps[order][first[new]]
        nearest = np.argsort(fewest, kind="stable")
        return unique[new][nearest], fewest[nearest]

    @cached_property
    def _ordered(self) -> BoolArray:
        return np.array([d.ordered for d in self.decisions], dtype=bool)

    @cached_property
    def _opening(self) -> BoolArray:
        """(D,): which decisions others depend on."""
        parents = [d.parent for d in self.decisions if d.parent is not None]
        return np.isin(np.arange(len(self.decisions)), parents)

    @cached_property
    def _num_variants(self) -> int:
        most = [len(d.choices) for d in self.decisions if d.parent is not None]
        return min(max(most, default=1), _MOST_VARIANTS)

    def _matters(self, x: IntArray) -> BoolArray:
        matters = self.active(x)
        for i, cell in self._cells:
            columns = self._columns[i]
            matters[:, columns] &= cell.space._matters(x[:, columns])
        return matters

    @cached_property
    def has_isomorphic(self) -> bool:
        return any(cell.space.has_isomorphic for _, cell in self._cells)

    def enumerate(self) -> IntArray | None:
        if self.num_architectures is None or self.num_architectures > self.most_enumerated:
            return None
        rows = np.zeros((1, len(self.decisions)), dtype=np.int64)
        for slot, columns in zip(self.slots, self._columns, strict=True):
            every = _every(slot)  # (K, W)
            active = self.active(rows)[:, columns.start]
            rows = np.repeat(rows, np.where(active, len(every), 1), axis=0)
            active = np.repeat(active, np.where(active, len(every), 1))
            rows[active, columns] = np.tile(every, (active.sum() // len(every), 1))
        return np.unique(rows, axis=0)


def as_part(name: str, value: object) -> Part:
    """What a user gives for a part: a space, `ordered`, or a tuple of choices.

    Raises:
        TypeError: It is none of these.
        ValueError: The choices are empty, repeated, or read alike, as 1 and "1" do.
    """
    if isinstance(value, Tree):
        return value.part
    if isinstance(value, SearchSpace):
        return Cell(value)
    if isinstance(value, Ordered):
        return Choices(value.values, ordered=True)
    if not isinstance(value, (tuple, list)):
        raise TypeError(
            f"{name}={value!r} is no part of a network: give a space, ordered(16, 32, 64), a tuple of choices such as"
            " ('relu', 'gelu'), or Network() where there is nothing to choose"
        )
    return Choices(_checked(name, plain_values(value)), ordered=False)


def _checked(name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError(f"{name}=() has no choice: give at least one, such as ('relu', 'gelu')")
    for value in values:
        finite = isinstance(value, (str, bool, int)) or (
            isinstance(value, float) and math.isfinite(value)
        )
        if not finite:
            raise TypeError(
                f"{name} has the choice {value!r}: a choice is a string, a bool or a finite number. Name things, such"
                " as classes, and look them up when you build the network"
            )
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ValueError(f"{name}={values!r} has the choice {twice[0]!r} twice (True equals 1)")
    texts = list(map(str, values))  # of nodes: one that two choices share is the first one's
    alike = [value for value in values if texts.count(str(value)) > 1]
    if alike:
        raise ValueError(
            f"{name}={values!r} has the choices {alike[0]!r} and {alike[1]!r}, which read alike in an architecture:"
            " rename one"
        )
    return values


def named_parts(kind: str, parts: Mapping[str, object]) -> dict[str, Part]:
    """Parts by name.

    Raises:
        ValueError: A name is no identifier.
    """
    odd = [name for name in parts if not name.isidentifier()]
    if odd:
        raise ValueError(
            f"{kind} has parts called {odd}: a name must be an identifier, without dots or blanks, as dots join the"
            " names of nested parts"
        )
    return {name: as_part(name, value) for name, value in parts.items()}


def _every(slot: Slot) -> IntArray:
    """All rows (K, W) of a leaf."""
    if isinstance(slot.leaf, Choices):
        return np.arange(len(slot.leaf.values))[:, None]
    every = slot.leaf.space.enumerate()
    assert every is not None
    return every
