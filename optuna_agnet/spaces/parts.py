"""The algebra of network spaces: choices and cells as leaves, and product, sum and sequence over them.

A part knows the columns that it takes of a row, one after the other, and how these read as plain values. It is what
`tree.Tree` makes a search space of. Letters: B rows in a batch, W columns of a part.
"""

# ruff: noqa: D102 - what overrides a method of Part is documented there

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from optuna_agnet.core.architecture import OUTPUT
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.decision import Choice, Ordered

OPEN = -1
"""In a row, a decision that is still to be filled."""
_FILLINGS = 8  # cells among which a new one is filled with


@dataclass(frozen=True, slots=True)
class Slot:
    """A leaf of the tree in its place.

    Args:
        name: Where it is: names joined by dots, a block's number among them.
        label: The same without numbers: what is alike in all blocks.
        leaf: What is chosen here.
        parent: Number of the earlier slot that it depends on; None: it always exists.
        when: Choices of the parent, as indices, under which it exists.
        before: Number of the same slot in the block before.
    """

    name: str
    label: str
    leaf: Choices | Cell
    parent: int | None = None
    when: tuple[int, ...] = ()
    before: int | None = None

    def moved(self, by: int, name: str, label: str) -> Slot:
        """As part of something larger: so many slots later, under a name."""
        return replace(
            self,
            name=joined(name, self.name),
            label=joined(label, self.label),
            parent=None if self.parent is None else self.parent + by,
            before=None if self.before is None else self.before + by,
        )

    def hung(self, parent: int, when: tuple[int, ...]) -> Slot:
        """The same, dependent on a slot unless it is on another one already."""
        return self if self.parent is not None else replace(self, parent=parent, when=when)


def joined(*names: str) -> str:
    """Names with dots between them; empty ones left out."""
    return ".".join(filter(None, names))


class Part(ABC):
    """A piece of a network space."""

    @property
    @abstractmethod
    def slots(self) -> tuple[Slot, ...]:
        """Its leaves; parents come before their children."""

    @property
    @abstractmethod
    def count(self) -> int | None:
        """How many values it has; None where a cell has too many to be counted."""

    @cached_property
    def width(self) -> int:
        """W."""
        return sum(slot.leaf.width for slot in self.slots)

    @abstractmethod
    def read(self, row: IntArray) -> Any:
        """Repaired decisions (W,) as a plain value."""

    @abstractmethod
    def write(self, value: object, row: IntArray, where: str) -> None:
        """Set the decisions (W,) of a plain value.

        Raises:
            ValueError: It is none of this part; ``where`` says which one in messages.
        """

    @abstractmethod
    def fill(self, x: IntArray, variant: IntArray) -> None:
        """Set what is `OPEN` in rows (B, W).

        A new block is a copy of the one before; otherwise the choices differ by ``variant`` (B,), any integers.
        """

    def _columns(self, parts: Iterable[Part], start: int) -> list[slice]:
        columns = []
        for part in parts:
            columns.append(slice(start, start + part.width))
            start += part.width
        return columns


@dataclass(frozen=True)
class Choices(Part):
    """One value among several, ordered or not."""

    values: tuple[Choice, ...]
    ordered: bool

    def __repr__(self) -> str:
        return repr(Ordered(self.values)) if self.ordered else repr(self.values)  # type: ignore[arg-type]

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (Slot("", "", self),)

    @cached_property
    def width(self) -> int:
        return 1

    @property
    def count(self) -> int:
        return len(self.values)

    def read(self, row: IntArray) -> Choice:
        return self.values[int(row[0])]

    def write(self, value: object, row: IntArray, where: str) -> None:
        same = [isinstance(v, bool) == isinstance(value, bool) and v == value for v in self.values]
        if True not in same:
            raise ValueError(f"{where} is {value!r}; it can be {list(self.values)}")
        row[0] = same.index(True)

    def fill(self, x: IntArray, variant: IntArray) -> None:
        x[:, 0] = np.where(x[:, 0] == OPEN, variant % len(self.values), x[:, 0])


@dataclass(frozen=True)
class Cell(Part):
    """A space of graphs, such as an `EdgeCell`; its value is the text of an architecture."""

    space: SearchSpace

    def __repr__(self) -> str:
        return repr(self.space)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (Slot("", "", self),)

    @cached_property
    def width(self) -> int:
        return len(self.space.decisions)

    @cached_property
    def count(self) -> int | None:
        return self.space.num_architectures

    @cached_property
    def outputs(self) -> int:
        """How many nodes of its graph are outputs: several in a `Stack`."""
        return self.space.random_architecture(0).nodes.count(OUTPUT)

    @cached_property
    def fillings(self) -> IntArray:
        """(8, W): what new ones begin with."""
        return self.space.sample(_FILLINGS, np.random.default_rng(0))

    def read(self, row: IntArray) -> str:
        return str(self.space.architectures(row[None])[0])

    def write(self, value: object, row: IntArray, where: str) -> None:
        if not isinstance(value, str):
            raise ValueError(f"{where} is {value!r}; it must be a text of the space {self.space!r}")
        try:
            row[:] = self.space.choices([self.space.parse(value)])[0]
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None

    def fill(self, x: IntArray, variant: IntArray) -> None:
        open_ = (x == OPEN).any(1)
        x[open_] = self.fillings[variant[open_] % _FILLINGS]


@dataclass(frozen=True)
class Product(Part):
    """All of several named parts."""

    parts: Mapping[str, Part]

    def __repr__(self) -> str:
        return f"Network({_named(self.parts)})"

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        slots: list[Slot] = []
        for name, part in self.parts.items():
            slots += [slot.moved(len(slots), name, name) for slot in part.slots]
        return tuple(slots)

    @cached_property
    def count(self) -> int | None:
        counts = [part.count for part in self.parts.values()]
        return None if None in counts else math.prod(counts)  # type: ignore[arg-type]

    @cached_property
    def _split(self) -> list[tuple[str, Part, slice]]:
        columns = self._columns(self.parts.values(), 0)
        return list(zip(self.parts, self.parts.values(), columns, strict=True))

    def read(self, row: IntArray) -> dict[str, Any]:
        return {name: part.read(row[columns]) for name, part, columns in self._split}

    def write(self, value: object, row: IntArray, where: str) -> None:
        if not isinstance(value, Mapping) or set(value) != set(self.parts):
            raise ValueError(f"{_at(where)} is {value!r}; it must be a dict of {list(self.parts)}")
        for name, part, columns in self._split:
            part.write(value[name], row[columns], joined(where, name))

    def fill(self, x: IntArray, variant: IntArray) -> None:
        for _, part, columns in self._split:
            part.fill(x[:, columns], variant)


@dataclass(frozen=True)
class Sum(Part):
    """One of several named parts."""

    parts: Mapping[str, Part]

    def __repr__(self) -> str:
        return f"OneOf({_named(self.parts)})"

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        slots = [Slot("", "", Choices(tuple(self.parts), ordered=False))]
        for k, (name, part) in enumerate(self.parts.items()):
            slots += [slot.moved(len(slots), name, name).hung(0, (k,)) for slot in part.slots]
        return tuple(slots)

    @cached_property
    def count(self) -> int | None:
        counts = [part.count for part in self.parts.values()]
        return None if None in counts else sum(counts)  # type: ignore[arg-type]

    @cached_property
    def _split(self) -> list[tuple[str, Part, slice]]:
        columns = self._columns(self.parts.values(), 1)
        return list(zip(self.parts, self.parts.values(), columns, strict=True))

    def read(self, row: IntArray) -> dict[str, Any]:
        name, part, columns = self._split[row[0]]
        return {name: part.read(row[columns])}

    def write(self, value: object, row: IntArray, where: str) -> None:
        if not isinstance(value, Mapping) or len(value) != 1 or not set(value) <= set(self.parts):
            raise ValueError(
                f"{_at(where)} is {value!r}; it must be a dict of one of {list(self.parts)}"
            )
        for k, (name, part, columns) in enumerate(self._split):
            if name in value:
                row[0] = k
                part.write(value[name], row[columns], joined(where, name))

    def fill(self, x: IntArray, variant: IntArray) -> None:
        x[:, 0] = np.where(x[:, 0] == OPEN, variant % len(self.parts), x[:, 0])
        for _, part, columns in self._split:
            part.fill(x[:, columns], variant)


@dataclass(frozen=True)
class Series(Part):
    """A part several times, one after the other; how many times is a choice."""

    part: Part
    least: int
    most: int

    def __repr__(self) -> str:
        return f"Repeat({self.part!r}, {self.least}, {self.most})"

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        depths = range(self.least, self.most + 1)
        slots = [Slot("depth", "depth", Choices(tuple(depths), ordered=True))]
        size = len(self.part.slots)
        for j in range(self.most):
            when = tuple(k for k, depth in enumerate(depths) if depth > j)
            block = [slot.moved(len(slots), str(j), "").hung(0, when) for slot in self.part.slots]
            for i, slot in enumerate(self.part.slots):
                if j and slot.parent is None:
                    block[i] = replace(block[i], before=len(slots) + i - size)
            slots += block
        return tuple(slots)

    @cached_property
    def count(self) -> int | None:
        one = self.part.count
        return None if one is None else sum(one**n for n in range(self.least, self.most + 1))

    @cached_property
    def _blocks(self) -> list[slice]:
        return self._columns([self.part] * self.most, 1)

    def read(self, row: IntArray) -> list[Any]:
        return [self.part.read(row[columns]) for columns in self._blocks[: self.least + row[0]]]

    def write(self, value: object, row: IntArray, where: str) -> None:
        sequence = isinstance(value, Sequence) and not isinstance(value, str)
        if not sequence or not self.least <= len(value) <= self.most:  # type: ignore[arg-type]
            raise ValueError(
                f"{_at(where)} is {value!r}; it must be a list of {self.least} to {self.most} blocks"
            )
        assert isinstance(value, Sequence)
        row[0] = len(value) - self.least
        for j, (block, columns) in enumerate(zip(value, self._blocks, strict=False)):
            self.part.write(block, row[columns], joined(where, str(j)))

    def fill(self, x: IntArray, variant: IntArray) -> None:
        depths = self.most - self.least + 1
        x[:, 0] = np.where(x[:, 0] == OPEN, variant % depths, x[:, 0])
        for j, columns in enumerate(self._blocks):
            block = x[:, columns]
            if j:
                new = (block == OPEN).all(1)
                block[new] = x[new, self._blocks[j - 1]]
            self.part.fill(block, variant)


def _at(where: str) -> str:
    """What messages call a place; the whole has no name."""
    return where or "the value"


def _named(parts: Mapping[str, Part]) -> str:
    return ", ".join(f"{name}={part!r}" for name, part in parts.items())
