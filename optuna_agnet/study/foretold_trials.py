"""What trainings would come to that were stopped or still run, as far as their curves tell by now.

`pruned_trials` has the estimate that a stopped training gets when it is learned. It depends on earlier trials alone, so
it never changes, and rounds of training that learned from it stay valid. What is foretold here is made anew whenever a
trial has ended; one that runs is foretold at each ask, and counts beside the results until it has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.core.ranking import signs
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.search.observations import Observations, Pairs
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.study.continuations import continued_from
from optuna_agnet.study.finished_trials import FinishedTrials
from optuna_agnet.study.study_curves import LearnedCurves, StudyCurves
from optuna_agnet.study.trials import constraints_of


class ForetoldTrials:
    """Foretells where the trials of one study would end that were stopped or still run.

    Args:
        space: What is searched.
        directions: Of the objectives.
        warn: Tells of a model that fails.
    """

    def __init__(self, space: SearchSpace, directions: Sequence[str], warn: WarnOnce) -> None:
        self._curves, self._signs, self._warn = StudyCurves(space), signs(directions), warn
        self._learned: LearnedCurves | None = None
        self._ends: Mapping[int, float] = {}

    def judged(
        self,
        observations: Observations,
        finished: FinishedTrials,
        running: Sequence[FrozenTrial],
        held: Pairs,
        hyperparameters: Hyperparameters,
    ) -> Observations | None:
        """The observations as curves foretell them, and behind them running trials; None where curves say nothing.

        Args:
            observations: Of the finished trials (N).
            finished: These trials.
            running: Trials that have not ended (P).
            held: Their architectures and hyperparameters (P).
            hyperparameters: Beside the architecture.
        """
        # who goes on with a stopped trial is that trial, which is foretold already
        rows = [k for k, t in enumerate(running) if t.intermediate_values and not continued_from(t)]
        reported = [trial for trial in finished.trials.values() if trial.intermediate_values]
        stopped = any(trial.state == TrialState.PRUNED for trial in reported)
        if len(self._signs) > 1 or not (rows or stopped):
            return None
        try:
            learned = self._curves.learn_from(reported, float(self._signs[0]), hyperparameters)
            if learned is None:
                return None
            if learned is not self._learned:
                self._learned, self._ends = learned, self._ends_of_stopped(learned)
            ends = {k: self._end(learned, running[k]) for k in rows}
        except np.linalg.LinAlgError as error:  # a trial must not die of the model
            self._warn(
                "curves",
                f"no curves could be foretold ({error}): stopped trials count by their places, and those that run not"
                " at all",
            )
            return None
        revised = replace(observations, y=self._revised(observations.y, finished))
        found = {k: end for k, end in ends.items() if end is not None}
        return revised.joined(_pseudo_results(observations, running, held, found))

    def _revised(self, y: FloatArray, finished: FinishedTrials) -> FloatArray:
        """Objectives (N, 1) of the observations, with those of stopped trials foretold."""
        numbers = list(finished.trials)
        ends = [self._ends.get(numbers[place], np.nan) for place in finished.observed()]
        foretold = np.reshape(ends, y.shape)
        return np.where(np.isnan(foretold), y, foretold)

    def _ends_of_stopped(self, learned: LearnedCurves) -> Mapping[int, float]:
        """Expected objectives by number, larger is better."""
        found = self._curves.forecasts_of_stopped(learned)
        return {number: float(forecast.mean[-1]) for number, forecast in found.items()}

    def _end(self, learned: LearnedCurves, trial: FrozenTrial) -> float | None:
        """Expected objective of one that runs, larger is better; None where its reports tell nothing."""
        forecast = self._curves.forecast(learned, trial)
        return None if forecast is None else float(forecast.mean[-1])


def _pseudo_results(
    known: Observations, running: Sequence[FrozenTrial], held: Pairs, ends: Mapping[int, float]
) -> Observations:
    """What running trials are expected to come to, by place; constraints as far as they have set them."""
    rows = list(ends)
    found = [constraints_of(running[k]) for k in rows]
    constraints = [[of_trial.get(name, np.nan) for name in known.names] for of_trial in found]
    return Observations(
        held.x[rows],
        np.reshape(list(ends.values()), (len(rows), 1)),
        np.reshape(constraints, (len(rows), len(known.names))),
        known.names,
        None if known.z is None else held.z[rows],
    )
