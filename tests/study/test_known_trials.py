"""Who counts as dead, whatever zone the clocks of the workers show; which trials were running before."""

from __future__ import annotations

import copy
import warnings
from datetime import datetime, timedelta

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.generator.network import Generator
from optuna_agnet.study import known_trials
from optuna_agnet.study.known_trials import STARTED, KnownTrials

SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv"))
HOUR = 3600


def sampler(**arguments: object) -> AGNetSampler:
    config = AGNetConfig(n_startup=100)
    return AGNetSampler(
        SPACE, **{"seed": 0, "config": config, "generator": Generator(SPACE), **arguments}
    )


def new_study(**arguments: object) -> optuna.Study:
    return optuna.create_study(**{"direction": "maximize", "sampler": sampler(), **arguments})


def objective(trial: optuna.Trial) -> float:
    return len(str(SPACE.suggest(trial)))


# -- clocks ------------------------------------------------------------------------------------------------------------


class Clocks:
    """One moment, which every clock shows in the zone of whoever looks; a process sees its own monotonic clock."""

    def __init__(self) -> None:
        self.passed, self.east = 0.0, 0.0
        self._utc, self._monotonic = 1_792_888_200.0, 1_000.0

    def time(self) -> float:
        return self._utc + self.passed

    def monotonic(self) -> float:
        return self._monotonic + self.passed

    def local(self) -> datetime:
        """What `datetime.now()` is for whoever lives so many hours east of UTC."""
        utc = datetime(2026, 10, 25, 0, 30) + timedelta(seconds=self.passed)
        return utc + timedelta(hours=self.east)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """With `datetime.now()` of Optuna's storage and of ours in a zone that a test chooses."""
    clocks = Clocks()

    class Local(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            if tz is None:
                return clocks.local()
            return (clocks.local() - timedelta(hours=clocks.east)).replace(tzinfo=tz)

    for module in (known_trials, optuna.storages._in_memory):
        monkeypatch.setattr(module, "datetime", Local)
    monkeypatch.setattr(known_trials, "time", clocks)
    return clocks


def freed(study: optuna.Study, stale_after: float) -> list[int]:
    """Numbers that count as dead for a worker that begins now."""
    known = KnownTrials(stale_after)
    known.update(study)
    return [trial.number for trial in known.unfinished()[1]]


@pytest.mark.parametrize("asked_in", [-11, -5, 0, 2, 14])
@pytest.mark.parametrize("looked_at_in", [-11, 0, 2, 14])
def test_zones_do_not_matter(clocks: Clocks, asked_in: float, looked_at_in: float) -> None:
    study = new_study()
    clocks.east = asked_in
    study.ask()
    clocks.east = looked_at_in
    assert freed(study, HOUR) == []
    clocks.passed = HOUR - 1
    assert freed(study, HOUR) == []
    clocks.passed = HOUR
    assert freed(study, HOUR) == [0]


def test_the_end_of_daylight_saving_ages_nobody(clocks: Clocks) -> None:
    study = new_study()
    clocks.east = 2  # summer
    study.ask()
    clocks.passed, clocks.east = 20 * 60, 1
    assert freed(study, HOUR) == []
    clocks.passed, clocks.east = 20 * 60, 3  # or its beginning
    assert freed(study, HOUR) == []


@pytest.mark.parametrize("east", [-11, 0, 2, 14])
def test_trials_of_others_age_from_when_they_were_first_seen(clocks: Clocks, east: float) -> None:
    """Optuna's own samplers note the time of a zone that nobody knows."""
    study = new_study(sampler=RandomSampler())
    clocks.east = east
    study.ask()
    assert STARTED not in study.trials[0].system_attrs
    clocks.east, known = 0, KnownTrials(HOUR)
    for passed, dead in ((0, []), (HOUR - 1, []), (HOUR, [0])):
        clocks.passed = passed
        known.update(study)
        assert [trial.number for trial in known.unfinished()[1]] == dead
    assert freed(study, 0) == [0]
    clocks.passed = 26 * HOUR + HOUR  # old in every zone there is
    assert freed(study, HOUR) == [0]


@pytest.mark.parametrize(
    "torn", ["x", None, True, float("nan"), float("inf"), -float("inf"), [1], 1e300]
)
def test_a_torn_note_of_the_time_frees_nothing(torn: object) -> None:
    study = new_study()
    trial = study.ask()
    study._storage.set_trial_system_attr(trial._trial_id, STARTED, torn)
    assert freed(study, HOUR) == []
    assert freed(study, 0) == [0]


def test_a_retried_trial_is_as_old_as_its_own_start(clocks: Clocks) -> None:
    """Optuna's retry copies all attributes of the dead trial."""
    study = new_study()
    study.tell(study.ask(), state=TrialState.FAIL)
    again = study.trials[0]
    again.state, again.datetime_start, again.datetime_complete = TrialState.WAITING, None, None
    study.add_trial(again)
    clocks.passed = 2 * HOUR
    assert freed(study, HOUR) == []  # it waits
    assert study.ask().number == 1
    assert freed(study, HOUR) == []


# -- trials that were running before ----------------------------------------------------------------------------------


def test_trials_that_were_running_before_are_named_once() -> None:
    study = new_study()
    for _ in range(2):
        SPACE.suggest(study.ask())
    study.optimize(objective, n_trials=1)
    study.sampler = sampler()
    with pytest.warns(
        UserWarning,
        match=r"running before this worker began: 0, 1\..*stale_after=0.*study\.tell\(0",
    ) as observations:
        study.optimize(objective, n_trials=3)
    assert len([w for w in observations if "were running before" in str(w.message)]) == 1


def silent(study: optuna.Study, n_jobs: int = 1) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.optimize(objective, n_trials=6, n_jobs=n_jobs)


@pytest.mark.parametrize("stale_after", [0, HOUR])
def test_who_says_when_a_trial_is_dead_is_not_warned(stale_after: float) -> None:
    study = new_study()
    SPACE.suggest(study.ask())
    study.sampler = sampler(stale_after=stale_after)
    silent(study)


def test_heartbeats_need_no_warning(tmp_path: object) -> None:
    storage = RDBStorage(f"sqlite:///{tmp_path}/s.db", heartbeat_interval=60)
    study = new_study(storage=storage)
    SPACE.suggest(study.ask())
    study.sampler = sampler()
    silent(study)


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_trials_of_the_worker_itself_need_no_warning(n_jobs: int) -> None:
    study = new_study()
    SPACE.suggest(study.ask())
    silent(study, n_jobs)


def test_copies_of_a_sampler_begin_when_they_are_made() -> None:
    study = new_study()
    SPACE.suggest(study.ask())
    study.sampler = copy.deepcopy(study.sampler)
    with pytest.warns(UserWarning, match="running before this worker began: 0"):
        study.optimize(objective, n_trials=1)


def test_trials_without_a_note_of_the_time_are_named_too() -> None:
    study = new_study(sampler=RandomSampler())
    study.ask()
    study.sampler = sampler()
    with pytest.warns(UserWarning, match="running before this worker began: 0"):
        study.optimize(objective, n_trials=1)


def test_an_error_of_the_storage_leaves_no_trial_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    study = new_study()

    def full(*_: object) -> None:
        raise optuna.exceptions.StorageInternalError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(study._storage, "set_trial_system_attr", full)
        trial = study.ask()
    assert study.trials[trial.number].state == TrialState.RUNNING
    silent(study)
