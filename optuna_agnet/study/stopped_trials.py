"""What stopped trainings would have come to, as far as their curves tell by now.

`pruned_trials` has the estimate that they get when they are learned. It depends on earlier trials alone, so it never
changes, and rounds of training that learned from it stay valid. This one is made anew whenever a trial has ended.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.trial import TrialState

from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.core.ranking import signs
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.study.finished_trials import FinishedTrials
from optuna_agnet.study.study_curves import LearnedCurves, StudyCurves


class StoppedTrials:
    """Foretells where the stopped trials of one study would have ended.

    Args:
        space: What is searched.
        directions: Of the objectives.
        warn: Tells of a model that fails.
    """

    def __init__(self, space: SearchSpace, directions: Sequence[str], warn: WarnOnce) -> None:
        self._curves, self._signs, self._warn = StudyCurves(space), signs(directions), warn
        self._learned: LearnedCurves | None = None
        self._ends: dict[int, float] = {}

    def revised(
        self, finished: FinishedTrials, hyperparameters: Hyperparameters
    ) -> FloatArray | None:
        """Objectives (N, 1) of the observations, what curves foretell in the place of estimates; None where none."""
        if len(self._signs) > 1:
            return None
        trials = [trial for trial in finished.trials.values() if trial.intermediate_values]
        if all(trial.state != TrialState.PRUNED for trial in trials):
            return None
        try:
            learned = self._curves.learn_from(trials, float(self._signs[0]), hyperparameters)
            if learned is not self._learned:
                self._learned, self._ends = learned, _ends(self._curves, learned)
        except np.linalg.LinAlgError as error:  # a trial must not die of the model
            self._warn(
                "curves",
                f"no curves could be foretold ({error}): stopped trials count by their places",
            )
            return None
        y: FloatArray = finished.observations.y.copy()
        numbers = list(finished.trials)
        for row, place in enumerate(finished.observed()):
            y[row] = self._ends.get(numbers[place], y[row, 0])
        return y


def _ends(curves: StudyCurves, learned: LearnedCurves | None) -> dict[int, float]:
    """Expected objectives of stopped trials by number, larger is better."""
    if learned is None:
        return {}
    found = curves.forecasts_of_stopped(learned)
    return {number: float(forecast.mean[-1]) for number, forecast in found.items()}
