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
from optuna_agnet.core.seeds import Stream, number_of, seed_from
from optuna_agnet.spaces.hyperparameters import Hyperparameter, Hyperparameters, Value
from optuna_agnet.torch_settings import isolated_torch_settings

_EIGHT = 8
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
    pairs = zip(hyperparameters.parameters, shares, strict=True)
    return np.array([_entry(parameter, share) for parameter, share in pairs])


def start_value(parameter: Hyperparameter, position: int, seed: int) -> Value:
    """The value of a hyperparameter whose like nobody has seen yet: where several workers begin a study at once.

    Eight in a row have one in each eighth of what is probable, in an order of the parameter's own: a Latin hypercube
    (McKay, Beckman and Conover 1979), which needs no knowledge of the other parameters.

    Args:
        parameter: Of which the value is.
        position: Of the proposal.
        seed: Of the search.

    Example:
        >>> rate = Hyperparameter("lr", 1e-4, 1.0, log=True)
        >>> rates = [start_value(rate, position, seed=0) for position in range(8)]
        >>> sum(1e-3 < lr < 1e-1 for lr in rates) in (5, 6)  # two thirds are in the middle half
        True
    """
    name = number_of(parameter.name)
    group, place = divmod(position, _EIGHT)
    eighths = np.random.default_rng(seed_from(seed, Stream.START, name, group)).permutation(_EIGHT)
    within = np.random.default_rng(seed_from(seed, Stream.START, name, group, place)).random()
    return parameter.value(_entry(parameter, (eighths[place] + within) / _EIGHT))


def _entry(parameter: Hyperparameter, share: float) -> float:
    """The column's entry at a share of what is probable, from 0 to 1."""
    ends_seldom = not parameter.choices and (parameter.size is None or parameter.size > _LISTED)
    return float(parameter.at(np.array([_toward_middle(share) if ends_seldom else share]))[0])


def _toward_middle(share: float) -> float:
    """The quantile of Beta(2, 2): the inverse of F(q) = 3 q^2 - 2 q^3."""
    return 0.5 - float(np.sin(np.arcsin(1 - 2 * share) / 3))
