"""The trials of a study by number, as far as they were seen, and which of those that run count as dead.

Lists of trials are not taken at their word. Optuna's cached storage leaves one out between its creation in the database
and its entry in the cache, and the server of a gRPC proxy shares one such cache among all its clients; a list may be
older than one that was seen before. So a trial is its number, never its place in a list; nothing is concluded from an
absence (the trial is asked for by its number instead); and what was once seen finished stays so.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

STARTED = "agnet:started"
"""When a trial was asked for, in seconds of UTC since 1970: the same number whatever zone a worker's clock shows."""
_FEW = 2  # trials that are asked for one by one: each takes eight statements in a database, all together take seven
_UNFINISHED = (TrialState.RUNNING, TrialState.WAITING)
_WEST = timedelta(hours=12)  # how far local time may be behind UTC


class Unfinished(NamedTuple):
    """Trials that have not ended, by number.

    Args:
        alive: Those that may still finish.
        dead: Those whose workers count as dead.
    """

    alive: list[FrozenTrial]
    dead: list[FrozenTrial]


class KnownTrials:
    """Trials by number.

    Args:
        stale_after: Seconds after which a trial that still runs counts as dead; None for never.

    Attributes:
        news: Trials that were seen finished; whoever has learned of them takes them out.
    """

    def __init__(self, stale_after: float | None = None) -> None:
        self.news: list[FrozenTrial] = []
        self._stale_after = stale_after
        self._finished: set[int] = set()
        self._unfinished: dict[int, FrozenTrial] = {}
        self._first_seen: dict[int, float] = {}  # on this process's own clock
        self._largest = -1

    def update(self, study: Study, listed: Sequence[FrozenTrial] | None = None) -> Unfinished:
        """Look at the study again; costs one list, however long the study is.

        Args:
            study: The study.
            listed: A list that somebody has just read; None reads one.
        """
        if listed is None:
            listed = study._storage.get_all_trials(study._study_id, deepcopy=False)
        unknown = [trial for trial in listed if trial.number not in self._finished]
        self._take(unknown)
        self.look_up(study, self._absent({trial.number for trial in unknown}))
        return self.unfinished()

    def look_closely(self, study: Study, numbers: Collection[int]) -> Unfinished:
        """Ask for trials by number, for those that no list has shown, and for those that were created since the last.

        A list may be older than what was written before it was read; a trial that is asked for is not.
        """
        left = set(numbers)
        if len(left) + len(self._never_seen()) > _FEW:
            self._take(read := _unfinished_in_database(study))
            left.difference_update(trial.number for trial in read)
        self.look_up(study, sorted(left.union(self._never_seen())))
        while self._ask_for(study, self._largest + 1):
            pass
        return self.unfinished()

    def look_up(self, study: Study, numbers: Iterable[int]) -> None:
        """Ask for trials by number, as far as they are not known to be finished."""
        for number in numbers:
            if number not in self._finished:
                self._ask_for(study, number)

    def _ask_for(self, study: Study, number: int) -> bool:
        """Whether there is a trial of this number."""
        storage, study_id = study._storage, study._study_id
        try:
            trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
            self._take([storage.get_trial(trial_id)])
        except KeyError:
            return False
        return True

    def unfinished(self) -> Unfinished:
        """What has not ended, as far as it was seen."""
        trials = [self._unfinished[number] for number in sorted(self._unfinished)]
        dead = {trial.number for trial in trials if self._is_dead(trial)}
        alive = [trial for trial in trials if trial.number not in dead]
        return Unfinished(alive, [trial for trial in trials if trial.number in dead])

    def running_since_before(self, moment: datetime) -> list[int]:
        """Numbers of trials that began before a moment of this process and have not ended."""
        trials = [self._unfinished[number] for number in sorted(self._unfinished)]
        return [trial.number for trial in trials if _began_before(trial, moment)]

    def _absent(self, listed: Collection[int]) -> list[int]:
        """Numbers that a list lacks: of trials that were seen before, and below the largest one that was seen."""
        absent = [number for number in self._unfinished if number not in listed]
        return absent + self._never_seen()

    def _never_seen(self) -> list[int]:
        if len(self._finished) + len(self._unfinished) > self._largest:
            return []
        known = self._finished | self._unfinished.keys()
        return [number for number in range(self._largest) if number not in known]

    def _take(self, trials: Iterable[FrozenTrial]) -> None:
        for trial in trials:
            number, done = trial.number, trial.state.is_finished()  # the one look at its state
            self._largest = max(self._largest, number)
            if number in self._finished:
                continue
            if done:
                self._finished.add(number)
                self._unfinished.pop(number, None)
                self._first_seen.pop(number, None)
                self.news.append(trial)
            elif not _is_older(trial, self._unfinished.get(number)):
                self._unfinished[number] = _frozen(trial)
                if trial.datetime_start is not None:
                    self._first_seen.setdefault(number, time.monotonic())

    def _is_dead(self, trial: FrozenTrial) -> bool:
        if self._stale_after is None or trial.datetime_start is None:
            return False
        ages = [time.monotonic() - self._first_seen[trial.number]]
        started = _started(trial)
        if started is not None:
            ages.append(time.time() - started)
        else:  # Optuna notes the time of a zone that it does not name
            latest = trial.datetime_start.replace(tzinfo=timezone.utc) + _WEST
            ages.append((datetime.now(timezone.utc) - latest).total_seconds())
        return max(ages) >= self._stale_after


def _unfinished_in_database(study: Study) -> list[FrozenTrial]:
    """Trials that run or wait, as they are now, not as Optuna's cache may have them. Of other storages none."""
    database = getattr(study._storage, "_backend", study._storage)
    if not isinstance(database, RDBStorage):
        return []
    return database.get_all_trials(study._study_id, deepcopy=False, states=_UNFINISHED)


def _frozen(trial: FrozenTrial) -> FrozenTrial:
    """A trial as it is now; what a storage in memory hands out is changed by whoever runs the trial."""
    frozen = copy.copy(trial)
    frozen.params, frozen.system_attrs = dict(trial.params), dict(trial.system_attrs)
    frozen.intermediate_values = dict(trial.intermediate_values)
    return frozen


def _is_older(trial: FrozenTrial, known: FrozenTrial | None) -> bool:
    """Whether an unfinished trial lacks what was seen of it before; nothing of a trial is ever taken away."""
    if known is None:
        return False
    return (
        (trial.datetime_start is None and known.datetime_start is not None)
        or len(trial.params) < len(known.params)
        or not known.system_attrs.keys() <= trial.system_attrs.keys()
    )


def _started(trial: FrozenTrial) -> float | None:
    started = trial.system_attrs.get(STARTED)
    if isinstance(started, bool) or not isinstance(started, (int, float)):
        return None
    return started if math.isfinite(started) else None


def _began_before(trial: FrozenTrial, moment: datetime) -> bool:
    started = _started(trial)
    if started is not None:
        return started < moment.timestamp()
    return trial.datetime_start is not None and trial.datetime_start < moment


def has_heartbeats(study: Study) -> bool:
    """Whether Optuna notices when a worker of the study dies."""
    interval = getattr(study._storage, "get_heartbeat_interval", None)
    return interval is not None and interval() is not None


def note_start(study: Study, trial: FrozenTrial) -> None:
    """Store when a trial was asked for."""
    study._storage.set_trial_system_attr(trial._trial_id, STARTED, time.time())
