"""What every surrogate offers, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Candidates:
    """Architectures to be judged.

    Args:
        x: Their decisions (B, D).
        scores: The raw generator output (B, n A + E) that each was sampled from, or None if it came another way.
        z: Hyperparameters beside them (B, H), `Hyperparameters.rows`; None where a search has none.
    """

    x: IntArray
    scores: Tensor | None = None
    z: FloatArray | None = None

    def take(self, rows: npt.NDArray[np.int64]) -> Candidates:
        """Some of them, in the order of ``rows``."""
        return Candidates(
            self.x[rows],
            None if self.scores is None else self.scores[rows],
            None if self.z is None else self.z[rows],
        )


@runtime_checkable
class Surrogate(Protocol):
    """Learns K outcomes from evaluated architectures and predicts them for candidates; larger is better.

    Objectives and constraints are columns alike: a constraint's is its margin, positive where it is kept. Predictions
    are in units of the surrogate's own.

    One that has the attribute ``reads_hyperparameters = True`` is given the hyperparameters that a search has beside
    the architecture: ``fit(x, y, rank, z)`` and ``condition_on_pending(x, z)``, with z as in `Candidates`. Of others
    they are out of reach, and stay with the independent sampler. One that has the attribute ``noise``, standard
    deviations (K,) of results around their values, keeps such a search from what is settled
    (`search.acquisition.unsettled`).
    """

    feasibility_threshold: FloatArray
    """(K,): where each outcome's 0 lies in units of the predictions; what a margin is compared with."""

    fitted: FloatArray
    """(N, K): predictions for what it was fitted to; NaN where it left an architecture out."""

    def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None:
        """Learn from decisions (N, D), in the order in which they came, and their values.

        Args:
            x: Decisions (N, D).
            y: Values (N, K); infinite ones are fine, NaN is unknown.
            rank: (N,), 0 for the best: what to keep when there is more than a bounded fit can use.
        """

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation, both (B, K)."""

    def condition_on_pending(self, x: IntArray) -> None:
        """Take account of architectures (P, D) that are being evaluated; those that can't do nothing here."""


def most_telling(rank: FloatArray, most: int) -> npt.NDArray[np.int64]:
    """Row numbers of at most ``most`` results in their order, for a bounded fit: the better half, and an even spread.

    Args:
        rank: (N,), 0 for the best.
        most: How many.

    Example:
        >>> most_telling(np.array([3.0, 0.0, 4.0, 1.0, 2.0]), 3).tolist()
        [1, 2, 3]
    """
    if len(rank) <= most:
        return np.arange(len(rank))
    order = np.argsort(rank, kind="stable")
    top, others = order[: most // 2], order[most // 2 :]
    spread = others[np.linspace(0, len(others) - 1, most - most // 2).astype(np.int64)]
    return np.sort(np.concatenate([top, spread]))
