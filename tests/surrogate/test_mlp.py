"""The paper's surrogate: what its errors count for."""

from __future__ import annotations

import pytest
import torch

from optuna_agnet.generator.network import Scores
from optuna_agnet.surrogate.mlp import MLPSurrogate


@pytest.mark.parametrize(
    ("outputs", "share", "expected"),
    [(1, 0.3, (1.0,)), (2, 0.3, (0.3, 0.7)), (3, 0.5, (0.5, 0.25, 0.25))],
)
def test_the_first_outcome_has_its_share_and_the_others_the_rest(
    outputs: int, share: float, expected: tuple[float, ...]
) -> None:
    assert MLPSurrogate(7, outputs, share=share).shares == pytest.approx(expected)


def test_each_outcome_has_squared_errors_of_its_own() -> None:
    surrogate, targets = (
        MLPSurrogate(7, 2, seed=1),
        torch.tensor([[1.0, 0.0], [0.0, 0.5], [1.0, 1.0]]),
    )
    scores = Scores(torch.randn(3, 2, 3), torch.randn(3, 1))
    predicted = surrogate(scores.flat())
    found = surrogate.losses(scores, targets, torch.Generator())
    assert found.shape == (2, 3)
    for k in range(2):
        for b in range(3):
            error = float(predicted[b, k] - targets[b, k])
            assert float(found[k, b]) == pytest.approx(error**2, rel=1e-5)
