"""Constraints that are known before an evaluation: no proposal is spent on an architecture that breaks one."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Mapping

import numpy as np

from optuna_agnet.architecture import Architecture
from optuna_agnet.search.candidates import Filter, SpaceExhausted, neighbor_pool
from optuna_agnet.search.ranking import violations
from optuna_agnet.spaces.base import CellSpace, IntArray
from optuna_agnet.surrogate.base import FloatArray

_CLIMBS = 8  # rounds of neighbours towards the limits before none is said to be within them
_CLIMBERS = 64  # architectures in each

KnownConstraint = Callable[[Architecture], float]


class InvalidConstraint(TypeError):
    """A known constraint gave something else than a number."""


class Limits:
    """Known constraints by name: functions of an architecture that are at most 0 where it may be proposed.

    Each is called once an architecture, and as rarely as possible: candidates are asked for in the order in which they
    would be proposed, until one is within all limits. So a function may be slow, for example measure a latency.

    Args:
        space: Of the architectures.
        functions: By name.

    Raises:
        TypeError: One is not callable.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.EdgeCell(nodes=3, ops=("skip", "conv"))
        >>> limits = Limits(space, {"convs": lambda arch: str(arch).count("conv") - 1})
        >>> x = space.enumerate()[::-1]
        >>> str(space.architectures(x[[0]])[0]), str(space.architectures(x[[limits.first(x)]])[0])
        ('|conv~0|+|conv~0|conv~1|', '|conv~0|+|skip~0|skip~1|')
    """

    def __init__(self, space: CellSpace, functions: Mapping[str, KnownConstraint] | None) -> None:
        self.space, self.functions = space, dict(functions or {})
        for name, function in self.functions.items():
            if not callable(function):
                raise TypeError(
                    f"known_constraints[{name!r}]={function!r} must be a function of an architecture that returns a"
                    " number, at most 0 where it is feasible"
                )
        self._found: dict[bytes, dict[str, float]] = {}  # by row; infinite where a function failed
        self._warned: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.functions)

    def __len__(self) -> int:
        """How many architectures were asked for so far."""
        return len(self._found)

    def of(self, row: IntArray) -> dict[str, float]:
        """Each constraint's value for the decisions (D,); infinite where its function failed.

        Raises:
            InvalidConstraint: A function returned something else than a number.
        """
        key = row.tobytes()
        if key not in self._found:
            architecture = self.space.architectures(row[None])[0]
            self._found[key] = {
                name: self._value(name, function, architecture)
                for name, function in self.functions.items()
            }
        return self._found[key]

    def within(self, ranked: IntArray, allowed: Filter, rng: np.random.Generator) -> IntArray:
        """The first of candidates (B, D) that is within all limits, or one that a climb towards them finds.

        Raises:
            SpaceExhausted: None was found.
            InvalidConstraint: A function returned something else than a number.
        """
        first = self.first(ranked)
        for _ in range(_CLIMBS):
            if first is not None:
                return np.asarray(ranked[first])
            near = self.nearest(_CLIMBERS)
            ranked = neighbor_pool(near, _CLIMBERS, allowed, rng)
            first = self.first(ranked)
        if first is None:
            raise SpaceExhausted(
                f"no new architecture within the known constraints was found: {self.describe()}. Stop here, or"
                " loosen the limits"
            )
        return np.asarray(ranked[first])

    def first(self, x: IntArray) -> int | None:
        """Row number of the first of ``x`` (B, D) that is within all limits; None where there is none."""
        for number, row in enumerate(x):
            if all(value <= 0 for value in self.of(row).values()):
                return number
        return None

    def nearest(self, most: int) -> IntArray:
        """Decisions (B, D) of the ``most`` architectures asked for that break the limits least."""
        keys = list(self._found)
        order = np.argsort(self._violations(), kind="stable")[:most]
        rows = [np.frombuffer(keys[i], dtype=np.int64) for i in order.tolist()]
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.space.decisions))

    def describe(self) -> str:
        """What was asked for so far, for messages."""
        worst = self._violations()
        text = (
            f"{len(worst)} architectures were checked against the limits {sorted(self.functions)}"
        )
        if not len(worst):
            return text
        row = np.frombuffer(list(self._found)[int(worst.argmin())], dtype=np.int64)
        nearest = ", ".join(
            f"{name} by {value:.4g}" for name, value in self.of(row).items() if value > 0
        )
        return f"{text}, {int((worst <= 0).sum())} were within them" + (
            f"; the nearest breaks {nearest}" if nearest else ""
        )

    def _violations(self) -> FloatArray:
        """(asked,): as `ranking.violations`."""
        values = np.array(
            [list(found.values()) for found in self._found.values()], dtype=np.float64
        )
        return violations(-values.reshape(len(self._found), len(self.functions)))

    def _value(self, name: str, function: KnownConstraint, architecture: Architecture) -> float:
        try:
            value = function(architecture)
        except Exception as error:  # the user's own code; a search must not die of one architecture
            self._warn(name, f"raised {type(error).__name__}: {error}", architecture)
            return math.inf
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
            raise InvalidConstraint(
                f"the known constraint {name!r} returned {value!r} ({type(value).__name__}) for '{architecture}': it"
                " must return a number, at most 0 where the architecture is feasible, such as latency - limit"
            )
        if math.isnan(value):
            self._warn(name, "returned NaN", architecture)
            return math.inf
        return float(value)

    def _warn(self, name: str, what: str, architecture: Architecture) -> None:
        if name not in self._warned:
            self._warned.add(name)
            warnings.warn(
                f"the known constraint {name!r} {what} for '{architecture}'; such architectures are not proposed",
                UserWarning,
                stacklevel=2,
            )
