"""AG-Net in Ray Tune: `OptunaSearch` with an architecture space, and limits on metrics that trials report."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from optuna_agnet import AGNetSampler
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.attributes import is_repeated, set_constraint

_CHECK = "TUNE_DISABLE_STRICT_METRIC_CHECKING"


class AGNetSearch(OptunaSearch):
    """A ``search_alg`` for `tune.TuneConfig`; a trial's architecture is ``space.from_params(config)``.

    The sampler lives in the driver, which alone reads and writes the study; workers only train. Every trial ends:
    completed with its metric, pruned where it returned without one, failed where it broke down or its metric is NaN
    (diverged), which does not count as failure where a limit is broken.

    Args:
        space: The architectures.
        metric: What a trial reports, or a list of it.
        mode: "max" or "min", or a list of it.
        limits: Most that other reported metrics may be, such as ``{"latency_ms": 4.0}``. A trial that breaks one may
            return ``metric`` as NaN, or not at all where Tune's own check is off (set the environment variable
            TUNE_DISABLE_STRICT_METRIC_CHECKING to 1 before): it is learned from all the same.
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
        >>> len(space.from_params(config).nodes)
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
        _warn_of_strict_check(self.limits)
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
        if not is_repeated(self.study, self._ot_trials[trial_id]):
            return params
        self.study.tell(self._ot_trials.pop(trial_id), state=TrialState.PRUNED)
        return str(Searcher.FINISHED)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report a value on the way; a result without one, or with NaN, says nothing about the objective."""
        if self._values(result) is not None:
            super().on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Store what a trial reported of the limits, then its result."""
        known = result or {}
        if trial_id not in self._completed_trials:
            broken = self._set_constraints(trial_id, known)
            if known and self._values(known) is None:
                error = error or not (broken or self._lacks_metrics(known))
                result = None  # a number that is none would leave the trial running in the study
        super().on_trial_complete(trial_id, result, error)

    def _values(self, result: dict[str, Any]) -> list[float] | None:
        """The objectives, or None where one is missing or no number."""
        try:
            values = [float(result[name]) for name in self._metrics]
        except (KeyError, TypeError, ValueError):
            return None
        return None if any(map(math.isnan, values)) else values

    def _lacks_metrics(self, result: dict[str, Any]) -> bool:
        return any(name not in result for name in self._metrics)

    @property
    def _metrics(self) -> list[str]:
        return self.metric if isinstance(self.metric, list) else [self.metric]

    def _set_constraints(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Store by how much each limit is exceeded; whether one is."""
        trial, broken = self._ot_trials[trial_id], False
        for name in self.limits.keys() & result.keys():
            excess = float(result[name]) - self.limits[name]
            if math.isnan(excess):
                warnings.warn(
                    f"trial {trial_id} reported {name}={result[name]}; its limit counts as unknown",
                    UserWarning,
                    stacklevel=3,
                )
            else:
                set_constraint(self.study, trial, name, excess)
                broken |= excess > 0
        return broken


def _warn_of_strict_check(limits: Mapping[str, float]) -> None:
    """Tune raises where a result lacks a metric, which ends all trials; any setting of the variable is an answer."""
    if limits and _CHECK not in os.environ:
        warnings.warn(
            "Ray Tune ends the whole run at the first trial that returns without its metric. If a trial that breaks a"
            f" limit may do so, set os.environ['{_CHECK}'] = '1' before; if it returns float('nan') for it instead,"
            " or always reports it, set '0'",
            UserWarning,
            stacklevel=3,
        )
