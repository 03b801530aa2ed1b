"""One link of a chain of curves, given those before it: a line, and a Gaussian process of what is left.

Links are learned from ever fewer of the same trainings. Ordered by how far they came, those of each link are the first
ones, and the Cholesky factor of a matrix's corner is the corner of its factor: one a noise serves all links.

Letters: n trainings, P others, C columns, R regressors, K noises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from optuna_agnet.core.arrays import FloatArray

_NOISES = np.array([0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0])
"""nu (K,): own part of an innovation, in units of the shared one."""
_GUESSED, _VARIANCE = 4, 0.1
"""An innovation's variance, before any data, and how many trainings that counts for."""
_COEFFICIENTS = ((0.0, 25.0), (0.8, 0.3), (0.0, 0.3))  # mean and variance of b before any data
_STEPS = 4  # alternations between b and s2; they settle within a per cent


class Whitened(NamedTuple):
    """Columns multiplied by the inverse Cholesky factors of ``(near + nu I) / (1 + nu)``, for all noises.

    What a kernel makes dependent is independent then, with variance 1.
    """

    factors: FloatArray  # (K, n, n)
    columns: FloatArray  # (K, n, C)

    @staticmethod
    def of(near: FloatArray, columns: FloatArray) -> Whitened:
        """Of what trainings have in common (n, n), 1 on the diagonal, and columns (n, C).

        Raises:
            numpy.linalg.LinAlgError: ``near`` is no kernel.
        """
        parts = near / (1 + _NOISES[:, None, None])
        parts[:, range(len(near)), range(len(near))] += (_NOISES / (1 + _NOISES))[:, None]
        factors = np.linalg.cholesky(parts)
        return Whitened(factors, _solved(factors, columns))

    def head(self, n: int) -> Whitened:
        """Of the first trainings alone."""
        return Whitened(self.factors[:, :n, :n], self.columns[:, :n])


class Innovation:
    """One level given those before it: a line with Gaussian coefficients, and a GP of its residuals.

    The noise is the most probable of a few values, and the variance follows in closed form.

    Args:
        whitened: Columns of the trainings.
        regressors: Which of them are regressors (R,), the first one constant.
        target: Which one is foretold.
    """

    def __init__(self, whitened: Whitened, regressors: Sequence[int], target: int) -> None:
        x, y = whitened.columns[:, :, regressors], whitened.columns[:, :, target]
        fit = _fit(x, y, np.log(whitened.factors.diagonal(axis1=1, axis2=2)).sum(1))
        self.noise, self.variance, self.coefficients = fit.noise, fit.variance, fit.coefficients
        self._unsure, self._factor = fit.unsure, whitened.factors[fit.number]
        self._regressors = x[fit.number]
        self._residuals = y[fit.number] - self._regressors @ fit.coefficients

    @property
    def freedom(self) -> int:
        """Degrees of it that are left for the variance, at least 1."""
        return max(len(self._residuals) - len(self.coefficients), 1)

    def predict(self, cross: FloatArray, regressors: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means and variances (P,) of others, given what they share with these (n, P) and their regressors (P, R)."""
        shared = _solved(self._factor, cross / (1 + self.noise)).T
        mean = regressors @ self.coefficients + shared @ self._residuals
        left = self.variance * np.maximum(1 - np.square(shared).sum(1), 1e-6)
        # the line counts only as far as the neighbours' residuals leave it open (universal kriging)
        open_line = regressors - shared @ self._regressors
        return mean, left + ((open_line @ self._unsure) * open_line).sum(1)


class _Fit(NamedTuple):
    number: int  # of the noise
    noise: float
    variance: float
    coefficients: FloatArray  # (R,)
    unsure: FloatArray  # (R, R): covariance of the coefficients


def _fit(x: FloatArray, y: FloatArray, halves: FloatArray) -> _Fit:
    """Line and variance for all noises (K,) at once, of which the most probable one counts.

    x (K, n, R) and y (K, n) are whitened; ``halves`` (K,) are the logarithms of the factors' determinants.
    """
    before, variances = np.array(_COEFFICIENTS[: x.shape[2]]).T
    count, guess = y.shape[1] + _GUESSED, _GUESSED * _VARIANCE
    turned = x.transpose(0, 2, 1)
    gram, pull = turned @ x, turned @ (y - x @ before)[:, :, None]
    variance = np.full(len(x), _VARIANCE)
    for _ in range(_STEPS):
        per = variance[:, None, None]
        precision = gram / per + np.diag(1 / variances)
        moved = np.linalg.solve(precision, pull / per)  # (K, R, 1)
        coefficients = before + moved[:, :, 0]
        left = y - (x @ coefficients[:, :, None])[:, :, 0]
        squares = np.square(left).sum(1) + guess
        variance = squares / count
    evidence = -0.5 * (
        count * np.log(variance)
        + 2 * halves
        + squares / variance
        + (np.square(moved[:, :, 0]) / variances).sum(1)
        + np.linalg.slogdet(precision)[1]
    )
    k = int(evidence.argmax())
    unsure = np.linalg.inv(precision[k])
    return _Fit(k, float(_NOISES[k]), float(variance[k]), coefficients[k], unsure)


def _solved(factors: FloatArray, columns: FloatArray) -> FloatArray:
    """Lower triangular factors (..., n, n) solved for columns (n, C)."""
    some = torch.from_numpy(factors), torch.from_numpy(columns)
    found: FloatArray = torch.linalg.solve_triangular(*some, upper=False).numpy()
    return found
