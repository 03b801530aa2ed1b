"""What is kept in trials and studies beside parameters and values: names, writers and readers of these attributes.

Values are ready for JSON and short; nothing that is read from a storage is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from optuna_agnet.study.trials import CONSTRAINTS

CLAIM = "agnet:claim"
CLAIMED_HYPERPARAMETERS = "agnet:claim:hyperparameters"  # that go with it
SOURCE = "agnet:source"
VERSION = "agnet:version"
SECONDS = "agnet:seconds"
REPEAT = "repeat"  # the source of an architecture that is taken, where nothing new is left
STOPPED = "agnet:stopped"


def describe(study: Study, trial: FrozenTrial, source: str, version: int, seconds: float) -> None:
    """Store where a trial's architecture comes from, and how long that took."""
    for key, value in ((SOURCE, source), (VERSION, version), (SECONDS, round(seconds, 4))):
        study._storage.set_trial_system_attr(trial._trial_id, key, value)


class FellBehind(NamedTuple):
    """Why a pruner stopped a trial while it could foretell nothing: its place, 1 the best, among those at a rung."""

    step: int
    place: int
    of: int


class StoppedBecause(NamedTuple):
    """Why a pruner stopped a trial: what it foretold, in the objective's units, and what it would have had to reach."""

    step: int
    mean: float
    std: float
    goal: float
    chance: float


def explain_stop(study: Study, trial: FrozenTrial, reason: StoppedBecause | FellBehind) -> None:
    """Store why a trial is stopped."""
    study._storage.set_trial_system_attr(trial._trial_id, STOPPED, reason._asdict())


def stopped_because(trial: FrozenTrial) -> StoppedBecause | FellBehind | None:
    """Why `AGNetPruner` stopped a trial; None where it did not."""
    found = trial.system_attrs.get(STOPPED)
    if not isinstance(found, dict):
        return None
    return FellBehind(**found) if "place" in found else StoppedBecause(**found)


def foretold_to_fail(trials: Iterable[FrozenTrial]) -> dict[int, StoppedBecause]:
    """Why trials were stopped that a model had foretold, by number."""
    reasons = {trial.number: stopped_because(trial) for trial in trials}
    return {number: why for number, why in reasons.items() if isinstance(why, StoppedBecause)}


def set_constraint(study: Study, trial: Trial, name: str, value: float) -> None:
    """Store one constraint of a running trial, at most 0 where kept, as Optuna 5's ``trial.set_constraint`` does."""
    study._storage.set_trial_system_attr(trial._trial_id, f"{CONSTRAINTS}:{name}", float(value))


def set_constraints(study: Study, trial: FrozenTrial, values: Iterable[float]) -> None:
    """Store a trial's constraints as the list that every Optuna version and optuna-dashboard read."""
    study._storage.set_trial_system_attr(trial._trial_id, CONSTRAINTS, list(values))


def is_repeated(study: Study, trial: Trial) -> bool:
    """Whether a trial got an architecture again, as nothing new is left."""
    attrs = study._storage.get_trial(trial._trial_id).system_attrs
    return attrs.get(SOURCE) == REPEAT


def is_unused_claim(trial: FrozenTrial) -> bool:
    """Whether an architecture was proposed to a trial that then took no parameter at all."""
    return trial.system_attrs.get(CLAIM) is not None and not trial.params


def study_attributes(study: Study) -> Mapping[str, Any]:
    """All that samplers have left in a study."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_study_attribute(study: Study, key: str, value: Any) -> None:
    """Leave a value, ready for JSON and below 2,045 characters, in a study."""
    study._storage.set_study_system_attr(study._study_id, key, value)
