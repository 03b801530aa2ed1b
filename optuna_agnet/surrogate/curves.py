"""Where a training will end, given what it has reported so far and what is trained.

A process over architecture and step: k(a, a') times a Markov chain over log-spaced steps ("rungs"). A value at a rung
is a line through the values at the two rungs before it, plus an innovation that similar architectures share:

    z_h = b_0 + b_1 z_(h-1) + b_2 z_(h-2) + f_h(a) + e_h,   f_h ~ GP(0, s2 k / (1 + nu)),   e_h ~ N(0, s2 nu / (1 + nu))

The objective is the last level of the chain, so it may be another quantity than what was reported. This is recursive
co-kriging (Kennedy and O'Hagan 2000, Le Gratiet 2014) with steps as fidelities: exact inference over all trials and
steps falls apart into one small Gaussian process a rung, with a Cholesky-sized cost of n^3 each and not of (n G)^3.
Trainings that were stopped teach all rungs that they reached. As each rung is learned given the one before, it does no
harm that only good trainings reach the late ones.

Letters: N trainings, G levels (rungs, and the objective behind them), R regressors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from optuna_agnet.core.arrays import FloatArray, IntArray

_LAGS = 2  # rungs that the next one is predicted from
_SPACING = 2.0  # of the rungs
_NOISES = (
    0.003,
    0.01,
    0.03,
    0.1,
    0.3,
    1.0,
    3.0,
    10.0,
)  # nu: own part of an innovation, in units of the shared one
_GUESSED, _VARIANCE = (
    4,
    0.1,
)  # an innovation's variance, before any data, and how many trainings that counts for
_COEFFICIENTS = ((0.0, 25.0), (0.8, 0.3), (0.0, 0.3))  # mean and variance of b before any data
_STEPS = 4  # alternations between b and s2; they settle within a per cent
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


def read(reported: Mapping[int, float], steps: IntArray, sign: float) -> FloatArray:
    """Values (G,) at some steps, larger is better: interpolated over log step; NaN before the first and after the last.

    A report of NaN is worse than any number.

    Args:
        reported: A training's values by step.
        steps: (G,).
        sign: 1 where larger values are better, else -1.

    Example:
        >>> read({1: 0.25, 4: 0.5, 9: 0.75}, np.array([0, 1, 4, 20]), 1.0)
        array([ nan, 0.25, 0.5 ,  nan])
    """
    if not reported:
        return np.full(len(steps), np.nan)
    known, values = np.fromiter(reported, np.int64), np.fromiter(reported.values(), np.float64)
    order = known.argsort()
    known, values = known[order], (sign * values[order]).clip(-_HUGE, _HUGE)
    values[np.isnan(values)] = -_HUGE
    found = np.interp(np.log1p(steps), np.log1p(known), values)
    return np.where((steps < known[0]) | (steps > known[-1]), np.nan, found)


class _Scale(NamedTuple):
    """Units of one level: values are measured from their median, in root mean squares of those above it."""

    center: float
    width: float

    @staticmethod
    def of(values: FloatArray) -> _Scale:
        """Of values (N,), of which NaN and infinite ones are left out."""
        known = values[np.abs(values) < _HUGE / 10]
        if not len(known):
            return _Scale(0.0, 1.0)
        center = float(np.median(known))
        width = math.sqrt(float(np.square(known[known >= center] - center).mean()))
        return _Scale(center, width or 1.0)

    def apply(self, values: FloatArray) -> FloatArray:
        """Values in these units, outliers drawn in."""
        with np.errstate(over="ignore"):  # of a tiny width
            units: FloatArray = np.clip((values - self.center) / self.width, _LOWEST, _HIGHEST)
        return units


class Innovation:
    """One level given those before it: a line with Gaussian coefficients, and a GP of its residuals.

    The noise is the most probable of a few values, and the variance follows in closed form. One eigendecomposition of
    the kernel serves all of them.

    Args:
        near: What the trainings have in common (n, n), 1 on the diagonal.
        regressors: (n, R), the first of them 1.
        target: (n,).
    """

    def __init__(self, near: FloatArray, regressors: FloatArray, target: FloatArray) -> None:
        values, self._vectors = np.linalg.eigh(near)
        x, y = self._vectors.T @ regressors, self._vectors.T @ target
        best = _fit(values.clip(0.0), x, y)
        self.noise, self.variance, self.coefficients = best.noise, best.variance, best.coefficients
        self._spread, self._unsure, self._regressors = best.spread, best.unsure, x
        self._weights = self._vectors @ ((y - x @ best.coefficients) / best.spread)

    def predict(self, cross: FloatArray, regressors: FloatArray) -> tuple[float, float]:
        """Mean and variance of one more, given what it shares with the others (n,) and its regressors (R,)."""
        shared = cross / (1 + self.noise)
        mean = regressors @ self.coefficients + shared @ self._weights
        rotated = self._vectors.T @ shared
        left = self.variance * max(1 - (np.square(rotated) / self._spread).sum(), 1e-6)
        # the line counts only as far as the neighbours' residuals leave it open (universal kriging)
        open_line = regressors - (rotated / self._spread) @ self._regressors
        return float(mean), float(left + open_line @ self._unsure @ open_line)


class _Fit(NamedTuple):
    noise: float
    variance: float
    coefficients: FloatArray  # (R,)
    spread: FloatArray  # (n,): eigenvalues of (near + noise I) / (1 + noise)
    unsure: FloatArray  # (R, R): covariance of the coefficients


def _fit(eigenvalues: FloatArray, x: FloatArray, y: FloatArray) -> _Fit:
    """Line and variance for all noises (K,) at once, of which the most probable one counts.

    x (n, R) and y (n,) are in the kernel's eigenvectors.
    """
    noises = np.array(_NOISES)
    spread = (eigenvalues + noises[:, None]) / (1 + noises[:, None])  # (K, n)
    before, variances = np.array(_COEFFICIENTS[: x.shape[1]]).T
    count, guess, gram = len(y) + _GUESSED, _GUESSED * _VARIANCE, x.T @ (x / spread[:, :, None])
    pull, variance = x.T @ ((y - x @ before) / spread)[:, :, None], np.full(len(noises), _VARIANCE)
    for _ in range(_STEPS):
        per = variance[:, None, None]
        precision = gram / per + np.diag(1 / variances)
        moved = np.linalg.solve(precision, pull / per)  # (K, R, 1)
        coefficients = before + moved[:, :, 0]
        left = y - (x @ coefficients[:, :, None])[:, :, 0]
        squares = (np.square(left) / spread).sum(1) + guess
        variance = squares / count
    evidence = -0.5 * (
        count * np.log(variance)
        + np.log(spread).sum(1)
        + squares / variance
        + (np.square(moved[:, :, 0]) / variances).sum(1)
        + np.linalg.slogdet(precision)[1]
    )
    k = int(evidence.argmax())
    unsure = np.linalg.inv(precision[k])
    return _Fit(_NOISES[k], float(variance[k]), coefficients[k], spread[k], unsure)


class Forecast(NamedTuple):
    """Means and standard deviations (G,) of all levels, the objective last; 0 for what was reported."""

    mean: FloatArray
    std: FloatArray

    def chance(self, goal: float) -> float:
        """How probable it is that the objective exceeds a goal."""
        return 0.5 * math.erfc((goal - self.mean[-1]) / (self.std[-1] * math.sqrt(2)))


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
        self._learned = [self._learn(z, near, level) for level in range(1, values.shape[1])]

    @staticmethod
    def _learn(z: FloatArray, near: FloatArray, level: int) -> tuple[Innovation, IntArray]:
        """A level's innovation, and the rows that it was learned from."""
        before = z[:, _before(level)]
        rows = np.flatnonzero(~np.isnan(np.column_stack([before, z[:, level]])).any(1))
        x = np.column_stack([np.ones(len(rows)), before[rows]])
        return Innovation(near[np.ix_(rows, rows)], x, z[rows, level]), rows

    def forecast(self, values: FloatArray, cross: FloatArray) -> Forecast:
        """What follows the first levels (L,) of one more training; it shares ``cross`` (N,) with the others.

        Mean and covariance go through the chain, which is linear: cov(z_h, z_j) = b cov(z_before, z_j).
        """
        size, known = len(self._scales), len(values)
        mean, covariance = np.zeros(size), np.zeros((size, size))
        mean[:known] = [s.apply(v) for s, v in zip(self._scales, values, strict=False)]
        for level in range(known, size):
            innovation, rows = self._learned[level - 1]
            before = _before(level)
            slopes = innovation.coefficients[1:]
            mean[level], own = innovation.predict(cross[rows], np.array([1.0, *mean[before]]))
            covariance[level, :level] = slopes @ covariance[before, :level]
            covariance[:level, level] = covariance[level, :level]
            covariance[level, level] = slopes @ covariance[np.ix_(before, before)] @ slopes + own
        centers, widths = np.array(self._scales).T
        return Forecast(centers + widths * mean, widths * np.sqrt(np.diag(covariance)))


def _before(level: int) -> list[int]:
    """The levels that one is predicted from, the nearest first."""
    return list(range(level - 1, max(level - 1 - _LAGS, -1), -1))
