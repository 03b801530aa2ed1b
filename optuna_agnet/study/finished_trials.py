"""Finished trials as arrays: what the search learns from, and what it is not to propose again.

Letters as in `spaces.base`: D decisions; N results, F architectures, H hyperparameters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.search import Observations
from optuna_agnet.search.observations import (
    MOST_FAILURES,
    Failures,
    Pairs,
    Result,
    hopeless,
    is_observed,
)
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.study.continuations import superseded
from optuna_agnet.study.pruned_trials import FinalValues
from optuna_agnet.study.space_checks import SpaceChecks
from optuna_agnet.study.trials import constraints_of

_IN_VAIN = 2
"""Pairs that failed when they were tried again, after which the next ones are not."""


@dataclass(frozen=True, slots=True)
class Known:
    """What finished trials say of architectures and certain hyperparameters.

    Args:
        observations: Those that have a value or break a constraint.
        excluded: Architectures (F, D) that are not to be proposed, with whatever hyperparameters.
        given_up: Pairs that are not to be proposed; None where there are no hyperparameters.
        failed: What failed for the last time; None where nothing did.
        ended: Numbers of the trials with which it did.
    """

    observations: Observations
    excluded: IntArray
    given_up: Pairs | None = None
    failed: Failures | None = None
    ended: Sequence[int] = ()


class FinishedTrials:
    """What finished trials say, in the order in which they were learned; none ever changes, so each is read once.

    Args:
        space: What is searched.
        directions: Of the objectives.
        max_failures: Failed trials of one architecture after which it is excluded; of pairs see `_last_failures`.
        checks: Of the trials.

    Attributes:
        trials: Those that say something, by number, in the order in which they were learned.
        observations: Of these, those that have a value or break a constraint.
        failed_numbers: Of all failed trials, those without an architecture as well.
        excluded: Architectures (F, D) that were pruned, or failed too often, with whatever hyperparameters.
    """

    def __init__(
        self,
        space: SearchSpace,
        directions: Sequence[str],
        max_failures: int,
        checks: SpaceChecks,
    ) -> None:
        self._space, self._directions, self._checks = space, directions, checks
        self._max_failures = max_failures
        self.failed_numbers: list[int] = []
        self._failures: Counter[bytes] = Counter()
        self.excluded, self._excluded = self._stack([]), set[bytes]()
        self._forget()

    def _forget(self) -> None:
        self.trials: dict[int, FrozenTrial] = {}
        self._results: list[Result] = []  # one a trial
        self.observations = self._observations_of([])
        self._finals = FinalValues(self._directions[0])
        self._superseded = set[int]()  # stopped trials that another one has gone on with
        self._z: dict[int, FloatArray] = {}  # hyperparameters of the trials, by number ...
        self._z_of = NONE  # ... and which these are

    # -- learning ----------------------------------------------------------------------------------------------------

    def learn(self, news: list[FrozenTrial]) -> None:
        """Take in finished trials, and take them out of the list.

        Raises:
            ValueError: Recorded parameters don't fit the space; the list stays as it is.
        """
        news.sort(key=lambda t: (t.datetime_complete or datetime.min, t.number))
        x, missing = self._space.params_to_rows([trial.params for trial in news])
        self._checks.check_trials(news, missing)
        self.failed_numbers += [trial.number for trial in news if trial.state == TrialState.FAIL]
        whole = [k for k in np.flatnonzero(~missing.any(1)).tolist() if not _is_nan(news[k])]
        trials, rows = [news[k] for k in whole], self._space.repair(x[whole])
        self._append(trials, rows)
        for trial, row in zip(trials, rows, strict=True):
            self._count_failure(trial.state, row)
        news.clear()

    def _append(self, trials: Sequence[FrozenTrial], x: IntArray) -> None:
        if gone_on := superseded(trials):
            self._supersede(gone_on)
        results: list[Result] = [
            (row, self._values(trial), constraints_of(trial))
            for row, trial in zip(x, trials, strict=True)
        ]
        self._results += results
        self.trials.update({trial.number: trial for trial in trials})
        self.observations = self.observations.extended(results, self._directions)

    def _supersede(self, numbers: set[int]) -> None:
        """Of trials that others have gone on with only the constraints count: a training is one observation."""
        self._superseded |= numbers
        known = [
            k
            for k, trial in enumerate(self.trials.values())
            if trial.number in numbers and trial.state == TrialState.PRUNED
        ]
        for k in known:
            row, _, constraints = self._results[k]
            self._results[k] = row, None, constraints
        if known:
            self.observations = self._observations_of(self._results)

    def _values(self, trial: FrozenTrial) -> tuple[float, ...] | None:
        """Its objectives; an estimate for a pruned one, from the trials learned before it, so that it never changes."""
        if trial.state == TrialState.COMPLETE:
            if trial.intermediate_values:
                self._finals.add(trial.intermediate_values, trial.values[0])
            return tuple(trial.values)
        if trial.number in self._superseded:
            return None
        if trial.state == TrialState.PRUNED and len(self._directions) == 1:
            estimate = self._finals.estimate(trial.intermediate_values)
            return None if estimate is None else (estimate,)
        return None

    def _count_failure(self, state: TrialState, row: IntArray) -> None:
        key = row.tobytes()
        self._failures[key] += state == TrialState.FAIL
        if state == TrialState.PRUNED or self._failures[key] >= self._max_failures:
            if key not in self._excluded:
                self.excluded = np.concatenate([self.excluded, row[None]])
            self._excluded.add(key)

    def _observations_of(self, results: list[Result]) -> Observations:
        return Observations.of(results, self._directions, len(self._space.decisions))

    def reorder(self, numbers: Sequence[int]) -> None:
        """Learn all again, in this order of the trials."""
        trials = [self.trials[number] for number in numbers]
        rows = dict(zip(self.trials, (row for row, _, _ in self._results), strict=True))
        self._forget()
        self._append(trials, self._stack([rows[number] for number in numbers]))

    # -- what is known -----------------------------------------------------------------------------------------------

    def observed(self) -> list[int]:
        """Places of the observations among the results."""
        return [place for place, result in enumerate(self._results) if is_observed(result)]

    def params(self) -> list[dict[str, Any]]:
        """All parameters of the trials that are observations, in their order."""
        trials = list(self.trials.values())
        return [trials[place].params for place in self.observed()]

    def since(self, known: int, hyperparameters: Hyperparameters) -> Pairs:
        """Pairs of the results behind the first ``known`` ones."""
        news = list(range(known, len(self._results)))
        return self._pairs(news, self._known_z(hyperparameters))

    def would_exclude(self, params: Mapping[str, object], state: TrialState) -> IntArray:
        """The architecture (1, D) of a trial that is about to end so, unless it may be proposed again; else (0, D)."""
        x, missing = self._space.params_to_rows([params])
        x = self._space.repair(x)
        again = state == TrialState.FAIL and (
            self._failures[x[0].tobytes()] + 1 < self._max_failures
        )
        return x[:0] if missing.any() or again else x

    def known(self, hyperparameters: Hyperparameters) -> Known:
        """All that they say, given what is searched beside the architecture."""
        pairs = bool(hyperparameters.parameters)
        if not (pairs or self.failed_numbers):
            return Known(self.observations, self.excluded)
        z, observed, numbers = self._known_z(hyperparameters), self.observed(), list(self.trials)
        last = self._last_failures(z) if self.failed_numbers else []
        ended = [numbers[place] for place in last]
        after = np.searchsorted(np.array(observed, dtype=np.int64), last)
        failed = Failures(self._pairs(last, z), after)
        if not pairs:
            return Known(self.observations, self.excluded, None, failed, ended)
        observations = replace(self.observations, z=z[observed])
        given_up = self._pairs(last + self._places(TrialState.PRUNED), z)
        lost = self._pairs(self._places(TrialState.FAIL), z).x
        excluded = hopeless(lost, observations.x, max(MOST_FAILURES, self._max_failures))
        return Known(observations, excluded, given_up, failed, ended)

    def _last_failures(self, z: FloatArray) -> list[int]:
        """Places of the failures after which a pair is not tried again, given all hyperparameters (N, H).

        It is tried again as the machine may be to blame. Where that was so of no pair and two have failed again, as a
        learning rate does that is too large, the next ones are not; architectures alone are.
        """
        failures, places, ended = Counter[object](), list[int](), set[object]()
        again = helped = 0
        for place, trial in enumerate(self.trials.values()):
            pair = self._results[place][0].tobytes(), z[place].tobytes()
            if trial.state != TrialState.FAIL:
                helped += trial.state == TrialState.COMPLETE and failures[pair] > 0
                continue
            failures[pair] += 1
            in_vain = z.shape[1] > 0 and again >= _IN_VAIN and not helped
            if pair not in ended and (in_vain or failures[pair] >= self._max_failures):
                ended.add(pair)
                places.append(place)
            again += failures[pair] == 2
        return places

    def _known_z(self, hyperparameters: Hyperparameters) -> FloatArray:
        """Hyperparameters (N, H) of all results; the middle of the range where a trial ended before it asked."""
        if not hyperparameters.parameters:
            return np.empty((len(self.trials), 0))
        if hyperparameters != self._z_of:
            self._z, self._z_of = {}, hyperparameters
        new = [number for number in self.trials if number not in self._z]
        rows = hyperparameters.rows([self.trials[number].params for number in new])
        self._z.update(zip(new, np.nan_to_num(rows, nan=0.5), strict=True))
        known = [self._z[number] for number in self.trials]
        return np.array(known).reshape(len(known), len(hyperparameters))

    def _places(self, state: TrialState) -> list[int]:
        """Of the trials that ended so."""
        return [place for place, trial in enumerate(self.trials.values()) if trial.state == state]

    def _pairs(self, places: list[int], z: FloatArray) -> Pairs:
        """Some of the results, given hyperparameters (N, H) of all."""
        return Pairs(self._stack([self._results[place][0] for place in places]), z[places])

    def _stack(self, rows: list[IntArray]) -> IntArray:
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self._space.decisions))


def _is_nan(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE and any(map(math.isnan, trial.values))
