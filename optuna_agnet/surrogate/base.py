"""What every surrogate offers, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from optuna_agnet.spaces.base import IntArray

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """Architectures to be judged.

    Args:
        x: Their decisions (B, D).
        scores: The raw generator output (B, n A + E) that each was sampled from, or None if it came another way.
    """

    x: IntArray
    scores: Tensor | None = None

    def take(self, rows: npt.NDArray[np.int64]) -> Candidates:
        """Some of them, in the order of ``rows``."""
        return Candidates(self.x[rows], None if self.scores is None else self.scores[rows])


class Surrogate(Protocol):
    """Learns values from evaluated architectures and predicts those of candidates; larger is better."""

    def fit(self, x: IntArray, y: FloatArray) -> None:
        """Learn from decisions (N, D), in the order in which they were told, and their values (N,)."""

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation, both (B,)."""
