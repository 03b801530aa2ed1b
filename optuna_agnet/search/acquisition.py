"""How candidates are ranked: from a prediction to one number each, the larger the better."""

from __future__ import annotations

import numpy as np
import torch

from optuna_agnet.surrogate.base import FloatArray


def expected_improvement(mean: FloatArray, std: FloatArray, best: float) -> FloatArray:
    """E[max(f - best, 0)] of f ~ N(mean, std^2), all (B,) (Jones et al. 1998).

    Example:
        >>> expected_improvement(np.array([0.0, 1.0]), np.array([1.0, 1.0]), 0.0).round(3)
        array([0.399, 1.083])
    """
    u = torch.from_numpy((mean - best) / std)
    density = torch.exp(-0.5 * u**2) / (2 * np.pi) ** 0.5
    return std * (u * torch.special.ndtr(u) + density).numpy()  # type: ignore[no-any-return]
