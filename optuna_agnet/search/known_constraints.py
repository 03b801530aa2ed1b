"""Constraints that are known before an evaluation: no proposal is spent on an architecture that breaks one."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping

import numpy as np

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import violations
from optuna_agnet.core.validation import check_type
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.search.candidates import PARENTS, Filter, SpaceExhausted, neighbor_pool
from optuna_agnet.spaces.base import SearchSpace

_PATIENCE = 16  # rounds of neighbours that come no nearer to the limits before none is said to be within them
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

    def __init__(self, space: SearchSpace, functions: Mapping[str, KnownConstraint] | None) -> None:
        functions = {} if functions is None else functions
        check_type(
            "known_constraints", functions, Mapping, "{'ms': lambda arch: latency(arch) - 4}"
        )
        self.space, self.functions = space, dict(functions)
        for name, function in self.functions.items():
            if not callable(function):
                raise TypeError(
                    f"known_constraints[{name!r}]={function!r} must be a function of an architecture that returns a"
                    " number, at most 0 where it is feasible"
                )
        self._found: dict[bytes, dict[str, float]] = {}  # by row; infinite where a function failed
        self._warn_once = WarnOnce()

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

        The climb asks for neighbours of those candidates that break the limits least, each one's neighbours once.

        Raises:
            SpaceExhausted: None was found.
            InvalidConstraint: A function returned something else than a number.
        """
        first, asked, left = self.first(ranked), ranked, np.ones(len(ranked), dtype=bool)
        patience = _PATIENCE
        while first is None and patience and left.any():
            broken = self._violations(asked)
            patience = _PATIENCE if broken.argmin() >= len(asked) - len(ranked) else patience - 1
            order = np.argsort(broken, kind="stable")
            parents = order[left[order]][:PARENTS]
            left[parents] = False
            allowed = allowed.without(ranked)
            ranked = neighbor_pool(asked[parents], _CLIMBERS, allowed, rng)
            first = self.first(ranked)
            asked = np.concatenate([asked, ranked])
            left = np.concatenate([left, np.ones(len(ranked), dtype=bool)])
        if first is None:
            raise SpaceExhausted(
                f"no new architecture within the known constraints was found: {self.describe()}. Stop here, or"
                " loosen the limits"
            )
        return np.asarray(ranked[first])

    def first(self, x: IntArray) -> int | None:
        """Row number of the first of ``x`` (B, D) that is within all limits; None where there is none."""
        if not self.functions:
            return 0 if len(x) else None
        for number, row in enumerate(x):
            if all(value <= 0 for value in self.of(row).values()):
                return number
        return None

    def describe(self) -> str:
        """What was asked for so far, for messages."""
        text = f"{len(self)} architectures were checked against the limits {sorted(self.functions)}"
        if not len(self):
            return text
        x = self._asked
        broken = self._violations(x)
        nearest = self.of(x[broken.argmin()])
        by = ", ".join(f"{name} by {value:.4g}" for name, value in nearest.items() if value > 0)
        if math.inf in nearest.values():
            by += " (its function raised or returned NaN or infinity)"
        text += f", {(broken <= 0).sum()} were within them"
        return f"{text}; the nearest breaks {by}" if by else text

    @property
    def _asked(self) -> IntArray:
        """Decisions (B, D) of the architectures asked for."""
        rows = [np.frombuffer(key, dtype=np.int64) for key in self._found]
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.space.decisions))

    def _violations(self, x: IntArray) -> FloatArray:
        """(B,) of decisions (B, D), as `ranking.violations`."""
        values = np.array([list(self.of(row).values()) for row in x], dtype=np.float64)
        return violations(-values.reshape(len(x), len(self.functions)))

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
        self._warn_once(
            name,
            f"the known constraint {name!r} {what} for '{architecture}'; such architectures are not proposed",
        )
