"""A study as the search sees it: one object that each worker builds from the storage alone.

Everything comes from the storage, so a sampler that is restarted, copied or shared knows what any other one knows. What
it is made of has a file each: trials by number (`known_trials`), finished ones as arrays (`finished_trials`), what the
others hold (`claims`), the order in which workers learn results (`training_order`), and what trainings that were
stopped or still run are expected to come to (`foretold_trials`).
Letters as in `spaces.base`: D decisions; P pending and F excluded architectures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.search import AGNetConfig
from optuna_agnet.search.observations import Pairs, Snapshot
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.study.claims import Claims
from optuna_agnet.study.finished_trials import FinishedTrials
from optuna_agnet.study.fixed_parameters import settled
from optuna_agnet.study.foretold_trials import ForetoldTrials
from optuna_agnet.study.known_trials import KnownTrials, Unfinished
from optuna_agnet.study.space_checks import SpaceChecks
from optuna_agnet.study.training_order import TrainingOrder
from optuna_agnet.study.trials import directions_of

_LOOKS = 20  # at a rival's claim, before the architecture is left to it
_PAUSE = 0.05  # seconds between them


class StudyState:
    """A study's trials as arrays; finished trials never change, so each is converted once.

    Args:
        space: What is searched.
        study: The study.
        max_failures: Failed trials of one architecture after which it is excluded.
        stale_after: Seconds after which a trial that still runs counts as dead; None for never.
        config: Of the search whose rounds of training are agreed on with other workers; None leaves results in the
            order of their completion.
        writes: Whether what is missing there is written to the study.
        since: When the worker began: trials that have been running since before that are named in one warning where
            nobody would notice the death of their workers. None warns of none.

    Attributes:
        finished: What finished trials say.

    Raises:
        ValueError: The study searches another space with parameters of the same names.
    """

    def __init__(
        self,
        space: SearchSpace,
        study: Study,
        max_failures: int,
        stale_after: float | None = None,
        config: AGNetConfig | None = None,
        writes: bool = True,
        since: datetime | None = None,
    ) -> None:
        writes, warn = writes and config is not None, WarnOnce(stacklevel=2)
        self._trials = KnownTrials(stale_after)
        self._since = since if stale_after is None else None
        self._checks = SpaceChecks(space, warn, writes)
        self.finished = FinishedTrials(space, directions_of(study), max_failures, self._checks)
        self._claims = Claims(space, warn)
        self._order = None if config is None else TrainingOrder(space, config, writes, warn)
        self._foretold = ForetoldTrials(space, directions_of(study), warn)
        self._checks.check_study(study)

    def read(
        self,
        study: Study,
        number: int,
        hyperparameters: Hyperparameters = NONE,
        listed: Sequence[FrozenTrial] | None = None,
    ) -> Snapshot:
        """The study as the trial ``number`` sees it: all other trials, Hyperband's brackets together.

        Args:
            study: The study.
            number: Of the trial.
            hyperparameters: Beside the architecture; with them pairs are pending and given up.
            listed: A list of all trials that was just read; None reads one.

        Raises:
            ValueError: Recorded parameters don't fit the space.
        """
        others = self._look(study, number, listed)
        since, self._since = self._since, None
        if since is not None:
            self._checks.tell_of_running(study, self._trials, since)
        if self._order is not None and self._order.is_due(self.finished):
            self._order.sync(study, self._trials, self.finished)
            others = _without(self._trials.unfinished(), number)
        running, pending = self._claims.held(others.alive, hyperparameters)
        lost = sum(trial.number < number for trial in others.dead)
        known = self.finished.known(hyperparameters)
        lost += sum(earlier < number for earlier in self.finished.failed_numbers)
        lost -= sum(earlier < number for earlier in known.ended)
        judged = self._foretold.judged(
            known.observations, self.finished, running, pending, hyperparameters
        )
        return Snapshot(
            known.observations,
            pending.x,
            known.excluded,
            position=max(number - lost, 0),
            pending_z=pending.z if hyperparameters.parameters else None,
            given_up=known.given_up,
            judged=judged,
            failed=known.failed,
        )

    def read_after(self, study: Study, trial: FrozenTrial, state: TrialState) -> Snapshot:
        """The study as it will be when a trial has ended in this state, which the storage does not know yet."""
        snapshot = self.read(study, trial.number)
        excluded = [snapshot.excluded, self.finished.would_exclude(trial.params, state)]
        return replace(snapshot, excluded=np.concatenate(excluded))

    def confirm_claim(
        self,
        study: Study,
        number: int,
        pair: Pairs,
        keys: Callable[[Pairs], list[object]],
        hyperparameters: Hyperparameters = NONE,
    ) -> bool:
        """Whether the trial ``number``, which claimed an architecture after the last `read`, may evaluate it.

        Of two trials that claim the same, at least one sees the other's claim, as each writes before it reads. The one
        with the larger number picks again. The one with the smaller number keeps its claim only when it has seen the
        other give way, since that one may have looked too early to see a rival.

        Args:
            study: The study.
            number: Of the trial.
            pair: The claimed architecture, with its hyperparameters.
            keys: Keys of pairs.
            hyperparameters: Beside the architecture.
        """
        known = len(self.finished.trials)
        for _ in range(_LOOKS):
            others = self._look_closely(study, number, hyperparameters)
            if not others.alive and len(self.finished.trials) == known:
                return True  # nobody else is there
            news = self.finished.since(known, hyperparameters)
            trials, held = self._claims.held(others.alive, hyperparameters)
            key, *theirs = keys(_joined(pair, news, held))
            if key in theirs[: len(news.x)]:
                return False
            held_keys = theirs[len(news.x) :]
            rivals = [t for t, k in zip(trials, held_keys, strict=True) if k == key]
            if not rivals:
                return True
            if any(rival.number < number or settled(rival) for rival in rivals):
                return False
            time.sleep(_PAUSE)
        return False

    def _look(self, study: Study, number: int, listed: Sequence[FrozenTrial] | None) -> Unfinished:
        """Learn of finished trials; what has not ended besides the trial ``number``."""
        unfinished = _without(self._trials.update(study, listed=listed), number)
        self._learn()
        return unfinished

    def _look_closely(
        self, study: Study, number: int, hyperparameters: Hyperparameters
    ) -> Unfinished:
        """Ask for each trial that had no pair, or was not there, when the study was last looked at.

        The others can't have claimed what this one did: they held their pairs already.
        """
        alive = _without(self._trials.unfinished(), number).alive
        choosing = self._claims.choosing(alive, hyperparameters) if alive else []
        unfinished = _without(self._trials.look_closely(study, choosing), number)
        self._learn()
        return unfinished

    def _learn(self) -> None:
        if self._trials.news:
            self.finished.learn(self._trials.news)


def _without(unfinished: Unfinished, number: int) -> Unfinished:
    return Unfinished(*([t for t in trials if t.number != number] for trials in unfinished))


def _joined(*pairs: Pairs) -> Pairs:
    return Pairs(np.concatenate([p.x for p in pairs]), np.concatenate([p.z for p in pairs]))
