"""AG-Net in Ray Tune: `OptunaSearch` with an architecture space, and limits on metrics that trials report."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from optuna_agnet import AGNetSampler
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study import storage_view


class AGNetSearch(OptunaSearch):
    """A ``search_alg`` for `tune.TuneConfig`; a trial's architecture is ``space.from_params(config)``.

    The sampler lives in the driver, which alone reads and writes the study; workers only train.

    Args:
        space: The architectures.
        metric: What a trial reports, or a list of it.
        mode: "max" or "min", or a list of it.
        limits: Most that other reported metrics may be, such as ``{"latency_ms": 4.0}``. A trial that breaks one may
            return without reporting ``metric``: it is learned from all the same.
        hyperparameters: Optuna distributions of everything that is tuned beside the architecture.
        sampler: Default ``AGNetSampler(space, seed=seed)``.
        seed: Of the default sampler.
        arguments: More of `OptunaSearch`, such as ``storage`` and ``study_name``.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> search = AGNetSearch(
        ...     space, metric="accuracy", mode="max", limits={"latency_ms": 4.0}, seed=0
        ... )
        >>> config = search.suggest("trial-1")
        >>> len(space.from_params(config).types)
        8
        >>> search.on_trial_complete("trial-1", {"accuracy": 0.9, "latency_ms": 3.5})
        >>> from optuna_agnet.study.trials import constraints_of
        >>> constraints_of(search.study.trials[0])
        {'latency_ms': -0.5}
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        metric: str | list[str],
        mode: str | list[str],
        limits: Mapping[str, float] | None = None,
        hyperparameters: Mapping[str, BaseDistribution] | None = None,
        sampler: AGNetSampler | None = None,
        seed: int | None = None,
        **arguments: Any,
    ) -> None:
        self.limits = dict(limits or {})
        super().__init__(
            space={**(hyperparameters or {}), **space.distributions()},
            metric=metric,
            mode=mode,
            sampler=sampler or AGNetSampler(space, seed=seed),
            **arguments,
        )

    @property
    def study(self) -> Any:
        """The Optuna study, for `best_trials`, figures and reports."""
        return self._ot_study

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """A trial's parameters; `Searcher.FINISHED` once every architecture was proposed, which ends the experiment.

        Raises:
            SpaceExhausted: No architecture keeps the sampler's known constraints (a ValueError).
        """
        params: dict[str, Any] = super().suggest(trial_id)
        if not storage_view.is_repeated(self.study, self._ot_trials[trial_id]):
            return params
        self.study.tell(self._ot_trials.pop(trial_id), state=TrialState.PRUNED)
        return str(Searcher.FINISHED)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Store what a trial reported of the limits, then its result."""
        if trial_id not in self._completed_trials:
            self._set_constraints(trial_id, result or {})
        super().on_trial_complete(trial_id, result, error)

    def _set_constraints(self, trial_id: str, result: dict[str, Any]) -> None:
        trial = self._ot_trials[trial_id]
        for name in self.limits.keys() & result.keys():
            excess = float(result[name]) - self.limits[name]
            if math.isnan(excess):
                warnings.warn(
                    f"trial {trial_id} reported {name}={result[name]}; its limit counts as unknown",
                    UserWarning,
                    stacklevel=3,
                )
            else:
                storage_view.set_constraint(self.study, trial, name, excess)
