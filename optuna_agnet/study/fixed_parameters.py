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
from optuna_agnet.study.claims import settled


@dataclass(frozen=True, slots=True)
class Fixed:
    """What is fixed for a trial.

    Args:
        decisions: By name.
        hyperparameters: (H,), NaN where they are free.
        by_sampler: Whether decisions are fixed for all trials alike: then a used up space ends the study.
    """

    decisions: Mapping[str, Choice]
    hyperparameters: FloatArray
    by_sampler: bool

    @classmethod
    def of(
        cls, study: Study, trial: FrozenTrial, space: SearchSpace, hyperparameters: Hyperparameters
    ) -> Fixed:
        """What `PartialFixedSampler` fixes, and before that what `enqueue_trial` or an earlier attempt did."""
        of_all, of_trial = partially_fixed(study), settled(trial)
        params = {**of_all, **of_trial}
        if not params:
            return cls({}, np.full(len(hyperparameters), np.nan), True)
        by_sampler, by_trial = space.known_choices(of_all), space.known_choices(of_trial)
        decisions = {**by_sampler, **by_trial}
        return cls(decisions, hyperparameters.rows([params])[0], decisions == by_sampler)

    def all_params(
        self, space: SearchSpace, hyperparameters: Hyperparameters
    ) -> dict[str, Any] | None:
        """All parameters of the trial by name, where nothing is left to choose; None where something is."""
        single = {d.name: d.choices[0] for d in space.decisions if len(d.choices) == 1}
        decisions = {**single, **self.decisions}
        if len(decisions) < len(space.decisions) and not self.decisions:
            return None
        if np.isnan(self.hyperparameters).any() or not space.is_complete(decisions):
            return None
        return {**decisions, **hyperparameters.values(self.hyperparameters)}


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
