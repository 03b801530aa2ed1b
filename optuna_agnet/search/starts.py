"""The start of a search with hyperparameters: random architectures, each with values from a sequence that fills ranges.

Values drawn one by one leave gaps: of eight learning rates, often none is in the right quarter. Those of a scrambled
Sobol sequence (Owen 1998) have one in each eighth of each range. And who sets a range means it to hold the best value,
rather in the middle than at its ends; so ends are tried less.

Letters: H hyperparameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.core.seeds import Stream, seed_from
from optuna_agnet.spaces.hyperparameters import Hyperparameter, Hyperparameters
from optuna_agnet.torch_settings import isolated_torch_settings

_LISTED = 8
"""So few values are each there on purpose, the first and the last as well."""


def start_values(hyperparameters: Hyperparameters, position: int, seed: int) -> FloatArray:
    """Hyperparameters (H,) of a random start.

    Args:
        hyperparameters: What is searched, at least one.
        position: Of the proposal.
        seed: Of the search.

    Example:
        >>> from optuna.distributions import FloatDistribution
        >>> rate = Hyperparameters.of({"lr": FloatDistribution(1e-4, 1.0, log=True)})
        >>> bool(0 < start_values(rate, 0, seed=0)[0] < 1)
        True
    """
    scramble = seed_from(seed, Stream.START)
    with isolated_torch_settings():
        sobol: Any = torch.quasirandom.SobolEngine(len(hyperparameters), True, scramble)  # type: ignore[no-untyped-call]
        shares = sobol.fast_forward(position).draw(1, dtype=torch.float64)[0].numpy()
    return np.array(
        [
            p.at(np.array([_toward_middle(share) if _is_range(p) else share]))[0]
            for p, share in zip(hyperparameters.parameters, shares, strict=True)
        ]
    )


def _is_range(parameter: Hyperparameter) -> bool:
    return not parameter.choices and (parameter.size is None or parameter.size > _LISTED)


def _toward_middle(share: float) -> float:
    """The quantile of Beta(2, 2): the inverse of F(q) = 3 q^2 - 2 q^3."""
    return 0.5 - float(np.sin(np.arcsin(1 - 2 * share) / 3))
