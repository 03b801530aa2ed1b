from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.search.candidates import Filter
from optuna_agnet.search.model import digest_of
from optuna_agnet.search.observations import Pairs
from optuna_agnet.search.pairs import PairFilter
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.study.claims import write_claim
from optuna_agnet.study.storage_view import Snapshot, StudyState
from optuna_agnet.study.trials import best_trials

SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv", "pool"))
NAMES = [d.name for d in SPACE.decisions]


def new_study() -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=AGNetSampler(SPACE, seed=0))


def random_study() -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))


def snapshot(study: optuna.Study, max_failures: int = 2) -> Snapshot:
    return StudyState(SPACE, study, max_failures).read(study, -1)


def test_pruned_and_often_failed_architectures_are_excluded() -> None:
    study = new_study()
    a, b, c = (SPACE.random_architecture(seed) for seed in range(3))
    for arch, state in ((a, "pruned"), (b, "fail"), (b, "fail"), (c, "fail")):
        study.enqueue_trial(SPACE.to_params(arch))
        trial = study.ask()
        SPACE.suggest(trial)
        study.tell(trial, state=TrialState[state.upper()])
    assert snapshot(study).excluded.tolist() == SPACE.choices([a, b]).tolist()
    assert snapshot(study, max_failures=1).excluded.tolist() == SPACE.choices([a, b, c]).tolist()
    assert len(snapshot(study).observations) == 0


@pytest.mark.parametrize(
    ("ends", "max_failures", "position"),
    [
        ("", 2, 0),
        ("ccc", 2, 3),
        ("caf", 2, 1),  # has failed once, and may be tried again: in its place
        ("cafaf", 2, 2),  # not again: the next proposal is another one
        ("cafbf", 2, 1),
        ("afbfafbf", 2, 2),
        ("afafaf", 2, 1),
        ("afafaf", 3, 1),
        ("afaf", 3, 0),
        ("af", 1, 1),
        ("afafc", 2, 2),
    ],
)
def test_what_failed_for_the_last_time_keeps_its_place(
    ends: str, max_failures: int, position: int
) -> None:
    study = ended(ends)
    state = StudyState(SPACE, study, max_failures)
    assert state.read(study, len(study.trials)).position == position
    assert state.read(study, 0).position == 0


def ended(ends: str) -> optuna.Study:
    """Letters: c a trial that completes; af, bf two architectures that fail."""
    study = random_study()
    for name in ends.replace("f", ""):
        if name == "c":
            trial = study.ask()
            SPACE.suggest(trial)
            study.tell(trial, 1.0)
        else:
            study.enqueue_trial(SPACE.to_params(SPACE.random_architecture(ord(name))))
            trial = study.ask()
            SPACE.suggest(trial)
            study.tell(trial, state=TrialState.FAIL)
    return study


def test_what_failed_is_known_between_the_results_where_it_failed_for_the_last_time() -> None:
    study = ended("cafcbfafccbf")
    seen = StudyState(SPACE, study, 2).read(study, len(study.trials))
    assert seen.failed is not None
    expected = [SPACE.random_architecture(ord(name)) for name in "ab"]
    assert seen.failed.pairs.x.tolist() == SPACE.choices(expected).tolist()
    assert seen.failed.after.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("ends", "ended"),
    [
        ("aabbc", "abc"),  # two failed again: the third is not tried again
        ("aabc", "a"),
        ("aaBbb", "ab"),
        ("aAbbccd", "bc"),  # of a it was the machine
        ("abcabd", "abd"),
    ],
)
def test_pairs_are_tried_again_until_two_have_failed_again(ends: str, ended: str) -> None:
    """Letters: pairs that fail or, capital ones, complete."""
    study, lr = random_study(), Hyperparameters.of({"lr": FloatDistribution(1e-4, 1.0, log=True)})
    for name in ends:
        rate = 1e-3 * (ord(name.lower()) - 96)
        study.enqueue_trial({**SPACE.to_params(SPACE.random_architecture(3)), "lr": rate})
        trial = study.ask()
        SPACE.suggest(trial)
        trial.suggest_float("lr", 1e-4, 1.0, log=True)
        state = TrialState.FAIL if name.islower() else None
        study.tell(trial, None if name.islower() else 1.0, state)
    found = StudyState(SPACE, study, 2).read(study, len(study.trials), lr)
    assert found.failed is not None
    assert found.given_up is not None
    expected = [lr.rows([{"lr": 1e-3 * (ord(name) - 96)}])[0, 0] for name in ended]
    assert sorted(found.failed.pairs.z[:, 0]) == pytest.approx(expected)
    assert sorted(found.given_up.z[:, 0]) == pytest.approx(expected)
    assert found.position == len(ended) + sum(map(str.isupper, ends))


def evaluated(study: optuna.Study, intermediate: float | None, value: float | None) -> None:
    """One trial that reports at step 1 and, without a value, is pruned then."""
    trial = study.ask()
    SPACE.suggest(trial)
    if intermediate is not None:
        trial.report(intermediate, 1)
    study.tell(trial, value, state=TrialState.PRUNED if value is None else None)


def test_pruned_trials_teach_by_their_place_among_the_complete_ones_before_them() -> None:
    study = random_study()
    reports = [(0.3, None), (0.5, 70.0), (0.2, None), (0.6, 80.0), (0.55, None), (0.9, None)]
    for intermediate, value in [*reports, (None, None), (0.5, 99.0), (0.55, None)]:
        evaluated(study, intermediate, value)
    known = snapshot(study)  # nothing of the first one and of the one without a report
    assert known.observations.y[:, 0].tolist() == [70.0, 70.0, 80.0, 70.0, 80.0, 99.0, 80.0]
    assert len(known.excluded) == sum(value is None for _, value in reports) + 2
    assert [trial.value for trial in best_trials(study)] == [99.0]


def test_what_pruned_trials_taught_never_changes() -> None:
    rng, study = np.random.default_rng(0), random_study()
    state, seen = StudyState(SPACE, study, 2), []
    for k in range(30):
        evaluated(study, rng.normal(), rng.normal() if k % 3 == 0 else None)
        seen.append(state.read(study, -1).observations)
    later = snapshot(study).observations  # by somebody who learns all at once
    assert len(later) == 30
    assert all(digest_of(o) == digest_of(later.head(len(o))) for o in seen)


def test_nan_fails_and_infinite_values_count() -> None:
    study = new_study()
    values = iter([np.nan, np.inf, -np.inf, 1.0, np.nan, 2.0, 3.0, -np.inf, 4.0])

    def odd(trial: optuna.Trial) -> float:
        SPACE.suggest(trial)
        return next(values)

    study.optimize(odd, n_trials=9)
    assert snapshot(study).observations.y[:, 0].tolist() == [
        np.inf,
        -np.inf,
        1.0,
        2.0,
        3.0,
        -np.inf,
        4.0,
    ]


def test_running_trials_are_pending_from_their_claim_on() -> None:
    study = new_study()
    trial = study.ask()
    trial.suggest_categorical(NAMES[0], SPACE.decisions[0].choices)
    assert len(snapshot(study).pending) == 1
    assert str(SPACE.architectures(snapshot(study).pending)[0]) == str(SPACE.suggest(trial))


def test_2000_trials_stay_cheap(calls: Callable) -> None:
    rng, study = np.random.default_rng(0), new_study()
    params = [SPACE.row_to_params(row) for row in SPACE.sample(2000, rng)]
    distributions = SPACE.distributions()
    study.add_trials(
        [create_trial(params=p, distributions=distributions, value=rng.normal()) for p in params]
    )
    state = StudyState(SPACE, study, 2)
    first = calls(lambda: state.read(study, -1))
    assert calls(lambda: state.read(study, -1)) < first / 20
    assert len(state.read(study, -1).observations) == 2000


# -- lists that can't be relied on -------------------------------------------------------------------------------------


class Listing:
    """A storage whose lists are changed on their way; everything else is the storage's."""

    def __init__(self, storage: BaseStorage) -> None:
        self.storage = storage
        self.change: Callable[[list[FrozenTrial]], list[FrozenTrial]] = list

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def get_all_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        return self.change(self.storage.get_all_trials(*args, **kwargs))


def listed(study: optuna.Study) -> Listing:
    listing = Listing(study._storage)
    study._storage = listing
    return listing


def told_numbers(study: optuna.Study) -> list[int]:
    """The trials that the study's sampler has learned of, each as often as it has."""
    rows = study.sampler._search_of(study).state.read(study, -1).observations.x.tolist()
    by_row = {
        tuple(SPACE.choices([SPACE.from_params(t.params)])[0]): t.number for t in study.trials
    }
    return sorted(by_row[tuple(row)] for row in rows)


@pytest.mark.parametrize("known_before", [False, True])
def test_a_trial_that_a_list_lacks_for_a_moment_is_learned_once(known_before: bool) -> None:
    study = new_study()
    listing = listed(study)
    study.optimize(lambda trial: len(str(SPACE.suggest(trial))), n_trials=5)
    fifth, sixth = study.ask(), study.ask()
    first = SPACE.suggest(fifth) if known_before else None
    listing.change = lambda trials: [t for t in trials if t.number != fifth.number]
    second = SPACE.suggest(sixth)
    listing.change = list
    first = first or SPACE.suggest(fifth)
    assert first != second
    study.tell(fifth, 1.0)
    study.tell(sixth, 2.0)
    study.optimize(lambda trial: len(str(SPACE.suggest(trial))), n_trials=4)
    assert told_numbers(study) == list(range(11))
    assert len({tuple(t.params.values()) for t in study.trials}) == 11


@pytest.mark.parametrize("change", [lambda trials: trials[::-1], lambda trials: trials[::2]])
def test_the_order_of_a_list_and_what_it_lacks_change_nothing(change: Any) -> None:
    honest, other = new_study(), new_study()
    listed(other).change = change
    for study in (honest, other):
        study.optimize(lambda trial: len(str(SPACE.suggest(trial))), n_trials=9)
        SPACE.suggest(study.ask())
        study.optimize(lambda trial: len(str(SPACE.suggest(trial))), n_trials=9)
    other._storage.change = list
    assert told_numbers(honest) == told_numbers(other) == [*range(9), *range(10, 19)]
    assert [t.params for t in honest.trials] == [t.params for t in other.trials]


def test_what_was_seen_of_a_trial_is_not_forgotten() -> None:
    """An older list: a finished trial runs again, a claim is not there yet."""
    study = new_study()
    study.optimize(lambda trial: len(str(SPACE.suggest(trial))), n_trials=3)
    created = study.ask()
    old = [copy.copy(trial) for trial in study._storage.get_all_trials(study._study_id)]
    old[2].state, old[2].values = TrialState.RUNNING, None
    SPACE.suggest(created)
    state = StudyState(SPACE, study, 2)
    before = state.read(study, -1)
    listed(study).change = lambda trials: old
    after = state.read(study, -1)
    assert digest_of(after.observations) == digest_of(before.observations)
    assert after.pending.tolist() == before.pending.tolist()
    assert len(before.pending) == 1


def test_a_manifest_names_a_trial_that_a_list_lacks() -> None:
    config = AGNetConfig(n_startup=4, retrain_every=4)
    study = new_study()
    for k in range(4):
        evaluated(study, None, float(k))
    writer = StudyState(SPACE, study, 2, config=config)
    seen = writer.read(study, -1).observations
    listed(study).change = lambda trials: trials[:-1]
    joined = StudyState(SPACE, study, 2, config=config)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joined.read(study, -1)
        assert not joined._order.is_due(joined.finished)
        joined._order.sync(study, joined._trials, joined.finished)
        assert digest_of(joined.read(study, -1).observations) == digest_of(seen)


class Counting(InMemoryStorage):
    """Counts what is read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def get_all_trials(self, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        self.calls["lists"] += 1
        return super().get_all_trials(*arguments, **options)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        self.calls["single"] += 1
        return super().get_trial(trial_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        self.calls["attributes"] += 1
        return super().get_study_system_attrs(study_id)


def count_single(monkeypatch: pytest.MonkeyPatch, database: RDBStorage) -> Counter[str]:
    """Of trials that are read of a database one by one from now on."""
    calls: Counter[str] = Counter()
    get_trial = database.get_trial

    def counting(trial_id: int) -> FrozenTrial:
        calls["single"] += 1
        return get_trial(trial_id)

    monkeypatch.setattr(database, "get_trial", counting)
    return calls


@pytest.mark.parametrize("rivals", [1, 2, 3, 30])
@pytest.mark.parametrize("thief", ["first", "last", "new", "done", "new and done"])
@pytest.mark.parametrize("database", [False, True])
def test_a_claim_meets_those_of_all_that_choose(
    rivals: int, thief: str, database: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they claim after the last look is seen; in a database thirty are not asked for one by one, nor listed."""
    monkeypatch.setattr("optuna_agnet.study.storage_view.time.sleep", lambda seconds: None)
    storage: Any = Counting()
    if database:
        storage = optuna.storages.get_storage("sqlite://")
        storage.calls = count_single(monkeypatch, storage._backend)
    study = optuna.create_study(storage=storage, sampler=AGNetSampler(SPACE, seed=0))
    choosing = [study.ask() for _ in range(rivals)]
    mine = study.ask().number
    state = StudyState(SPACE, study, 2)
    state.read(study, mine)
    if thief.startswith("new"):
        choosing.append(study.ask())
    free, taken = SPACE.sample(2, np.random.default_rng(0))
    rival = choosing[0 if thief == "first" else -1]
    if thief.endswith("done"):
        study.ask()  # and one more behind it
        params = SPACE.row_to_params(taken)
        for name, choices in SPACE.distributions().items():
            value = choices.to_internal_repr(params[name])
            storage.set_trial_param(rival._trial_id, name, value, choices)
        study.tell(rival, 1.0)
    else:
        write_claim(study, rival, taken)
    assert not confirmed(state, study, mine, taken)
    storage.calls.clear()
    assert confirmed(state, study, mine, free)
    assert storage.calls["single"] <= (3 if database else rivals + 1)
    assert storage.calls["lists"] == 0


def confirmed(state: StudyState, study: optuna.Study, number: int, row: IntArray) -> bool:
    keys = Filter(SPACE, "encoding", frozenset(), {}).keys
    pair = Pairs(row[None], np.empty((1, 0)))
    return state.confirm_claim(study, number, pair, lambda pairs: keys(pairs.x))


@pytest.mark.parametrize("enqueued", [False, True])
@pytest.mark.parametrize("storage", [None, "sqlite://"])
def test_a_claim_meets_one_whose_trial_has_its_architecture_and_asks_for_the_rest(
    storage: str | None, enqueued: bool
) -> None:
    """Whether it was enqueued, or, in memory, got its parameters in a list that is older than its claim."""
    lr = Hyperparameters.of({"lr": FloatDistribution(1e-4, 1.0, log=True)})
    study = optuna.create_study(storage=storage, sampler=AGNetSampler(SPACE, seed=0))
    if enqueued:
        study.enqueue_trial(SPACE.to_params(SPACE.random_architecture(0)))
    rival, mine = study.ask(), study.ask().number
    state, listed = StudyState(SPACE, study, 2), study.get_trials(deepcopy=False)
    x = SPACE.choices([SPACE.suggest(rival)])
    write_claim(study, rival, x[0], {"lr": 1e-2})
    state.read(study, mine, lr, listed)
    keys = PairFilter(lr, Filter(SPACE, "encoding", frozenset(), {}), frozenset(), lr.free).keys
    for rate, free in ((1e-2, False), (1e-3, True)):
        pair = Pairs(x, lr.rows([{"lr": rate}]))
        assert state.confirm_claim(study, mine, pair, keys, lr) == free


@pytest.mark.parametrize("running", [0, 3])
def test_what_an_ask_reads(running: int) -> None:
    """Optuna lists waiting trials, then there is one list to choose from; behind the claim trials are asked for."""
    storage = Counting()
    sampler = AGNetSampler(SPACE, seed=0, config=AGNetConfig(n_startup=6, retrain_every=6))
    study = optuna.create_study(direction="maximize", storage=storage, sampler=sampler)
    study.optimize(lambda trial: len(str(SPACE.suggest(trial))), n_trials=1)
    for _ in range(running):
        SPACE.suggest(study.ask())
    for results in range(1, 13):
        storage.calls.clear()
        trial = study.ask()
        value = len(str(SPACE.suggest(trial)))
        due = results in (6, 12)
        assert storage.calls["lists"] == 2
        assert storage.calls["attributes"] == 2 * due
        study.tell(trial, value)


def test_a_state_is_looked_at_once() -> None:
    """A trial finishes between two looks at the same object."""

    class Changing(FrozenTrial):
        looks = 0

        @property
        def state(self) -> TrialState:
            self.looks += 1
            return TrialState.RUNNING if self.looks == 1 else self._state

        @state.setter
        def state(self, state: TrialState) -> None:
            self._state = state

    study = new_study()
    listing = listed(study)
    study.optimize(lambda trial: len(str(SPACE.suggest(trial))), n_trials=3)

    def changing(trials: list[FrozenTrial]) -> list[FrozenTrial]:
        last = copy.copy(trials[-1])
        last.__class__ = Changing
        last.__dict__["_state"] = trials[-1].state
        return [*trials[:-1], last]

    listing.change = changing
    state = StudyState(SPACE, study, 2)
    first = state.read(study, -1)
    assert (len(first.observations), len(first.pending)) == (2, 1)
    listing.change = list
    assert (len(state.read(study, -1).observations), len(state.read(study, -1).pending)) == (3, 0)


def test_parameters_that_do_not_fit_are_an_error_each_time() -> None:
    study = new_study()
    wrong = CategoricalDistribution(("x", "y"))
    study.add_trial(
        create_trial(params={NAMES[0]: "x"}, distributions={NAMES[0]: wrong}, value=1.0)
    )
    state = StudyState(SPACE, study, 2)
    for _ in range(2):
        with pytest.raises(ValueError, match="recorded the parameter"):
            state.read(study, -1)
