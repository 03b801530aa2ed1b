"""Trials that go on where a stopped one was left: which one that is, and how it comes into the queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

CONTINUES = "agnet:continues"
"""User attribute of a trial that goes on with a stopped one: its number, and the step that it had come to."""
_ATTEMPTS = 2  # trials that go on with the same one and fail, after which it is left alone


class Continued(NamedTuple):
    """What a trial goes on with.

    Args:
        number: Of the stopped trial.
        step: The last one that it reported.
    """

    number: int
    step: int


def continued_from(trial: Trial | FrozenTrial) -> Continued | None:
    """The stopped trial that this one goes on with, whose checkpoint it loads; None for a trial that starts afresh.

    Example:
        >>> import optuna
        >>> from optuna_agnet import continued_from
        >>> attrs = {"agnet:continues": {"number": 3, "step": 7}}
        >>> continued_from(optuna.create_trial(value=0.5, user_attrs=attrs))
        Continued(number=3, step=7)
        >>> continued_from(optuna.create_trial(value=0.5)) is None
        True
    """
    found = trial.user_attrs.get(CONTINUES)
    return Continued(found["number"], found["step"]) if isinstance(found, dict) else None


def superseded(trials: Iterable[FrozenTrial]) -> set[int]:
    """Numbers of the stopped trials that another one has gone on with; one that failed gives it back."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    found = [continued_from(trial) for trial in trials if trial.state in ended]
    return {continued.number for continued in found if continued is not None}


def taken(trials: Sequence[FrozenTrial]) -> set[int]:
    """Numbers of the stopped trials that another one goes on with, or that others went on with and failed."""
    found = [(trial, continued_from(trial)) for trial in trials]
    failed = [c.number for t, c in found if c is not None and t.state == TrialState.FAIL]
    gone_on = {c.number for t, c in found if c is not None and t.state != TrialState.FAIL}
    return gone_on | {number for number in failed if failed.count(number) >= _ATTEMPTS}


def enqueue_continuation(study: Study, stopped: FrozenTrial) -> Continued | None:
    """Queue a trial that goes on with a stopped one, its parameters and reports; None where another worker was first.

    A trial is stored in one step, and numbered in the order in which that happens. So whoever looks behind its own one
    sees all with smaller numbers, and of several workers the one with the smallest keeps it.
    """
    storage, continued = study._storage, Continued(stopped.number, max(stopped.intermediate_values))
    template = create_trial(
        state=TrialState.WAITING,
        params=stopped.params,
        distributions=stopped.distributions,
        user_attrs={**stopped.user_attrs, CONTINUES: continued._asdict()},
        intermediate_values=stopped.intermediate_values,
    )
    trial_id = storage.create_new_trial(study._study_id, template)
    if stopped.number not in taken(_before(study, storage.get_trial(trial_id).number)):
        return continued
    if storage.set_trial_state_values(trial_id, TrialState.RUNNING):  # nobody has begun with it
        storage.set_trial_state_values(trial_id, TrialState.FAIL)
    return None


def _before(study: Study, number: int) -> list[FrozenTrial]:
    """All trials with smaller numbers; a list of a cached storage may lack one that has just been added."""
    storage, study_id = study._storage, study._study_id
    listed = storage.get_all_trials(study_id, deepcopy=False)
    found = {trial.number: trial for trial in listed if trial.number < number}
    for absent in set(range(number)) - found.keys():
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, absent)
        found[absent] = storage.get_trial(trial_id)
    return list(found.values())
