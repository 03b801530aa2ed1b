"""Small fully connected networks, an ensemble trained at once.

Letters: E members, N examples, F features, H units of the last hidden layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from optuna_agnet.core.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Shape and training of the members of an ensemble; see the methods for the settings of each paper."""

    members: int
    hidden: tuple[int, ...]
    activation: Callable[[Tensor], Tensor]
    loss: Literal["l1", "l2"]
    epochs: int
    batch_size: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)


class Networks:
    """Members differ in their initial weights (Glorot, as in Keras) and in the order of their batches.

    Example:
        >>> config = NetworkConfig(3, (8,), torch.tanh, "l2", epochs=2, batch_size=4, lr=0.01)
        >>> x, rng = np.eye(5), np.random.default_rng(0)
        >>> Networks(config, x, np.arange(5.0), rng).predict(x).shape
        (3, 5)
    """

    def __init__(
        self, config: NetworkConfig, x: FloatArray, y: FloatArray, rng: np.random.Generator
    ) -> None:
        self.config = config
        self._rng = torch.Generator().manual_seed(int(rng.integers(2**62)))
        widths = (x.shape[1], *config.hidden, 1)
        self._weights = [self._glorot(i, o) for i, o in pairwise(widths)]
        self._biases = [torch.zeros(config.members, 1, o, requires_grad=True) for o in widths[1:]]
        self._fit(torch.from_numpy(x).float(), torch.from_numpy(y).float())

    def _glorot(self, fan_in: int, fan_out: int) -> Tensor:
        drawn = torch.rand(self.config.members, fan_in, fan_out, generator=self._rng)
        weight: Tensor = (2 * drawn - 1) * (6 / (fan_in + fan_out)) ** 0.5
        return weight.requires_grad_()

    def _fit(self, x: Tensor, y: Tensor) -> None:
        config, shape = self.config, (self.config.members, len(x))
        optimizer = torch.optim.Adam(
            [*self._weights, *self._biases], lr=config.lr, betas=config.betas
        )
        for _ in range(config.epochs):
            order = torch.rand(shape, generator=self._rng).argsort(1)  # (E, N)
            for batch in torch.split(order, config.batch_size, dim=1):
                error = self._forward(x[batch])[..., 0] - y[batch]
                loss = error.abs() if config.loss == "l1" else error**2
                optimizer.zero_grad()
                loss.mean(1).sum().backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    def _forward(self, x: Tensor, layers: int | None = None) -> Tensor:
        """(E, N, F) -> (E, N, units of the last of ``layers``; default: the output, 1)."""
        for weight, bias in list(zip(self._weights, self._biases, strict=True))[:layers]:
            x = torch.baddbmm(bias, x, weight)
            if weight is not self._weights[-1]:
                x = self.config.activation(x)
        return x

    @torch.no_grad()
    def predict(self, x: FloatArray) -> FloatArray:
        """Features (N, F) -> predictions (E, N)."""
        return self._forward(self._expanded(x))[..., 0].double().numpy()

    @torch.no_grad()
    def features(self, x: FloatArray) -> FloatArray:
        """Features (N, F) -> what the last hidden layer makes of them (E, N, H)."""
        hidden = self._forward(self._expanded(x), layers=-1)
        return hidden.double().numpy()

    def _expanded(self, x: FloatArray) -> Tensor:
        return torch.from_numpy(x).float().expand(self.config.members, *x.shape)
