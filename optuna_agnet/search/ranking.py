"""From values to ranks to weights (Eq. 3)."""

from __future__ import annotations

import numpy as np

from optuna_agnet.surrogate.base import FloatArray


def ranks(values: FloatArray) -> FloatArray:
    """How many values are strictly better (larger), for each of (N,): 0 for the best; equal values share a rank.

    Example:
        >>> ranks(np.array([0.1, 0.9, 0.9, 0.5]))
        array([3., 0., 0., 2.])
    """
    ordered = np.sort(values)
    return (len(values) - np.searchsorted(ordered, values, side="right")).astype(np.float64)


def rank_weights(rank: FloatArray, k: float) -> FloatArray:
    """Eq. 3: 1 / (k N + rank), not normalised; all 1 for an infinite ``k``.

    Example:
        >>> rank_weights(np.arange(16.0), 0.01)[:2].round(2)
        array([6.25, 0.86])
    """
    if np.isinf(k):
        return np.ones_like(rank)
    return 1 / (k * len(rank) + rank)
