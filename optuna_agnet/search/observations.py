"""What a search knows: evaluated architectures and their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optuna_agnet.spaces.base import IntArray
from optuna_agnet.surrogate.base import FloatArray


@dataclass(frozen=True)
class Told:
    """Evaluated architectures in the order in which their results came.

    Args:
        x: Decisions (N, D), repaired.
        y: Values (N, M), one column an objective; infinite ones are ranked, NaN is not allowed.
    """

    x: IntArray
    y: FloatArray

    def __len__(self) -> int:
        return len(self.x)

    @property
    def data(self) -> bytes:
        """All of it, to tell equal results from different ones."""
        return self.x.tobytes() + self.y.tobytes()

    def head(self, size: int) -> Told:
        """The first ``size`` of them."""
        return Told(self.x[:size], self.y[:size])


def to_maximize(y: FloatArray, directions: Sequence[str]) -> FloatArray:
    """Values (N, M) with the sign that makes larger better, as one column (N,).

    Several objectives are for a later version; `check_directions` refuses them.
    """
    return y[:, 0] if directions[0] == "maximize" else -y[:, 0]


def check_directions(directions: Sequence[str]) -> tuple[str, ...]:
    """Directions as a tuple.

    Raises:
        ValueError: One is neither "maximize" nor "minimize", or there is not exactly one.
    """
    if isinstance(directions, str) or not set(directions) <= {"maximize", "minimize"}:
        raise ValueError(
            f"directions={directions!r} must be a sequence of 'maximize' and 'minimize'"
        )
    if len(directions) != 1:
        raise ValueError(
            f"{len(directions)} objectives: only single-objective searches work so far;"
            " give one direction, and use a limit on the other quantity or another sampler"
        )
    return tuple(directions)


def unit_range(y: FloatArray) -> FloatArray:
    """Values (N,) scaled to [0, 1], infinite ones to the nearest end; constant ones become 0.

    The paper's surrogate regresses accuracies in [0, 1] (RELEASED_CODE sec. 5); in percent their loss would drown the
    generator's.
    """
    known = y[np.isfinite(y)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    return (np.clip(y, low, high) - low) / ((high - low) or 1.0)
