"""The paper's surrogate: an MLP on the generator's raw output, trained end to end with it (Eq. 2, Table 14)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.generator.network import Scores, initialise
from optuna_agnet.generator.training import Head
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.targets import zero_in_unit_range


class MLPSurrogate(Head):
    """Five linear layers with ReLU, all as wide as the input (docs/released_code.md, sec. 7: the paper says four).

    The generator's trainer fits it: its input is what the generator makes of a random z, its target the value of the
    architecture that z was trained to reconstruct. With the paper's unpaired z the two are unrelated, and the ranking
    of candidates is about random (docs/released_code.md, sec. 5).

    Args:
        width: Length of the flat scores, n A + E.
        outputs: K, objectives and constraints.
        seed: Of the initial weights.
        share: Of the first output's errors in the loss; the others have equal parts of the rest.

    Example:
        >>> MLPSurrogate(84, 2, seed=0)(torch.zeros(3, 84)).shape
        torch.Size([3, 2])
    """

    feasibility_threshold: FloatArray
    fitted: FloatArray

    def __init__(self, width: int, outputs: int = 1, *, seed: int = 0, share: float = 0.5) -> None:
        super().__init__()
        self.outputs, others = outputs, outputs - 1
        self.shares = (share, *[(1 - share) / others] * others) if others else (1.0,)
        with torch.device("meta"):
            hidden = [layer for _ in range(4) for layer in (nn.Linear(width, width), nn.ReLU())]
            self.layers = nn.Sequential(*hidden, nn.Linear(width, outputs))
        initialise(self, seed)

    def forward(self, scores: Tensor) -> Tensor:
        """Flat scores (B, n A + E) -> predictions (B, K)."""
        return self.layers(scores)  # type: ignore[no-any-return]

    def losses(self, scores: Scores, targets: Tensor, rng: torch.Generator) -> Tensor:
        """Squared errors, one term an outcome (Eq. 6): (K, B)."""
        return ((self(scores.flat()) - targets) ** 2).T  # type: ignore[no-any-return]

    def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None:
        """Only take note of where 0 lies: it was trained together with the generator, on `unit_range` of ``y``."""
        self.feasibility_threshold = zero_in_unit_range(y)
        self.fitted = np.full(y.shape, np.nan)

    @torch.no_grad()
    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Predictions and, as it has no uncertainty, zeros.

        Candidates that no generator made are all worth the same.
        """
        shape = len(candidates.x), self.outputs
        if candidates.scores is None:
            return np.zeros(shape), np.zeros(shape)
        return self(candidates.scores).double().cpu().numpy(), np.zeros(shape)

    def condition_on_pending(self, x: IntArray) -> None:
        """Nothing: it does not know what is being evaluated."""
