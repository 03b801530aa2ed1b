"""Whether a study and its trials belong to the space that is searched, and what is said where they don't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import compress
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.arrays import BoolArray
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.attributes import CLAIM, set_study_attribute, study_attributes
from optuna_agnet.study.claims import parse_claim
from optuna_agnet.study.known_trials import KnownTrials, has_heartbeats
from optuna_agnet.study.trials import listed_for_a_trial

_SPACE = "agnet:space"  # of a study, with a digest behind it


class SpaceChecks:
    """Compares what a study holds with a space.

    Args:
        space: What is searched.
        warn: Tells of what is no error.
        writes: Whether the space is left in the study, and whether trials that teach nothing are told of.
    """

    def __init__(self, space: SearchSpace, warn: WarnOnce, writes: bool) -> None:
        self._space, self._warn, self._writes = space, warn, writes
        self._distributions = space.distributions()

    def check_study(self, study: Study) -> None:
        """Leave the space in the study; refuse another one.

        Raises:
            ValueError: The study searches another space with parameters of the same names, all that it has found so far
                is of another space, or a trial recorded a parameter with other choices.
        """
        stored = study_attributes(study)
        own, names = f"{_SPACE}:{self._space.fingerprint[:16]}", list(self._distributions)
        others = [
            about
            for key, about in stored.items()
            if key.startswith(_SPACE) and key != own and isinstance(about, dict)
        ]
        for about in others:
            if not set(names).isdisjoint(about.get("parameters", [])):
                raise ValueError(
                    f"the study '{study.study_name}' searches {about.get('space')}, not {self._space!r}: the same"
                    " parameters stand for other architectures there. Give the changed space a new study, and enqueue"
                    " the good trials of this one there: study.enqueue_trial(trial.params)"
                )
        if own not in stored and names:
            self._check_results(study, others)
        if self._writes and own not in stored:
            for trial in listed_for_a_trial(study):  # what is refused leaves nothing in the study
                self._check_distributions(trial)
            set_study_attribute(study, own, {"space": repr(self._space), "parameters": names})

    def _check_results(self, study: Study, others: Sequence[Mapping[str, Any]]) -> None:
        """Refuse a study that has results of another space alone, and that this one is new to.

        Two samplers that share a study have both left their spaces before its first result.
        """
        complete = (TrialState.COMPLETE,)
        trials = study._storage.get_all_trials(study._study_id, False, complete) if others else []
        known = {name for trial in trials for name in trial.params}
        if not known.isdisjoint(self._distributions):
            return
        for about in others:
            if not known.isdisjoint(about.get("parameters", [])):
                raise ValueError(
                    f"the study '{study.study_name}' has searched {about.get('space')}, and none of its results has a"
                    f" parameter of {self._space!r}: they would teach nothing about it, and the best trial might be of"
                    " either. Give the new space a new study, or this study the space that it was made with"
                )

    def check_trials(self, trials: Sequence[FrozenTrial], missing: BoolArray) -> None:
        """Refuse parameters of another form; tell of complete trials that teach nothing, as they lack some.

        Args:
            trials: Finished ones, T of them.
            missing: Which decisions (T, D) they lack.

        Raises:
            ValueError: A trial recorded a parameter with other choices.
        """
        for trial, lacks in zip(trials, missing, strict=True):
            self._check_distributions(trial)
            if self._writes and trial.state == TrialState.COMPLETE and lacks.any():
                self._tell_of_missing(trial, lacks)

    def _check_distributions(self, trial: FrozenTrial) -> None:
        for name, expected in self._distributions.items():
            recorded = trial.distributions.get(name, expected)
            if not _equal(recorded, expected):
                raise ValueError(
                    f"trial {trial.number} of this study recorded the parameter '{name}' as {recorded}, but the space"
                    f" {self._space!r} has {expected}: suggest architectures with space.suggest(trial), and use the"
                    " space that the study was made with (same choices in the same order) or a new study"
                )

    def _tell_of_missing(self, trial: FrozenTrial, lacks: BoolArray) -> None:
        missing = [d.name for d in compress(self._space.decisions, lacks)]
        claim = trial.system_attrs.get(CLAIM)
        if not self._distributions.keys().isdisjoint(trial.params):
            self._warn(
                "partial",
                f"trial {trial.number} finished without {len(missing)} of the {len(self._distributions)} parameters of"
                f" {self._space!r}: {', '.join(missing[:4])}{', ...' * (len(missing) > 4)}. It teaches the search"
                " nothing, and so do others like it: call suggest(trial) of the space, which asks for all that an"
                " architecture has, and leave unused what a network does not need",
            )
        elif parse_claim(claim, self._space.num_choices.tolist()) is not None:
            self._warn(
                "unused",
                f"trial {trial.number} finished without the architecture that it was given: its parameters"
                f" {sorted(trial.params)[:4]} are none of {self._space!r} ({', '.join(missing[:3])}, ...), so it"
                " teaches the search nothing. Let the objective call suggest(trial) of the sampler's space",
            )

    def tell_of_running(self, study: Study, trials: KnownTrials, since: datetime) -> None:
        """Tell of trials that ran before a moment, whose workers may be dead without anybody noticing."""
        running = [] if has_heartbeats(study) else trials.running_since_before(since)
        if running:
            listed = ", ".join(map(str, running[:8])) + ", ..." * (len(running) > 8)
            self._warn(
                "running",
                f"trials of this study were running before this worker began: {listed}. If their workers live, all is"
                " well. If they were killed, nobody notices, and their architectures stay taken for ever: pass"
                " AGNetSampler(..., stale_after=0) where this is the only worker, else the seconds that no evaluation"
                " exceeds; or end them by hand,"
                f" study.tell({running[0]}, state=optuna.trial.TrialState.FAIL); or keep the study in a database with"
                " heartbeats, optuna.storages.RDBStorage(url, heartbeat_interval=60)",
            )


def _equal(recorded: BaseDistribution, expected: BaseDistribution) -> bool:
    """Whether two distributions are equal; Optuna's own comparison takes longer than all else that a trial needs."""
    if isinstance(recorded, CategoricalDistribution) and isinstance(
        expected, CategoricalDistribution
    ):
        return recorded.choices == expected.choices or bool(recorded == expected)
    return bool(recorded == expected)
