"""What surrogates see of values: their order as normal scores, or the values themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from optuna_agnet.core.arrays import FloatArray

_LEAST = -2.0
"""Blended scores count no value as further below the median."""
_LEAST_SPACING = 1e-3
"""Of neighbouring results, in standard deviations: equal values have no slope."""


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


def standard_scores(y: FloatArray) -> FloatArray:
    """Values (N,) less their mean, in units of their standard deviation; infinite ones count as the nearest finite one.

    Example:
        >>> standard_scores(np.array([0.0, 1.0, 5.0, np.inf])).round(2)
        array([-1.21, -0.77,  0.99,  0.99])
    """
    middle, width, finite = _location(y)
    return (finite / width - middle / width) if width else np.zeros(len(y))


def zero_standard_score(y: FloatArray) -> float:
    """Where 0 lies among the standard scores of values (N,).

    Example:
        >>> zero_standard_score(np.array([1.0, 3.0]))
        -2.0
    """
    middle, width, _ = _location(y)
    return float(-middle / width) if width else 0.0


def blended_scores(y: FloatArray) -> FloatArray:
    """Values (N,) as the mean of their normal scores and of their distances from the median.

    The distance is in units of the root mean square above the median, and at least -2, so how bad the bad ones are
    counts little, and how good the good ones are counts. Ranks alone hide how much a bad learning rate costs.

    Example:
        >>> blended_scores(np.array([-99.0, 1.0, 2.0, 3.0, 5.0])).round(2)
        array([-1.64, -0.49,  0.  ,  0.49,  1.31])
    """
    return (normal_scores(y) + _above_median(y, y)) / 2


def zero_blended_score(y: FloatArray) -> float:
    """Where 0 lies among the blended scores of values (N,).

    Example:
        >>> zero_blended_score(np.array([-1.0, 0.0, 1.0])) < 0
        True
    """
    return (zero_score(y) + float(_above_median(np.zeros(1), y)[0])) / 2


def _above_median(values: FloatArray, y: FloatArray) -> FloatArray:
    """Distances (B,) of values from the median of ``y`` (N,), in units of the root mean square above it."""
    known = y[np.isfinite(y)]
    if not len(known):
        return np.zeros(len(values))
    low, high = known.min(), known.max()
    unit = float(np.abs([low, high]).max()) or 1.0  # squares of huge numbers would overflow
    finite, among = np.clip(values, low, high) / unit, np.clip(y, low, high) / unit
    above = np.maximum(among - np.median(among), 0.0)
    largest = np.ldexp(1.0, np.frexp(above.max())[1])  # a power of two: nothing is rounded
    above = above / largest  # beside a value of -1e300 squares would underflow
    width = float(largest * np.sqrt((above**2).sum() / max(1, (above > 0).sum())))
    distance = np.maximum(finite - np.median(among), _LEAST * width)
    return distance / width if width else np.zeros(len(values))


def _location(y: FloatArray) -> tuple[float, float, FloatArray]:
    """Mean and standard deviation of values (N,), and the values, infinite ones replaced by the nearest finite one."""
    known = y[np.isfinite(y)]
    if not len(known):
        return 0.0, 0.0, np.zeros(len(y))
    finite = np.clip(y, known.min(), known.max())
    unit = float(np.abs(finite).max()) or 1.0  # squares of huge numbers would overflow
    return float((finite / unit).mean()) * unit, float((finite / unit).std()) * unit, finite


@dataclass(frozen=True, slots=True)
class Target:
    """What the Gaussian process sees of an outcome's values.

    Args:
        scores: From values (N,) to targets (N,), in the same order.
        zero: Where 0 lies among the targets of values (N,).
    """

    scores: Callable[[FloatArray], FloatArray]
    zero: Callable[[FloatArray], float]

    def of(self, values: FloatArray) -> tuple[FloatArray, float]:
        """Targets of values (N,), and where 0 lies among them; at 0 where there are none."""
        return self.scores(values), self.zero(values) if len(values) else 0.0


RANKS = Target(normal_scores, zero_score)
"""The order alone: right where a few useless architectures dominate the values, or many good ones crowd at the top."""
VALUES = Target(standard_scores, zero_standard_score)
"""The values as they are: right where effects add up, as in a network of many layers."""
BLEND = Target(blended_scores, zero_blended_score)
"""Between the two: right where hyperparameters can spoil a good architecture."""


def log_slope(targets: FloatArray, scores: FloatArray) -> float:
    """Sum over N results of log dt/ds, t the targets and s the normal scores of the same values, both (N,).

    By the change of variables p(s) = p(t(s)) dt/ds, this is what must be added to the log likelihood of targets before
    it is compared with that of normal scores. The derivative is a ratio of spacings between order statistics m places
    apart (Vasicek 1976); the mean of log spacings is too low by log(2 m) - digamma(2 m), which is added.

    Example:
        >>> s = normal_scores(np.arange(50.0))
        >>> bool(abs(log_slope(2 * s, s) / 50 - np.log(2)) < 0.2)
        True
    """
    if np.array_equal(targets, scores):
        return 0.0
    n = len(scores)
    order, each = np.argsort(scores, kind="stable"), np.arange(n)
    m = max(1, round(n**0.5 / 2))
    low, high = np.maximum(each - m, 0), np.minimum(each + m, n - 1)
    apart = (high - low).astype(np.float64)
    least = _LEAST_SPACING * apart / n  # of equal values
    t, s = targets[order], scores[order]
    ratio = np.maximum(t[high] - t[low], least) / np.maximum(s[high] - s[low], least)
    bias = np.log(apart) - torch.special.digamma(torch.from_numpy(apart)).numpy()
    return float((np.log(ratio) + bias).sum())


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
