"""One outcome's Gaussian process given its known values, with the signal's variance in closed form.

Letters: n known results among N training architectures, P others, S sources: prior studies, then scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optuna_agnet.surrogate.hyperparameters import GUESSED
from optuna_agnet.surrogate.kernel import BufferPool, KernelParams, Similarities, covariance_among


class Posterior:
    """What is believed of one outcome after its known values.

    Args:
        distances: Between all architectures of the training set.
        rows: Row numbers of the training set (n,) where the outcome is known.
        target: (n,).
        prior: What the sources predict there (n, S).
        lean: Their weights (S,) if they are right, without any results.
        kernel: Hyperparameters.
        buffers: Of this outcome.
        variance: The signal's; None estimates it.
    """

    def __init__(
        self,
        distances: Similarities,
        rows: Tensor,
        target: Tensor,
        prior: Tensor,
        lean: Tensor,
        kernel: KernelParams,
        buffers: BufferPool,
        variance: float | None = None,
    ) -> None:
        self.rows, self.target, self.prior, self.kernel = rows, target, prior, kernel
        self.lean, self.buffers = lean, buffers
        size, priors = prior.shape
        self.center, self._middle = target.sum() / max(size, 1), prior.sum(0) / max(size, 1)
        self._offset = prior - self._middle
        near = covariance_among(distances, kernel, buffers, "covariance", rows, rows)
        between = self._with_sources(near, self._offset)
        noisy, factor = buffers("noisy and its factor", 2, size, size).unbind()
        noisy.copy_(between).diagonal().add_(kernel.noise + 1e-8)
        # by columns, as LAPACK has it: nothing is copied
        self._factor = torch.linalg.cholesky(noisy, out=factor.mT)
        residual = (target - self.center - self._trend(self._offset))[:, None]
        self._alpha = torch.cholesky_solve(residual, self._factor)
        if variance is None:
            guessed = GUESSED if priors else 0
            variance = float(((residual * self._alpha).sum() + guessed) / (size + guessed))
        self.variance = variance
        fitted = self.center + (between @ self._alpha)[:, 0] + self._trend(self._offset)
        self.fitted = fitted.numpy()

    def _trend(self, offset: Tensor) -> Tensor:
        """The mean's part (P,) that follows the sources, given how far they (P, S) are from their mean."""
        return self.kernel.trust * (offset @ self.lean)

    @property
    def weights(self) -> Tensor:
        """How far each source is followed (S,): the posterior mean of its weight."""
        return (
            self.kernel.trust * self.lean + self.kernel.slack * (self._offset.T @ self._alpha)[:, 0]
        )

    def _with_sources(self, near: Tensor, offset: Tensor) -> Tensor:
        if not offset.shape[1]:
            return near
        return torch.addmm(near, self._offset, offset.T, alpha=self.kernel.slack)

    def predict(self, distances: Similarities, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (P,) of the noise-free values of others.

        Args:
            distances: Of all architectures of the training set from the others (N, P).
            prior: What prior studies and scores predict of them (P, S).
        """
        offset = prior - self._middle
        cross = self._cross(distances, offset)
        mean = self._mean(cross, offset)
        return mean, self._std(cross, offset)

    def mean(self, distances: Similarities, prior: Tensor) -> Tensor:
        """The mean alone, a fraction of the work."""
        offset = prior - self._middle
        return self._mean(self._cross(distances, offset), offset)

    def _cross(self, distances: Similarities, offset: Tensor) -> Tensor:
        """Covariances (n, P) with others."""
        near = covariance_among(distances, self.kernel, self.buffers, "cross", self.rows)
        return self._with_sources(near, offset)

    def _mean(self, cross: Tensor, offset: Tensor) -> Tensor:
        found: Tensor = self.center + (cross.T @ self._alpha)[:, 0]
        return found + self._trend(offset)

    def _std(self, cross: Tensor, offset: Tensor) -> Tensor:
        """Covariances (n, P) are whitened in place."""
        whitened = cross.T  # (P, n): this way round nothing is copied
        torch.linalg.solve_triangular(
            self._factor.T, whitened, upper=True, left=False, out=whitened
        )
        before = 1 + self.kernel.slack * (offset**2).sum(1)
        left: Tensor = (before - whitened.square_().sum(1)).clamp_min(1e-9)
        return (left * self.variance).sqrt().clamp_min(1e-9)
