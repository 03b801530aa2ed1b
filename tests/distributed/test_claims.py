"""Who may evaluate an architecture: claims, expiry, claims that nobody can read, storages that fail."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import crew
import numpy as np
import optuna
import pytest
from crew import SPACE, Sampler
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from optuna_agnet.search.candidates import Filter
from optuna_agnet.search.observations import Pairs
from optuna_agnet.study import study_search
from optuna_agnet.study.attributes import CLAIM
from optuna_agnet.study.claims import write_claim
from optuna_agnet.study.storage_view import StudyState


def keys_of(dedup: str) -> Callable[[Pairs], list[object]]:
    """Keys of architectures without hyperparameters."""
    keys = Filter(SPACE, dedup, frozenset(), {}).keys
    return lambda pairs: keys(pairs.x)


def alone(row: object) -> Pairs:
    """A row as the one pair of a batch."""
    return Pairs(row[None], np.empty((1, 0)))


KEYS = keys_of("encoding")
X, Y = SPACE.sample(2, np.random.default_rng(0))
NAMES = [d.name for d in SPACE.decisions]


def new_study(**arguments: object) -> optuna.Study:
    return optuna.create_study(**{"direction": "maximize", "sampler": Sampler(**arguments)})


def ask(study: optuna.Study, row: object = None) -> optuna.Trial:
    """A trial that claims a row, if one is given, and has no parameters yet."""
    trial = study.ask()
    if row is not None:
        write_claim(study, trial, row)
    return trial


def take(trial: optuna.Trial, row: object) -> None:
    """A trial's parameters, as if its sampler had proposed the row."""
    params = SPACE.row_to_params(row)
    for name, distribution in SPACE.distributions().items():
        internal = distribution.to_internal_repr(params[name])
        trial.storage.set_trial_param(trial._trial_id, name, internal, distribution)


@pytest.fixture
def during(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], list[float]]:
    """Sets what happens while a worker waits for a rival; returns its waits."""

    def set_event(event: Callable[[], None]) -> list[float]:
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            event()

        monkeypatch.setattr("optuna_agnet.study.storage_view.time.sleep", sleep)
        return waits

    return set_event


def confirm_claim(study: optuna.Study, trial: optuna.Trial, row: object = X) -> bool:
    state = StudyState(SPACE, study, max_failures=2)
    return state.confirm_claim(study, trial.number, alone(row), KEYS)


# -- who keeps a claim -----------------------------------------------------------------------------------------------


def test_nobody_else_wants_it() -> None:
    study = new_study()
    first, other = ask(study, X), ask(study, Y)
    ask(study)
    assert confirm_claim(study, first)
    assert confirm_claim(study, other, Y)


def test_the_larger_number_gives_way(during: Callable) -> None:
    study = new_study()
    waits = during(lambda: None)
    ask(study, X)
    assert not confirm_claim(study, ask(study, X))
    assert waits == []


def test_the_smaller_number_keeps_it_once_the_other_has_given_way(during: Callable) -> None:
    study = new_study()
    first, second = ask(study, X), ask(study, X)
    waits = during(lambda: write_claim(study, second, Y))
    assert confirm_claim(study, first)
    assert len(waits) == 1


def test_the_smaller_number_gives_way_to_one_that_looked_too_early(during: Callable) -> None:
    study = new_study()
    first, second = ask(study, X), ask(study, X)
    waits = during(lambda: take(second, X))
    assert not confirm_claim(study, first)
    assert len(waits) == 1


def test_the_smaller_number_does_not_wait_for_ever(during: Callable) -> None:
    study = new_study()
    first = ask(study, X)
    ask(study, X)
    waits = during(lambda: None)
    assert not confirm_claim(study, first)
    assert 0.5 < sum(waits) < 2


def test_one_that_was_finished_meanwhile_is_taken() -> None:
    study = new_study()
    first, second = ask(study, X), ask(study, X)
    state = StudyState(SPACE, study, max_failures=2)
    state.read(study, first.number)
    take(second, X)
    study.tell(second, 1.0)
    assert not state.confirm_claim(study, first.number, alone(X), KEYS)


def test_enqueued_architectures_are_taken() -> None:
    study = new_study()
    first = ask(study, X)
    study.enqueue_trial(SPACE.row_to_params(X))
    assert not confirm_claim(study, first)


def test_isomorphic_cells_count_as_one() -> None:
    """Two other cells with the same graph: the first edge leads nowhere in both."""
    keys = keys_of("graph")
    every = SPACE.enumerate()
    equal = [row for row in every if keys(alone(row)) == keys(alone(every[0]))][:2]
    study = new_study()
    ask(study, equal[0])
    second = ask(study, equal[1])
    state = StudyState(SPACE, study, max_failures=2)
    assert not state.confirm_claim(study, second.number, alone(equal[1]), keys)
    assert state.confirm_claim(study, second.number, alone(equal[1]), KEYS)


def test_a_worker_whose_choice_is_taken_picks_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rival claims the same between a worker's look at the study and its own claim."""
    study, claim = new_study(), write_claim
    rival = ask(study)
    stolen = []

    def late(
        study: optuna.Study, trial: optuna.trial.FrozenTrial, row: object, z: object = None
    ) -> None:
        if not stolen:
            stolen.append(str(SPACE.architectures(row[None])[0]))
            claim(study, rival, row)
        claim(study, trial, row, z)

    monkeypatch.setattr(study_search, "write_claim", late)
    trial = study.ask()
    assert str(SPACE.suggest(trial)) != stolen[0]
    assert len(set(crew.held(study))) == 2


# -- expiry ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stale_after", "freed"), [(None, False), (3600, False), (0, True)])
def test_dead_claims_expire(stale_after: float | None, freed: bool) -> None:
    study = new_study()
    ask(study, X)
    state = StudyState(SPACE, study, 2, stale_after)
    snapshot = state.read(study, 1)
    assert (len(snapshot.pending), snapshot.position) == ((0, 0) if freed else (1, 1))
    assert state.confirm_claim(study, 1, alone(X), KEYS) is freed


def test_waiting_trials_do_not_expire() -> None:
    study = new_study()
    study.enqueue_trial(SPACE.row_to_params(X))
    assert StudyState(SPACE, study, 2, stale_after=0).read(study, 1).pending.tolist() == [
        X.tolist()
    ]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_bad_expiry(seconds: float) -> None:
    with pytest.raises(ValueError, match=f"stale_after={seconds}"):
        Sampler(stale_after=seconds)


# -- claims that nobody can read ---------------------------------------------------------------------------------------

TORN = (
    *("", "[", "[0,1,2", "{}", "null", '"x"', "[" * 100_000, "[0,0,0]", "[0,0,0,0,0,0,0]"),
    *("[-1,0,0,0,0,0]", "[3,0,0,0,0,0]", "[0.5,0,0,0,0,0]", "[true,0,0,0,0,0]", '["0",0,0,0,0,0]'),
    *("[[0],0,0,0,0,0]", "[1e999,0,0,0,0,0]", "[NaN,0,0,0,0,0]", f"[{10**30},0,0,0,0,0]"),
    *(5, [0, 0, 0, 0, 0, 0], {"row": "000000"}, True, {"schema": 2, "row": [0] * 6}),
)


def test_torn_claims_are_ignored_with_one_warning() -> None:
    study = new_study()
    for claim in TORN:
        trial = study.ask()
        trial.storage.set_trial_system_attr(trial._trial_id, CLAIM, claim)
    with pytest.warns(UserWarning, match="trial 0 holds the claim ''") as caught:
        study.optimize(crew.objective, n_trials=6)
    assert len([w for w in caught if "claim" in str(w.message)]) == 1
    assert len(crew.architectures(study)) == 6


@pytest.mark.parametrize(
    "attrs", [{"fixed_params": "torn"}, {"constraints": 3}, {"constraints:a": "x"}]
)
def test_other_torn_attributes(attrs: dict) -> None:
    study = new_study()
    trial = study.ask()
    for key, value in attrs.items():
        trial.storage.set_trial_system_attr(trial._trial_id, key, value)
    study.tell(trial, state=TrialState.FAIL)
    running = study.ask()
    for key, value in attrs.items():
        running.storage.set_trial_system_attr(running._trial_id, key, value)
    study.optimize(crew.objective, n_trials=6)
    assert len(crew.architectures(study)) == 6


# -- storages that fail ---------------------------------------------------------------------------------------------


class Unreliable:
    """A storage whose n-th call from now on fails, and all that follow if it is gone."""

    def __init__(self, storage: object, call: int, gone: bool) -> None:
        self.storage, self.left, self.gone = storage, call, gone

    def __getattr__(self, name: str) -> object:
        found = getattr(self.storage, name)
        return (
            self._guarded(found) if name in ("get_all_trials", "set_trial_system_attr") else found
        )

    def _guarded(self, method: Callable) -> Callable:
        def call(*args: object, **kwargs: object) -> object:
            self.left -= 1
            if self.left == 0 or (self.gone and self.left < 0):
                raise StorageInternalError("database is locked")
            return method(*args, **kwargs)

        return call


@pytest.fixture
def unreliable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    def fail(study: optuna.Study, call: int, gone: bool) -> Unreliable:
        storage = Unreliable(study._storage, call, gone)
        monkeypatch.setattr(study, "_storage", storage)
        return storage

    return fail


@pytest.mark.parametrize("call", range(1, 6))
def test_storage_errors_surface_and_leave_no_claim(unreliable: Callable, call: int) -> None:
    study = new_study()
    study.optimize(crew.objective, n_trials=5)
    trial = study.ask()
    storage = unreliable(study, call, gone=False)
    with pytest.raises(StorageInternalError, match="locked"):
        SPACE.suggest(trial)
    assert storage.left <= 0, "nothing failed"
    assert len(set(crew.held(study))) == len(crew.held(study)) == 5
    assert not StudyState(SPACE, study, 2).read(study, -1).pending.size


@pytest.mark.filterwarnings("ignore:trial 0 failed before it took its architecture")
@pytest.mark.parametrize("call", range(1, 6))
def test_a_study_survives_a_database_that_comes_back(unreliable: Callable, call: int) -> None:
    study = new_study()
    trial = study.ask()
    storage = unreliable(study, call, gone=True)
    with pytest.raises(StorageInternalError, match="locked"):
        SPACE.suggest(trial)
    storage.gone = False
    study.tell(trial, state=TrialState.FAIL)
    study.optimize(crew.objective, n_trials=6)
    assert len(set(crew.architectures(study))) == 6


def test_claims_are_short_and_readable() -> None:
    study = new_study()
    study.optimize(crew.objective, n_trials=1)
    claim = study.trials[0].system_attrs[CLAIM]
    assert (
        json.loads(claim) == SPACE.choices([SPACE.from_params(study.trials[0].params)])[0].tolist()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        StudyState(SPACE, study, 2).read(study, -1)


def test_clocks_that_disagree_do_not_rewrite_what_is_known() -> None:
    """A result whose worker's clock is behind comes last all the same: rounds of training stand."""
    study = new_study()
    state = StudyState(SPACE, study, max_failures=2)
    rows = SPACE.sample(3, np.random.default_rng(1))
    now, observations = datetime.now(), []
    for row, minutes in zip(rows, (0, 5, -5), strict=True):
        trial = optuna.create_trial(
            params=SPACE.row_to_params(row), distributions=SPACE.distributions(), value=1.0
        )
        trial.datetime_complete = now + timedelta(minutes=minutes)
        study._storage.create_new_trial(study._study_id, template_trial=trial)
        observations.append(state.read(study, -1).observations.x)
    assert observations[-1].tolist() == rows.tolist()
    assert observations[1].tolist() == rows[:2].tolist()
    fresh = StudyState(SPACE, study, max_failures=2).read(study, -1).observations.x
    assert fresh.tolist() == rows[[2, 0, 1]].tolist()


def test_constraints_that_appear_late_are_unknown_before() -> None:
    study = new_study()
    state = StudyState(SPACE, study, max_failures=2)
    rows = SPACE.sample(4, np.random.default_rng(1))
    for row, limits in zip(rows, ({}, {"b": 1.0}, {"a": 2.0, "b": 3.0}, {}), strict=True):
        trial = optuna.create_trial(
            params=SPACE.row_to_params(row),
            distributions=SPACE.distributions(),
            value=1.0,
            system_attrs={f"constraints:{name}": value for name, value in limits.items()},
        )
        study.add_trial(trial)
        step_by_step = state.read(study, -1).observations
    at_once = StudyState(SPACE, study, max_failures=2).read(study, -1).observations
    assert step_by_step.names == at_once.names == ("a", "b")
    assert np.array_equal(step_by_step.constraints, at_once.constraints, equal_nan=True)
    assert (step_by_step.x == at_once.x).all()
    assert (step_by_step.y == at_once.y).all()
