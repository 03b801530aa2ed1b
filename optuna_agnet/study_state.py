"""What the sampler reads from a study and writes to a trial: the only file with Optuna's private names.

Everything comes from the storage, so a sampler that is restarted, copied or shared knows what any other one knows.
Letters as in `spaces.base`: D decisions; N results, P pending and F excluded architectures.
"""

from __future__ import annotations

import json
import math
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.search import Told
from optuna_agnet.search.observations import signs
from optuna_agnet.search.ranking import fronts
from optuna_agnet.spaces.base import CellSpace, Choice, IntArray

CLAIM = "agnet:claim"
SOURCE = "agnet:source"
CONSTRAINTS = "constraints"
"""A list of all constraints of a trial (Optuna 4); with ":" and a name behind it, one of them (Optuna 5)."""
VERSION = "agnet:version"
_FIXED = "fixed_params"  # where Optuna keeps what `enqueue_trial` was given


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A study as the search sees it at one moment.

    Args:
        told: Results of complete trials, and of those that were given up while they broke a constraint; in the order of
            their completion.
        pending: Decisions (P, D) of architectures that run or wait.
        excluded: Decisions (F, D) of architectures that were pruned or failed too often.
    """

    told: Told
    pending: IntArray
    excluded: IntArray


@dataclass(frozen=True, slots=True)
class _Finished:
    """A finished trial that holds an architecture."""

    state: TrialState
    order: tuple[datetime, int]
    row: IntArray
    values: tuple[float, ...] | None
    constraints: dict[str, float]


class StudyState:
    """A study's trials as arrays; finished trials never change, so each is converted once.

    Args:
        space: What is searched.
        study: The study.
        max_failures: Failed trials of one architecture after which it is excluded.
    """

    def __init__(self, space: CellSpace, study: Study, max_failures: int) -> None:
        self._space = space
        self._max_failures = max_failures
        self._distributions = space.distributions()
        self._directions = directions_of(study)
        self._storage = weakref.ref(study._storage)
        self._study_id = study._study_id
        self._finished: dict[int, _Finished | None] = {}

    def belongs_to(self, study: Study) -> bool:
        """Whether it was made for this study."""
        return self._storage() is study._storage and self._study_id == study._study_id

    def read(self, study: Study, number: int) -> Snapshot:
        """The study as the trial ``number`` sees it: all other trials, Hyperband's brackets together.

        Raises:
            ValueError: Recorded parameters don't fit the space.
        """
        pending = []
        for trial in study._storage.get_all_trials(study._study_id, deepcopy=False):
            if trial.state.is_finished():
                if trial.number not in self._finished:
                    self._finished[trial.number] = self._convert(trial)
            elif trial.number != number:
                row = self._unfinished_row(trial)
                if row is not None:
                    pending.append(row)
        finished = [trial for trial in self._finished.values() if trial is not None]
        return Snapshot(self._told(finished), self._stack(pending), self._excluded(finished))

    def _convert(self, trial: FrozenTrial) -> _Finished | None:
        self._check(trial)
        complete = trial.state == TrialState.COMPLETE
        values = tuple(trial.values or ()) if complete else None
        if (
            any(math.isnan(value) for value in values or ())
            or not self._distributions.keys() <= trial.params.keys()
        ):
            return None
        order = (trial.datetime_complete or datetime.min, trial.number)
        return _Finished(trial.state, order, self._row(trial.params), values, constraints_of(trial))

    def _check(self, trial: FrozenTrial) -> None:
        for name, expected in self._distributions.items():
            recorded = trial.distributions.get(name, expected)
            if recorded != expected:
                raise ValueError(
                    f"trial {trial.number} of this study recorded the parameter '{name}' as {recorded}, but the space"
                    f" {self._space!r} has {expected}: suggest architectures with space.suggest(trial), and use the"
                    " space that the study was made with (same choices in the same order) or a new study"
                )

    def _told(self, finished: Iterable[_Finished]) -> Told:
        ordered = sorted(finished, key=lambda trial: trial.order)
        return Told.of(
            [(trial.row, trial.values, trial.constraints) for trial in ordered],
            self._directions,
            len(self._space.decisions),
        )

    def _excluded(self, finished: Iterable[_Finished]) -> IntArray:
        given_up: dict[bytes, IntArray] = {}
        failures: Counter[bytes] = Counter()
        for trial in finished:
            key = trial.row.tobytes()
            failures[key] += trial.state == TrialState.FAIL
            if trial.state == TrialState.PRUNED or failures[key] >= self._max_failures:
                given_up[key] = trial.row
        return self._stack(list(given_up.values()))

    def _unfinished_row(self, trial: FrozenTrial) -> IntArray | None:
        """The architecture of a trial that runs or waits, as far as it is settled."""
        known = {**trial.system_attrs.get(_FIXED, {}), **trial.params}
        try:
            return self._row(known)
        except ValueError:  # some decisions are open
            return self._claimed(trial)

    def _claimed(self, trial: FrozenTrial) -> IntArray | None:
        claim = trial.system_attrs.get(CLAIM)
        if claim is None:
            return None
        row = np.array(json.loads(claim), dtype=np.int64)
        fits = row.shape == self._space.num_choices.shape and bool(
            (row < self._space.num_choices).all()
        )
        return row if fits else None  # another space's sampler claimed it

    def _row(self, params: Mapping[str, object]) -> IntArray:
        row: IntArray = self._space.repair(self._space.params_to_row(params)[None])[0]
        return row

    def _stack(self, rows: list[IntArray]) -> IntArray:
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self._space.decisions))


def claim(study: Study, trial: FrozenTrial, row: IntArray, source: str, version: int) -> None:
    """Tell other workers which architecture (D,) a trial evaluates, before its parameters are stored."""
    attrs: dict[str, str | int] = {
        CLAIM: json.dumps(row.tolist(), separators=(",", ":")),
        SOURCE: source,
        VERSION: version,
    }
    for key, value in attrs.items():
        study._storage.set_trial_system_attr(trial._trial_id, key, value)


def directions_of(study: Study) -> tuple[str, ...]:
    """A study's directions as "maximize" and "minimize"."""
    return tuple(direction.name.lower() for direction in study.directions)


def constraints_of(trial: FrozenTrial) -> dict[str, float]:
    """A trial's constraints by name, at most 0 where kept; those of Optuna 4's list are named "0", "1" and so on.

    Example:
        >>> import optuna
        >>> constraints_of(
        ...     optuna.create_trial(value=1.0, system_attrs={"constraints": [0.5, -1.0]})
        ... )
        {'0': 0.5, '1': -1.0}
    """
    attrs = trial.system_attrs
    found = {str(i): value for i, value in enumerate(attrs.get(CONSTRAINTS) or ())}
    prefix = f"{CONSTRAINTS}:"
    found.update({k[len(prefix) :]: value for k, value in attrs.items() if k.startswith(prefix)})
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and not math.isnan(value)
    }


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a trial breaks none of its constraints."""
    return all(value <= 0 for value in constraints_of(trial).values())


def best_trials(study: Study) -> list[FrozenTrial]:
    """Complete, feasible trials that no other one dominates, by number; with one objective, all of the best value.

    Unlike ``study.best_trials`` it works for one objective as well, and reads constraints of every Optuna version.

    Example:
        >>> import optuna
        >>> study = optuna.create_study(directions=["maximize", "minimize"])
        >>> for values in ([1.0, 3.0], [2.0, 5.0], [1.0, 4.0]):
        ...     study.add_trial(optuna.create_trial(values=values))
        >>> [trial.values for trial in best_trials(study)]
        [[1.0, 3.0], [2.0, 5.0]]
    """
    trials = study.get_trials(states=(TrialState.COMPLETE,))
    feasible = [trial for trial in trials if is_feasible(trial)]
    if not feasible:
        return []
    y = np.array([trial.values for trial in feasible]) * signs(directions_of(study))
    return [trial for trial, front in zip(feasible, fronts(y), strict=True) if front == 0]


def set_constraints(study: Study, trial: FrozenTrial, values: Iterable[float]) -> None:
    """Store a trial's constraints as the list that every Optuna version and optuna-dashboard read."""
    study._storage.set_trial_system_attr(trial._trial_id, CONSTRAINTS, list(values))


def is_unused_claim(trial: FrozenTrial) -> bool:
    """Whether an architecture was proposed to a trial that then took no parameter at all."""
    return CLAIM in trial.system_attrs and not trial.params


def fixed_by_trial(trial: FrozenTrial, space: CellSpace) -> dict[str, Choice]:
    """Decisions that `enqueue_trial` or an earlier attempt settled, those that the space knows."""
    return _choices({**trial.system_attrs.get(_FIXED, {}), **trial.params}, space)


def fixed_by_sampler(study: Study, space: CellSpace) -> dict[str, Choice]:
    """Decisions that `PartialFixedSampler` settles, those that the space knows."""
    sampler: BaseSampler = study.sampler
    fixed: dict[str, object] = {}
    while isinstance(sampler, PartialFixedSampler):
        fixed = {**sampler._fixed_params, **fixed}
        sampler = sampler._base_sampler
    return _choices(fixed, space)


def _choices(params: Mapping[str, object], space: CellSpace) -> dict[str, Choice]:
    known: dict[str, Choice] = {}
    for decision in space.decisions:
        value = params.get(decision.name)
        if isinstance(value, (str, bool)) and value in decision.choices:
            known[decision.name] = value
    return known


def stop(study: Study) -> None:
    """End ``study.optimize`` after the running trials; no effect in an ask-and-tell loop."""
    try:
        study.stop()
    except RuntimeError:
        return
