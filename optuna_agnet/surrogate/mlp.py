"""The paper's surrogate: an MLP on the generator's raw output, trained end to end with it (Eq. 2, Table 14)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from optuna_agnet.generator.network import initialise
from optuna_agnet.spaces.base import IntArray
from optuna_agnet.surrogate.base import Candidates, FloatArray


class MLPSurrogate(nn.Module):
    """Five linear layers with ReLU, all as wide as the input (RELEASED_CODE sec. 7: the paper says four).

    The generator's trainer fits it: its input is what the generator makes of a random z, its target the value of the
    architecture that z was trained to reconstruct. With the paper's unpaired z the two are unrelated, and the ranking
    of candidates is about random (RELEASED_CODE sec. 5).

    Args:
        width: Length of the flat scores, n A + E.
        seed: Of the initial weights.

    Example:
        >>> MLPSurrogate(84, seed=0)(torch.zeros(2, 84)).shape
        torch.Size([2])
    """

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        with torch.device("meta"):
            hidden = [layer for _ in range(4) for layer in (nn.Linear(width, width), nn.ReLU())]
            self.layers = nn.Sequential(*hidden, nn.Linear(width, 1))
        initialise(self, seed)

    def forward(self, scores: Tensor) -> Tensor:
        """Flat scores (B, n A + E) -> predictions (B,)."""
        return self.layers(scores)[:, 0]  # type: ignore[no-any-return]

    def fit(self, x: IntArray, y: FloatArray) -> None:
        """Nothing to do: it was trained together with the generator."""

    @torch.no_grad()
    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Predictions and, as it has no uncertainty, zeros.

        Candidates that no generator made are all worth the same.
        """
        size = len(candidates.x)
        if candidates.scores is None:
            return np.zeros(size), np.zeros(size)
        return self(candidates.scores).double().cpu().numpy(), np.zeros(size)
