"""Where a training will end, given what it has reported so far and what is trained.

A process over architecture and step: k(a, a') times a Markov chain over log-spaced steps ("rungs"). A value at a rung
is a line through the values at the two rungs before it, plus an innovation that similar architectures share:

    z_h = b_0 + b_1 z_(h-1) + b_2 z_(h-2) + f_h(a) + e_h,   f_h ~ GP(0, s2 k / (1 + nu)),   e_h ~ N(0, s2 nu / (1 + nu))

The objective is the last level of the chain, so it may be another quantity than what was reported. This is recursive
co-kriging (Kennedy and O'Hagan 2000, Le Gratiet 2014) with steps as fidelities: exact inference over all trials and
steps falls apart into one small Gaussian process a rung, with a Cholesky-sized cost of n^3 each and not of (n G)^3.
Trainings that were stopped teach all rungs that they reached. As each rung is learned given the one before, it does no
harm that only good trainings reach the late ones.

Letters: N trainings, P others, G levels (rungs, and the objective behind them).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.surrogate.innovations import Innovation, Whitened

_LAGS = 2  # rungs that the next one is predicted from
_SPACING = 2.0  # of the rungs
_LOWEST, _HIGHEST = -3.0, 8.0  # in widths: how bad a failed training is does not matter
_HUGE = 1e300  # stands for infinity where values are interpolated


def rungs(trainings: Sequence[Mapping[int, float]]) -> IntArray:
    """Log-spaced steps (G,) at which curves are compared: some of those that whole trainings reported, by step.

    From the median first step to the median last one, so that a training of another length does not move them.

    Example:
        >>> rungs([{epoch: 0.5 for epoch in range(1, 99)}])
        array([ 1,  3,  7, 15, 31, 63, 98])
    """
    ends = np.array([(min(reported), max(reported)) for reported in trainings])
    first, last = np.percentile(ends, 50, axis=0, method="lower").astype(int).tolist()
    chosen = [first]
    for step in sorted({step for reported in trainings for step in reported}):
        if step <= last and step + 1 >= _SPACING * (chosen[-1] + 1):
            chosen.append(step)
    return np.array([*chosen, last] if last > chosen[-1] else chosen, dtype=np.int64)


def steps_until_next(steps: IntArray) -> IntArray:
    """Steps (G,) from each rung to the next; as many behind the last, of which nothing is known, 1 where it is alone.

    Example:
        >>> steps_until_next(np.array([1, 3, 7, 15, 31]))
        array([ 2,  4,  8, 16, 16])
    """
    waits = np.diff(steps)
    return np.append(waits, waits[-1] if len(waits) else 1)


def num_passed(steps: IntArray, last: int) -> int:
    """How many of the rungs (G,) a training has passed that has come to a step.

    Example:
        >>> num_passed(np.array([1, 3, 7]), 3)
        2
    """
    return int(np.searchsorted(steps, last, side="right"))


def reaches_rung(steps: IntArray, reported: Mapping[int, float]) -> bool:
    """Whether a training's last report is the first one at or behind one of the rungs (G,).

    Example:
        >>> [reaches_rung(np.array([1, 3, 7]), dict.fromkeys(range(n), 0.5)) for n in (2, 3, 4)]
        [True, False, True]
    """
    *_, before, last = (-1, *sorted(reported))
    return bool(((steps > before) & (steps <= last)).any())


def ends_with_objective(values: FloatArray) -> bool:
    """Whether the last report is the objective, in all trainings (N, G + 1) that have both, infinity as in `read`."""
    both = values[~np.isnan(values[:, -2:]).any(1), -2:].clip(-_HUGE, _HUGE)
    return bool((both[:, 0] == both[:, 1]).all())


def read(curves: Iterable[Mapping[int, float]], steps: IntArray, sign: float) -> FloatArray:
    """Values (N, G) at some steps, larger is better: interpolated over log step; NaN outside of the reports.

    A report of NaN is worse than any number.

    Args:
        curves: Values of each training by step.
        steps: (G,).
        sign: 1 where larger values are better, else -1.

    Example:
        >>> read([{1: 0.25, 4: 0.5, 9: 0.75}], np.array([0, 1, 4, 20]), 1.0)
        array([[ nan, 0.25, 0.5 ,  nan]])
    """
    wanted = steps.tolist()
    found = [
        _interpolated(curve, steps, sign) if reported is None else reported
        for curve in curves
        for reported in [_reported(curve, wanted, sign)]
    ]
    return np.array(found, dtype=np.float64).reshape(len(found), len(steps))


def _reported(
    curve: Mapping[int, float], steps: Sequence[int], sign: float
) -> Sequence[float] | None:
    """Of a training that has reported at all of these steps on its way: most have, and need no interpolation."""
    if not curve:
        return [math.nan] * len(steps)
    first, last, found = min(curve), max(curve), []
    for step in steps:
        value = curve.get(step)
        if value is not None:
            value *= sign
            found.append(max(min(value, _HUGE), -_HUGE) if value == value else -_HUGE)
        elif first < step < last:
            return None
        else:
            found.append(math.nan)
    return found


def _interpolated(curve: Mapping[int, float], steps: IntArray, sign: float) -> FloatArray:
    known, values = np.fromiter(curve, np.int64), np.fromiter(curve.values(), np.float64)
    order = known.argsort()
    known, values = known[order], (sign * values[order]).clip(-_HUGE, _HUGE)
    values[np.isnan(values)] = -_HUGE
    found = np.interp(np.log1p(steps), np.log1p(known), values)
    return np.where((steps < known[0]) | (steps > known[-1]), np.nan, found)


class _Scale(NamedTuple):
    """Units of one level: values are measured from their median, in root mean squares of those above it.

    Where none is above, as most have reached what can be reached, in the median distance of those below.
    """

    center: float
    width: float

    @staticmethod
    def of(values: FloatArray) -> _Scale:
        """Of values (N,), of which NaN and infinite ones are left out."""
        known = values[np.abs(values) < _HUGE / 10]
        if not len(known):
            return _Scale(0.0, 1.0)
        center = float(np.median(known))
        above = known[known >= center] - center
        if not above.any() and (known < center).any():
            above = np.array([np.median(center - known[known < center])])
        unit = math.ldexp(1.0, math.frexp(above.max())[1])  # squares of huge values would overflow
        width = unit * math.sqrt(float(np.square(above / unit).mean()))
        return _Scale(center, width or 1.0)

    def apply(self, values: FloatArray) -> FloatArray:
        """Values in these units, outliers drawn in."""
        with np.errstate(over="ignore"):  # of a tiny width
            units: FloatArray = np.clip((values - self.center) / self.width, _LOWEST, _HIGHEST)
        return units


class Forecast(NamedTuple):
    """Means and standard deviations (G,) of all levels, the objective last; 0 for what was reported."""

    mean: FloatArray
    std: FloatArray
    freedom: int  # degrees of it that the deviations are estimated with

    def chance(self, goal: float) -> float:
        """How probable it is that the objective exceeds a goal.

        By Student's t, as deviations are estimated: from five whole trainings, with two degrees of freedom, they are
        half as large as the errors.
        """
        from scipy.special import stdtr  # here, as only pruners need it

        with np.errstate(over="ignore"):  # of a goal that is out of all proportion
            return float(stdtr(self.freedom, (self.mean[-1] - goal) / self.std[-1]))


class CurveModel:
    """Learns from trainings, whole and stopped, and foretells others from their first rungs. Larger is better.

    Args:
        values: At each level (N, G), the objective last; NaN where a training has none.
        near: What the trainings have in common (N, N), 1 on the diagonal: a kernel over architectures, or over whatever
            else is known of them; the identity where nothing is.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> end = rng.normal(size=20)
        >>> values = np.stack([end + rng.normal(size=20), end + 0.1 * rng.normal(size=20), end], 1)
        >>> model = CurveModel(values, np.eye(20))
        >>> early, late = (model.forecast(np.array(z), np.zeros(20)) for z in ([2.0], [2.0, 2.0]))
        >>> bool(early.std[-1] > late.std[-1]), late.chance(goal=0.0) > 0.95
        (True, True)
    """

    def __init__(self, values: FloatArray, near: FloatArray) -> None:
        self._scales = [_Scale.of(column) for column in values.T]
        z = np.stack([s.apply(v) for s, v in zip(self._scales, values.T, strict=True)], 1)
        self._learned = _learn(z, near)

    def forecast(self, values: FloatArray, cross: FloatArray) -> Forecast:
        """What follows the first levels (L,) of one more training; it shares ``cross`` (N,) with the others."""
        return self.forecasts(values[None], cross[:, None])[0]

    def forecasts(self, values: FloatArray, cross: FloatArray) -> Sequence[Forecast]:
        """What follows the first levels (P, L) of more trainings; they share ``cross`` (N, P) with the others.

        Mean and covariance go through the chain, which is linear: cov(z_h, z_j) = b cov(z_before, z_j).
        """
        centers, widths = np.array(self._scales).T
        count, known = values.shape
        mean, covariance = (np.zeros((count, *[len(widths)] * k)) for k in (1, 2))
        for level in range(known):
            mean[:, level] = self._scales[level].apply(values[:, level])
        for level in range(known, len(widths)):
            innovation, rows = self._learned[level - 1]
            before, slopes = _before(level), innovation.coefficients[1:]
            inputs = np.column_stack([np.ones(count), mean[:, before]])
            mean[:, level], own = innovation.predict(cross[rows], inputs)
            covariance[:, level, :level] = slopes @ covariance[:, before, :level]
            covariance[:, :level, level] = covariance[:, level, :level]
            covariance[:, level, level] = covariance[:, level, before] @ slopes + own
        means = centers + widths * mean
        stds = widths * np.sqrt(covariance.diagonal(axis1=1, axis2=2))
        freedom = self._learned[-1][0].freedom  # of the link that fewest have
        return [Forecast(mean, std, freedom) for mean, std in zip(means, stds, strict=True)]


def _learn(z: FloatArray, near: FloatArray) -> Sequence[tuple[Innovation, IntArray]]:
    """The innovation of each level (N, G) but the first, and the rows that it was learned from."""
    levels = range(1, z.shape[1])
    known = ~np.isnan(z)
    columns = np.column_stack([np.where(known, z, 0.0), np.ones(len(z))])
    has = np.array([known[:, [level, *_before(level)]].all(1) for level in levels], dtype=bool)
    links = has.reshape(-1, len(z)).sum(0)

    def whitened(rows: IntArray) -> Whitened:
        return Whitened.of(near[np.ix_(rows, rows)], columns[rows])

    order = np.argsort(-links, kind="stable")[: (links > 0).sum()]
    of_all, learned = whitened(order), []
    for level, mask in zip(levels, has, strict=True):
        rows = order[: mask.sum()]
        own = of_all.head(len(rows))
        if not mask[rows].all():  # a training that began late has no first links
            rows = np.flatnonzero(mask)
            own = whitened(rows)
        learned.append((Innovation(own, [-1, *_before(level)], level), rows))
    return learned


def _before(level: int) -> list[int]:
    """The levels that one is predicted from, the nearest first."""
    return list(range(level - 1, max(level - 1 - _LAGS, -1), -1))
