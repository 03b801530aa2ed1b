"""What a trial does not leave to the search: decisions and hyperparameters that were fixed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.spaces.base import Choice, SearchSpace
from optuna_agnet.spaces.hyperparameters import Hyperparameters

_FIXED = "fixed_params"  # where Optuna keeps what `enqueue_trial` was given


@dataclass(frozen=True, slots=True)
class Fixed:
    """What is fixed for a trial.

    Args:
        decisions: By name.
        hyperparameters: (H,), NaN where they are free.
        by_sampler: Whether all of that is fixed for all trials alike: then a used up space ends the study.
        everything: All parameters of the trial by name, where nothing is left to choose; None where something is.
    """

    decisions: Mapping[str, Choice]
    hyperparameters: FloatArray
    by_sampler: bool
    everything: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls, study: Study, trial: FrozenTrial, space: SearchSpace, hyperparameters: Hyperparameters
    ) -> Fixed:
        """What `PartialFixedSampler` fixes, and before that what `enqueue_trial` or an earlier attempt did."""
        of_all, of_trial = partially_fixed(study), settled(trial)
        z = hyperparameters.free
        if not of_all and not of_trial and any(len(d.choices) > 1 for d in space.decisions):
            return cls({}, z, True)
        by_sampler, by_trial = space.known_choices(of_all), space.known_choices(of_trial)
        decisions = {**by_sampler, **by_trial}
        z_of_all, z = hyperparameters.rows([of_all, {**of_all, **of_trial}])
        single = {d.name: d.choices[0] for d in space.decisions if len(d.choices) == 1}
        everything = None
        if not np.isnan(z).any() and space.is_complete({**single, **decisions}):
            everything = {**single, **decisions, **hyperparameters.values(z)}
        alike = np.array_equal(z, z_of_all, equal_nan=True)
        return cls(decisions, z, alike and decisions == by_sampler, everything)


def settled(trial: FrozenTrial) -> dict[str, object]:
    """Parameters that a trial has, or that it was enqueued with."""
    fixed = trial.system_attrs.get(_FIXED)
    return {**(fixed if isinstance(fixed, dict) else {}), **trial.params}


def decisions_fixed_for_all(study: Study, space: SearchSpace) -> dict[str, Choice]:
    """Decisions that `PartialFixedSampler` settles, those that the space knows."""
    return space.known_choices(partially_fixed(study))


def partially_fixed(study: Study) -> dict[str, object]:
    """All parameters that `PartialFixedSampler` settles."""
    sampler: BaseSampler = study.sampler
    fixed: dict[str, object] = {}
    while isinstance(sampler, PartialFixedSampler):
        fixed = {**sampler._fixed_params, **fixed}
        sampler = sampler._base_sampler
    return fixed
