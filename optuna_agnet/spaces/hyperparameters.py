"""Hyperparameters beside the architecture: learning rates, batch sizes, optimizers, as columns between 0 and 1.

A number's column is its place between the limits, by its logarithm where the distribution says so. Categories that are
ascending numbers have places too, as ordered decisions have; of other categories the column holds the index, and two
are either the same or different.

Letters: B rows in a batch, H hyperparameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.spaces.decision import Decision

Value: TypeAlias = bool | int | float | str | None
"""Of a hyperparameter, as Optuna has it."""

_FEW = 12
"""Hyperparameters with at most so many values are tried with each of them."""
_LISTED = 10_000
_SAME = 1e-6
"""The share by which two numbers may differ and be one: single precision, and what logarithms lose."""
_STEPS = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
"""Moves of a number, in units of a step."""
_SPREADS = (0.1, 0.25)
"""Standard deviations of a number's changes, near and far ones alike often."""


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One number or category beside the architecture.

    Args:
        name: Of the parameter.
        low: The least number.
        high: The largest number.
        log: Whether numbers are compared by their logarithms.
        step: Between neighbouring numbers; None where there are no steps.
        integer: Whether numbers are integers.
        choices: Categories; none of a number.

    Example:
        >>> lr = Hyperparameter("lr", 1e-4, 1.0, log=True)
        >>> round(lr.to_unit(0.01), 3), round(lr.value(0.75), 3)
        (0.5, 0.1)
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    step: float | None = None
    integer: bool = False
    choices: tuple[Value, ...] = ()

    @classmethod
    def of(cls, name: str, distribution: Any) -> Hyperparameter:
        """The same as one of Optuna's distributions.

        Raises:
            TypeError: It is none.
        """
        if hasattr(distribution, "choices"):
            return cls(name, choices=tuple(distribution.choices))
        if not hasattr(distribution, "low") or not hasattr(distribution, "log"):
            raise TypeError(
                f"the hyperparameter '{name}' is {distribution!r}: give one of Optuna's distributions, such as"
                " optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)"
            )
        d = distribution
        return cls(name, d.low, d.high, d.log, d.step, isinstance(d.low, int))

    @property
    def positions(self) -> FloatArray | None:
        """(k,): places of categories that are at least three ascending numbers; None for all others."""
        numbers = [c for c in self.choices if isinstance(c, (int, float)) and type(c) is not bool]
        if len(numbers) < 3 or len(numbers) < len(self.choices) or not np.isfinite(numbers).all():
            return None
        if numbers != sorted(set(numbers)):
            return None
        return Decision(self.name, self.choices, ordered=True).positions  # type: ignore[arg-type]

    @property
    def unordered(self) -> bool:
        """Whether two values are the same or different and nothing between."""
        return bool(self.choices) and self.positions is None

    @property
    def size(self) -> int | None:
        """How many values there are; None where there is no counting them."""
        if self.choices:
            return len(self.choices)
        if self.high == self.low:
            return 1
        if self.step is None or self.log:
            return int(self.high - self.low) + 1 if self.integer else None
        return int((self.high - self.low) / self.step + 1e-8) + 1

    def to_unit(self, value: Value, beyond: bool = False) -> float:
        """The column's entry for a value.

        Args:
            value: A number beyond the limits counts as the nearer one ...
            beyond: ... unless it is to keep its distance: then its entry is below 0 or above 1.

        Raises:
            ValueError: It is none of the categories, or no number.
        """
        if self.choices:
            k = self._index(value)
            return float(k) if self.positions is None else float(self.positions[k])
        if isinstance(value, (str, bool)) or value is None or math.isnan(value):
            raise ValueError(f"'{self.name}' is {value!r}; it must be a number")
        if self.high == self.low:
            return 0.0
        far = beyond and not (self.log and value <= 0)  # which has no logarithm
        number = value if far else min(max(value, self.low), self.high)
        if self.log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def has(self, value: Value) -> bool:
        """Whether it can have a value: between its limits and on its grid, or one of its categories."""
        try:
            nearest: Any = self.value(self.to_unit(value))
        except (ValueError, TypeError):
            return False
        rounding = 0.0 if self.integer else 1e-12 * (self.high - self.low)
        return bool(self.choices) or math.isclose(nearest, value, rel_tol=_SAME, abs_tol=rounding)  # type: ignore[arg-type]

    def _index(self, value: Value) -> int:
        for k, choice in enumerate(self.choices):
            same = choice == value or (
                choice != choice and value != value
            )  # NaN is a category like others
            if same and isinstance(choice, bool) == isinstance(value, bool):
                return k
        raise ValueError(f"'{self.name}' is {value!r}; it can be {list(self.choices)}")

    def value(self, z: float) -> Value:
        """The value that an entry stands for, or is nearest to."""
        if self.choices:
            if self.positions is not None:
                return self.choices[int(np.abs(self.positions - z).argmin())]
            return self.choices[min(max(int(z), 0), len(self.choices) - 1)]
        z = min(max(float(z), 0.0), 1.0)
        if self.log:
            found = self.low * (self.high / self.low) ** z
        elif self.step is not None:
            found = self.low + round(z * ((self.high - self.low) / self.step)) * self.step
        else:
            found = self.low + z * (self.high - self.low)
        found = min(max(round(found) if self.integer else found, self.low), self.high)
        return int(found) if self.integer else float(found)

    def snap(self, z: FloatArray) -> FloatArray:
        """Entries (B,) moved to those of the nearest values."""
        positions = self.positions
        if positions is not None:
            return positions[np.abs(z[:, None] - positions).argmin(1)]  # type: ignore[no-any-return]
        if self.choices:
            return np.clip(np.floor(z), 0.0, len(self.choices) - 1.0)
        if self.high == self.low:
            return np.zeros(len(z))
        z = np.clip(z, 0.0, 1.0)
        if self.integer and self.log:
            ratio = self.high / self.low
            values = np.clip(np.rint(self.low * ratio**z), self.low, self.high)
            return np.log(values / self.low) / math.log(ratio)
        if self.step is None or self.log:
            return z
        gaps = (self.high - self.low) / self.step
        return np.rint(z * gaps) / gaps

    def at(self, share: FloatArray) -> FloatArray:
        """Entries (B,) at shares from 0 to 1 of the range, of which each value has the same part."""
        if self.choices:
            return self.entries(self._cell(share, len(self.choices)))
        if self.log or self.size is None or not 1 < self.size <= _LISTED:
            return self.snap(share)
        return self.snap(self._cell(share, self.size) / (self.size - 1))

    @staticmethod
    def _cell(share: FloatArray, cells: int) -> IntArray:
        return np.minimum((share * cells).astype(np.int64), cells - 1)

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Entries (n,), uniformly."""
        return self.at(rng.random(n))

    def every(self) -> FloatArray:
        """Entries of all values, which must be countable."""
        if self.choices:
            return self.entries(np.arange(len(self.choices)))
        if self.log:
            return np.array([self.to_unit(v) for v in range(int(self.low), int(self.high) + 1)])
        return self.snap(np.linspace(0.0, 1.0, self.size or 1))

    def entries(self, index: IntArray) -> FloatArray:
        """Entries of categories (B,) by index."""
        return index.astype(np.float64) if self.positions is None else self.positions[index]

    def changed(self, z: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Entries (B,) near those given; any other category where there is no near one."""
        if self.unordered:
            return self.draw(len(z), rng)
        near = z + rng.choice(_SPREADS, size=len(z)) * rng.standard_normal(len(z))
        return self.snap(np.clip(near, 0.0, 1.0))

    def moves(self, z: FloatArray, step: float, rng: np.random.Generator) -> FloatArray:
        """Entries (V, B) to try in the place of those given: every one of few, else steps up and down."""
        if self.choices and (self.unordered or len(self.choices) <= _FEW):
            known = np.arange(len(self.choices))
            index = known if len(known) <= _FEW else rng.choice(known, size=_FEW, replace=False)
            return np.repeat(self.entries(index)[:, None], len(z), axis=1)
        if self.size is not None and self.size <= _FEW:
            return np.repeat(self.every()[:, None], len(z), axis=1)
        near = np.clip(z + step * _STEPS[:, None], 0.0, 1.0)
        return self.snap(near.reshape(-1)).reshape(near.shape)


@dataclass(frozen=True)
class Hyperparameters:
    """All hyperparameters that are searched together with the architecture, in the order of their columns.

    Args:
        parameters: One a column, possibly none.

    Raises:
        ValueError: Two have the same name.
    """

    parameters: tuple[Hyperparameter, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"hyperparameters {list(self.names)} must have different names")

    @classmethod
    def of(cls, distributions: Mapping[str, Any]) -> Hyperparameters:
        """The same as Optuna's distributions, by name.

        Raises:
            TypeError: One is no distribution.
        """
        return cls(tuple(Hyperparameter.of(name, d) for name, d in sorted(distributions.items())))

    def __len__(self) -> int:
        return len(self.parameters)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(p.name for p in self.parameters)

    @cached_property
    def free(self) -> FloatArray:
        """(H,): NaN, a row in which nothing is fixed."""
        return np.full(len(self.parameters), np.nan)

    @cached_property
    def unordered(self) -> BoolArray:
        """(H,): of which columns two entries are the same or different."""
        return np.array([p.unordered for p in self.parameters], dtype=bool)

    def grid(self, fixed: FloatArray) -> list[FloatArray] | None:
        """All entries of each column, or the one that is fixed (H,), NaN where none is; None: too many to list."""
        sizes = [p.size if np.isnan(z) else 1 for p, z in zip(self.parameters, fixed, strict=True)]
        if any(size is None or size > _LISTED for size in sizes):
            return None
        return [
            p.every() if np.isnan(z) else np.array([z])
            for p, z in zip(self.parameters, fixed, strict=True)
        ]

    def rows(self, values: Iterable[Mapping[str, Any]], beyond: bool = False) -> FloatArray:
        """Values by name as rows (B, H), as `Hyperparameter.to_unit`; NaN where one is missing or not possible."""
        rows = [[self._entry(p, found, beyond) for p in self.parameters] for found in values]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self))

    @staticmethod
    def _entry(parameter: Hyperparameter, values: Mapping[str, Any], beyond: bool) -> float:
        try:
            return parameter.to_unit(values[parameter.name], beyond)
        except (KeyError, ValueError, TypeError):
            return math.nan

    def snap(self, z: FloatArray) -> FloatArray:
        """Rows (B, H) moved to the nearest possible ones; NaN stays."""
        columns = zip(self.parameters, z.T, strict=True)
        snapped = [np.where(np.isnan(c), c, p.snap(np.nan_to_num(c))) for p, c in columns]
        return self._stack(snapped, len(z))

    def values(self, row: FloatArray) -> dict[str, Value]:
        """A row (H,) as values by name."""
        return {p.name: p.value(z) for p, z in zip(self.parameters, row.tolist(), strict=True)}

    def take(self, columns: Sequence[int]) -> Hyperparameters:
        """Some of them."""
        return Hyperparameters(tuple(self.parameters[column] for column in columns))

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Rows (n, H), uniformly."""
        return self._stack([p.draw(n, rng) for p in self.parameters], n)

    def perturb(self, z: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Rows (B, H) near those given: one or two entries of each are others."""
        changes = rng.random(z.shape) < 1.5 / max(len(self), 1)
        near = self._stack(
            [p.changed(column, rng) for p, column in zip(self.parameters, z.T, strict=True)], len(z)
        )
        return np.where(changes, near, z)

    def moves(
        self, z: FloatArray, step: float, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Rows (V, H) that differ from the given ones (B, H) in one entry, and which of these each comes from (V,)."""
        origins, rows = [], []
        for column, parameter in enumerate(self.parameters):
            for entries in parameter.moves(z[:, column], step, rng):
                moved = z.copy()
                moved[:, column] = entries
                origins.append(np.arange(len(z)))
                rows.append(moved)
        if not rows:
            return np.arange(len(z)), z
        return np.concatenate(origins), np.concatenate(rows)

    def gaps(self, z: FloatArray, others: FloatArray) -> FloatArray:
        """How far rows (B, H) are from others (P, H) in each entry, (H, B, P), from 0 to 1."""
        gaps = np.abs(z.T[:, :, None] - others.T[:, None])
        gaps[self.unordered] = gaps[self.unordered] > 0
        return gaps  # type: ignore[no-any-return]

    @staticmethod
    def _stack(columns: Sequence[FloatArray], n: int) -> FloatArray:
        return np.stack(columns, 1) if columns else np.empty((n, 0))

    def state(self) -> list[dict[str, Any]]:
        """As JSON-ready values."""
        return [asdict(p) for p in self.parameters]

    @classmethod
    def from_state(cls, state: Sequence[Mapping[str, Any]]) -> Hyperparameters:
        """The reverse of `state`, also after a round trip through JSON."""
        return cls(tuple(Hyperparameter(**{**s, "choices": tuple(s["choices"])}) for s in state))


NONE = Hyperparameters()
"""Of a search of architectures alone."""
