"""Values as normal scores: what the Gaussian process sees of them is their order."""

from __future__ import annotations

import numpy as np
import torch

from optuna_agnet.core.arrays import FloatArray


def normal_scores(y: FloatArray) -> FloatArray:
    """Values (N,) as normal quantiles of their ranks; equal values get equal scores, infinite ones are fine.

    Example:
        >>> normal_scores(np.array([0.0, 5.0, np.inf])).round(2)
        array([-0.97,  0.  ,  0.97])
    """
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return _quantile(middle[inverse] / len(y))


def zero_score(y: FloatArray) -> float:
    """Where 0 lies among the normal scores of values (N,): just below those that are not negative.

    A quarter of a rank beyond all of them where they have one sign.

    Example:
        >>> (
        ...     zero_score(np.array([-2.0, -1.0, 3.0, 4.0])),
        ...     round(zero_score(np.array([-2.0, -1.0])), 2),
        ... )
        (0.0, 1.15)
    """
    share = np.clip((y < 0).mean(), 0.25 / len(y), 1 - 0.25 / len(y))
    return float(_quantile(np.asarray(share)))


def _quantile(share: FloatArray) -> FloatArray:
    return torch.special.ndtri(torch.from_numpy(share)).numpy()  # type: ignore[no-any-return]


def unit_range(y: FloatArray) -> FloatArray:
    """Columns of values (N, K) scaled to [0, 1], infinite ones to the nearest end, unknown ones to the lower.

    The paper's surrogate regresses accuracies in [0, 1] (docs/released_code.md, sec. 5); in percent their loss would
    drown the generator's.

    Example:
        >>> unit_range(np.array([[1.0], [np.inf], [3.0], [np.nan]])).ravel()
        array([0., 1., 1., 0.])
    """
    low, width = _quarter_span(y)
    return np.nan_to_num(np.clip((y / 4 - low) / width, 0.0, 1.0), nan=0.0)


def zero_in_unit_range(y: FloatArray) -> FloatArray:
    """(K,): where 0 lies among the columns of values (N, K) that `unit_range` has scaled.

    Example:
        >>> zero_in_unit_range(np.array([[-1.0, 5.0], [3.0, 6.0]]))
        array([ 0.25, -5.  ])
    """
    low, width = _quarter_span(y)
    return -low / width


def _quarter_span(y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A quarter of the smallest finite value and of the width, both (K,); width 1 where all are equal or unknown.

    Quarters, as the width of -1e308 and 1e308 is no float; by a power of two, nothing is rounded.
    """
    known = np.isfinite(y)
    some = known.any(0)
    low = np.where(some, np.where(known, y, np.inf).min(0), 0.0) / 4
    high = np.where(some, np.where(known, y, -np.inf).max(0), 0.0) / 4
    return low, np.where(high > low, high - low, 0.25)
