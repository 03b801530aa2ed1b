"""What samples the parameters beside an architecture unless the user gives a sampler for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.seeds import Stream, number_of, seed_from

_SEEDS = 2**32  # numpy's RandomState, which Optuna's samplers use, takes no larger ones


class TrialwiseTPE(BaseSampler):
    """Optuna's TPE with random numbers that depend on a seed, the trial's number and the parameter's name alone.

    A sampler that carries a generator from trial to trial draws the same numbers in each worker with the same seed, and
    again after each restart. Here no state is carried: workers with one seed draw different numbers, as their trials
    have different numbers, and a study that is resumed goes on as if it had never stopped.

    Args:
        seed: Of the study.

    Example:
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study(sampler=TrialwiseTPE(0))
        >>> for _ in range(2):
        ...     study.sampler = TrialwiseTPE(0)  # another worker
        ...     study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
        >>> len({trial.params["x"] for trial in study.trials})
        6
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        # does what needs no random numbers; remembers the search space
        self._shared = TPESampler(seed=0)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Parameters that all trials have."""
        return self._shared.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Parameters that all trials have, together."""
        return self._of(trial, "").sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """One parameter."""
        tpe = self._of(trial, param_name)
        return tpe.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Forwarded."""
        self._shared.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Forwarded."""
        self._shared.after_trial(study, trial, state, values)

    def _of(self, trial: FrozenTrial, name: str) -> TPESampler:
        seed = seed_from(self._seed, Stream.HYPERPARAMETERS, trial.number, number_of(name))
        return TPESampler(seed=seed % _SEEDS)
