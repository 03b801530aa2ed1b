"""What the finished trials of a study teach about where others will end: `surrogate.curves` on Optuna's trials."""

from __future__ import annotations

import math
import weakref
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import signs
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.study.continuations import superseded
from optuna_agnet.study.joint_parameters import JointParameters
from optuna_agnet.study.trained import Trained, similarity
from optuna_agnet.study.trials import directions_of, is_feasible
from optuna_agnet.surrogate.curves import (
    CurveModel,
    Forecast,
    ends_with_objective,
    num_passed,
    read,
    rungs,
    steps_until_next,
)
from optuna_agnet.surrogate.kernel import Features

LEAST = 5
"""Whole trainings before anything is foretold, unless somebody asks for another number."""
_MOST = 150  # whole trials and as many stopped ones are learned from, the latest; bounds memory and time


class LearnedCurves(NamedTuple):
    """What one state of a study teaches."""

    model: CurveModel
    steps: IntArray  # (G,): rungs
    waits: IntArray  # (G,): steps from each rung to the next one, or to the end
    common: FloatArray  # (G,): what all that came to a rung reported there; NaN where they differ
    sign: float
    finals: FloatArray  # (F,): of feasible whole trainings, larger is better, the best first
    # finished trials by number, without those that another one went on with
    done: Sequence[FrozenTrial]
    shown: Sequence[FrozenTrial]  # the N trainings of the model ...
    near: FloatArray  # (N, N): ... and what they have in common
    known: IntArray  # those of which is known what was trained ...
    features: Features | None  # ... and that; None where there is none
    hyperparameters: Hyperparameters

    def levels(self, trial: FrozenTrial) -> FloatArray | None:
        """Values (L,) at the rungs that a trial has passed; None where they tell nothing.

        That is if it passed none, began later than others, or is level with all of them at each. Who is level is told
        apart by what is trained, if that is known and curves part later on.
        """
        values = read([trial.intermediate_values], self.steps, self.sign)[0]
        values = values[: num_passed(self.steps, max(trial.intermediate_values))]
        level = (values == self.common[: len(values)]).all()
        useless = self.features is None or not np.isnan(self.common).any()
        untold = not len(values) or np.isnan(values).any()
        return None if untold or (level and useless) else values


class StudyCurves:
    """Learns from the finished trials of a study; kept until another one is finished.

    Args:
        space: Of the architectures.
        least: Whole trainings, at least, before anything is learned.
    """

    def __init__(self, space: SearchSpace, least: int = LEAST) -> None:
        self._space, self._least = space, least
        self._reset()

    def _reset(self) -> None:
        self._storage: weakref.ref[Any] | None = None
        self._learned: tuple[object, LearnedCurves | None] | None = None
        self._trained = Trained(self._space)

    def __getstate__(self) -> dict[str, Any]:
        return {"_space": self._space, "_least": self._least}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def learn(self, study: Study) -> LearnedCurves | None:
        """What finished trials teach; None while there is too little."""
        if self._storage is None or self._storage() is not study._storage:
            self._storage, self._learned = weakref.ref(study._storage), None
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        done = ended(trials)
        key = study._study_id, [trial.number for trial in done]
        if self._learned is None or self._learned[0] != key:
            joint = JointParameters(self._space)
            joint.update(study, trials)
            sign = float(signs(directions_of(study))[0])
            self._learned = key, self._fit(done, sign, joint.hyperparameters)
        return self._learned[1]

    def learn_from(
        self, trials: Iterable[FrozenTrial], sign: float, hyperparameters: Hyperparameters
    ) -> LearnedCurves | None:
        """What these trials of one study teach, with ``sign`` 1 where larger values are better, else -1."""
        done = ended(trials)
        key = hyperparameters, [trial.number for trial in done]
        if self._learned is None or self._learned[0] != key:
            self._learned = key, self._fit(done, sign, hyperparameters)
        return self._learned[1]

    def _fit(
        self, done: Sequence[FrozenTrial], sign: float, hyperparameters: Hyperparameters
    ) -> LearnedCurves | None:
        complete = [t for t in done if t.state == TrialState.COMPLETE]
        finals = np.array([sign * t.values[0] for t in complete if is_feasible(t)])
        finals = np.sort(finals[np.isfinite(finals)])[::-1]
        whole = [t for t in complete if t.intermediate_values]
        if min(len(whole), len(finals)) < self._least:
            return None
        steps = rungs([t.intermediate_values for t in whole])
        stopped = [t for t in done if t.state == TrialState.PRUNED and t.intermediate_values]
        shown = [*whole[-_MOST:], *stopped[-_MOST:]]
        curves = read((t.intermediate_values for t in shown), steps, sign)
        values = np.column_stack([curves, [final(t, sign) for t in shown]])
        if (~np.isnan(values[:, -2:]).any(1)).sum() < self._least:
            return None
        waits = steps_until_next(steps)
        if ends_with_objective(values):
            steps, waits, values = steps[:-1], waits[:-1], np.delete(values, -2, 1)
        lowest, highest = (f.reduce(values[:, :-1]) for f in (np.fmin, np.fmax))  # NaN left out
        known, features = self._trained.features(shown, hyperparameters)
        near = np.eye(len(shown))
        if features is not None:
            near[np.ix_(known, known)] = similarity(features, features)
        return LearnedCurves(
            CurveModel(values, near),
            steps,
            waits,
            np.where(lowest == highest, lowest, np.nan),
            sign,
            finals,
            done,
            shown,
            near,
            known,
            features,
            hyperparameters,
        )

    def forecast(self, learned: LearnedCurves, trial: FrozenTrial) -> Forecast | None:
        """Where a trial with reports will end; None where they tell nothing (`LearnedCurves.levels`)."""
        values = learned.levels(trial)
        if values is None:
            return None
        cross = np.zeros(len(learned.shown))
        _, own = self._trained.features([trial], learned.hyperparameters)
        if own is not None and learned.features is not None:
            cross[learned.known] = similarity(learned.features, own)[:, 0]
        return learned.model.forecast(values, cross)

    def forecasts_of_stopped(self, learned: LearnedCurves) -> dict[int, Forecast]:
        """Where stopped trials would end by number, as far as they are learned from."""
        passed: dict[int, list[tuple[int, FloatArray]]] = defaultdict(list)  # by number of rungs
        for k, trial in enumerate(learned.shown):
            values = learned.levels(trial) if trial.state == TrialState.PRUNED else None
            if values is not None:
                passed[len(values)].append((k, values))
        found: dict[int, Forecast] = {}
        for stopped in passed.values():
            rows = [k for k, _ in stopped]
            values = np.stack([values for _, values in stopped])
            forecasts = learned.model.forecasts(values, learned.near[:, rows])
            found.update(zip((learned.shown[k].number for k in rows), forecasts, strict=True))
        return found


def ended(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Whole and stopped trials by number, without those that another one has gone on with."""
    done = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    gone_on = superseded(done)
    return sorted((t for t in done if t.number not in gone_on), key=lambda t: t.number)


def final(trial: FrozenTrial, sign: float) -> float:
    """A finished trial's objective, larger is better; NaN where it came to none."""
    whole = trial.state == TrialState.COMPLETE
    return sign * trial.values[0] if whole else math.nan
