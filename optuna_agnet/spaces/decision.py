"""One decision of a search space: its name, its choices, how far these are from each other, and when it exists."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Choice: TypeAlias = str | bool | int | float

_LOGARITHMIC = 4.0
"""Ordered choices that span more than this ratio, as 16 to 512 do, are compared by their logarithms."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One choice among several; its name is the Optuna parameter's.

    Args:
        name: Of the parameter.
        choices: What can be chosen.
        ordered: Whether the choices are ascending numbers, so that near ones are alike.
        parent: Column of the earlier decision that it depends on; None: it exists in every architecture.
        when: Choices of the parent, as indices, under which it exists.

    Example:
        >>> Decision("width", (16, 32, 64, 128), ordered=True).positions.round(2).tolist()
        [0.0, 0.33, 0.67, 1.0]
    """

    name: str
    choices: tuple[Choice, ...]
    ordered: bool = False
    parent: int | None = None
    when: tuple[int, ...] = ()

    @property
    def positions(self) -> npt.NDArray[np.float64] | None:
        """(k,): where ordered choices lie between 0 and 1, by value or by its logarithm; None without an order."""
        if not self.ordered:
            return None
        values = np.array(self.choices, dtype=np.float64)
        if values[0] > 0 and values[-1] > _LOGARITHMIC * values[0]:
            values = np.log(values)
        span = values[-1] - values[0]
        return np.asarray((values - values[0]) / (span if span > 0 else 1.0))

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """(k + 1, F): of each choice and, last, of a decision that does not exist; see `SearchSpace.features`."""
        k, positions = len(self.choices), self.positions
        if positions is None:
            return np.eye(k + 1, dtype=np.float32)
        # 1 - |a - b| is the length of the gaps between positions that have both or neither of a and b to their right
        above = np.arange(k)[:, None] > np.arange(k - 1)  # (k, k - 1)
        gaps = np.sqrt(np.diff(positions))
        table = np.zeros((k + 1, 2 * k), dtype=np.float32)
        table[:k, : 2 * k - 2] = np.concatenate([above * gaps, ~above * gaps], 1)
        table[:k, -2] = float(k == 1)  # without a gap: the one choice is itself
        table[k, -1] = 1
        return table

    def index(self, value: object) -> int:
        """Which choice a value is; ``True`` is not 1.

        Raises:
            ValueError: It is none of them.
        """
        for k, choice in enumerate(self.choices):
            if isinstance(choice, bool) == isinstance(value, bool) and choice == value:
                return k
        raise ValueError(f"'{self.name}' is {value!r}; it can be {list(self.choices)}")


def plain_values(values: Iterable[Any]) -> tuple[Any, ...]:
    """Values as Python's own: numpy's are written in another way by each of its versions, and JSON knows few of them.

    Example:
        >>> plain_values(np.linspace(0, 1, 3))
        (0.0, 0.5, 1.0)
    """
    return tuple(value.item() if isinstance(value, np.generic) else value for value in values)


@dataclass(frozen=True, slots=True)
class Ordered:
    """Ascending numbers of which one is chosen; `ordered` makes it."""

    values: tuple[int | float, ...]

    def __repr__(self) -> str:
        return f"ordered({', '.join(map(repr, self.values))})"


def ordered(*values: int | float) -> Ordered:
    """A choice among numbers whose order matters: neighbouring values are alike.

    The search compares them by their logarithm where the largest is more than four times the smallest, as widths are,
    and by their value otherwise.

    Args:
        *values: Ascending, all int or all float.

    Raises:
        ValueError: There is no value, or they don't ascend, repeat, or are infinite or NaN.
        TypeError: One is no number, int and float are mixed, or the values come as one sequence.

    Example:
        >>> ordered(16, 24, 32)
        ordered(16, 24, 32)
    """
    if not values:
        raise ValueError("ordered() needs at least one value, e.g. ordered(16, 32, 64)")
    if len(values) == 1 and isinstance(values[0], (list, tuple, range, np.ndarray)):
        raise TypeError(
            f"ordered({values[0]!r}) must have the values one by one: ordered(*{values[0]!r})"
        )
    values = plain_values(values)
    kinds = {type(value) for value in values}
    if not (kinds == {int} or kinds == {float}):
        raise TypeError(
            f"ordered{values!r} must have int alone or float alone, e.g. ordered(16, 32) or ordered(0.0, 0.5);"
            " a plain tuple is an unordered choice of anything"
        )
    if not all(map(math.isfinite, values)):
        raise ValueError(f"ordered{values!r} must be finite")
    if any(a >= b for a, b in pairwise(values)):
        raise ValueError(f"ordered{values!r} must ascend, each value once: {sorted(set(values))}")
    return Ordered(values)
