"""A seeded sequential study gets the same architectures, however often and wherever it was killed."""

from __future__ import annotations

import time
import warnings
from functools import lru_cache

import crew
import optuna
import pytest
from crew import PHASES, Death, Sampler
from optuna.storages import fail_stale_trials
from optuna.trial import TrialState

from optuna_agnet.study.retry import RetryCallback

TRIALS = 14  # 4 startup trials, two rounds of training
HEARTBEAT = {"heartbeat_interval": 1, "grace_period": 1}


@lru_cache
def uninterrupted() -> list[str]:
    study = optuna.create_study(direction="maximize", sampler=Sampler())
    study.optimize(crew.objective, n_trials=TRIALS)
    return crew.architectures(study)


def kill(address: str, name: str, death: Death, **storage: object) -> None:
    crew.new_study(address, name)
    assert crew.run(address, name, TRIALS, [Sampler(death)], **storage) == [-9]


def finish(study: optuna.Study) -> None:
    study.optimize(crew.objective, n_trials=TRIALS - len(crew.architectures(study)))
    assert crew.architectures(study) == uninterrupted()


def single_worker(address: str, name: str) -> optuna.Study:
    return crew.new_study(address, name, sampler=Sampler(stale_after=0))


def running(study: optuna.Study) -> list[int]:
    states = (TrialState.RUNNING,)
    return [t.number for t in study.get_trials(deepcopy=False, states=states)]


@pytest.mark.parametrize("phase", PHASES)
def test_killed_in_every_phase(journal: str, name: str, phase: str) -> None:
    kill(journal, name, Death(9, phase))
    study = single_worker(journal, name)
    finish(study)
    assert running(study) == [9]


@pytest.mark.slow
@pytest.mark.parametrize("trial", [2, 12])
@pytest.mark.parametrize("phase", PHASES)
def test_killed_anywhere_on_any_storage(address: str, name: str, phase: str, trial: int) -> None:
    kill(address, name, Death(trial, phase))
    finish(single_worker(address, name))


def test_killed_again_and_again(journal: str, name: str) -> None:
    crew.new_study(journal, name)
    for phase in PHASES:
        sampler = Sampler(Death(2, phase), stale_after=0)
        assert crew.run(journal, name, TRIALS, [sampler]) == [-9]
    finish(single_worker(journal, name))


@pytest.mark.parametrize("stale_after", [None, 0])
def test_who_resumes_is_told_of_killed_trials_and_how_to_free_them(
    sqlite: str, name: str, stale_after: float | None
) -> None:
    """README's recipe, SIGKILL in trials 5 and 18, and on to 24 results."""
    whole = optuna.create_study(direction="maximize", sampler=Sampler())
    whole.optimize(crew.objective, n_trials=24)
    crew.new_study(sqlite, name)
    for trial in (5, 12):
        sampler = Sampler(Death(trial, "parameters"), stale_after=stale_after)
        assert crew.run(sqlite, name, 24, [sampler]) == [-9]
    study = crew.new_study(sqlite, name, sampler=Sampler(stale_after=stale_after))
    assert running(study) == [5, 18]
    with warnings.catch_warnings(record=True) as observations:
        warnings.simplefilter("always")
        study.optimize(crew.objective, n_trials=24 - len(crew.architectures(study)))
    named = [
        str(w.message)
        for w in observations
        if "running before this worker began: 5, 18." in str(w.message)
    ]
    assert len(named) == (stale_after is None)
    assert all("stale_after=0" in text and "study.tell(5" in text for text in named)
    assert (crew.architectures(study) == crew.architectures(whole)) == (stale_after == 0)


def test_dead_trial_is_told_to_have_failed(journal: str, name: str) -> None:
    kill(journal, name, Death(9, "parameters"))
    study = crew.new_study(journal, name)
    study.tell(9, state=TrialState.FAIL)
    finish(study)


@pytest.mark.parametrize("retry", [False, True])
def test_heartbeats(sqlite: str, name: str, retry: bool) -> None:
    kill(sqlite, name, Death(9, "telling"), **HEARTBEAT)
    old = not hasattr(optuna.storages, "RetryHeartbeatStaleTrialCallback")  # before Optuna 4.9
    argument = "failed_trial_callback" if old else "heartbeat_stale_trial_callback"
    callback = {argument: RetryCallback()} if retry else {}
    study = crew.new_study(sqlite, name, storage=crew.connect(sqlite, **HEARTBEAT, **callback))
    end = time.monotonic() + 30
    while running(study) and time.monotonic() < end:
        fail_stale_trials(study)
        time.sleep(0.1)
    assert len(study.trials) == 11 if retry else 10
    finish(study)


def test_a_failed_architecture_is_tried_again_at_once() -> None:
    failing = set()

    def objective(trial: optuna.Trial) -> float:
        value = crew.objective(trial)
        if trial.number in (3, 6):
            failing.add(trial.number)
            raise RuntimeError("out of memory")
        return value

    study = optuna.create_study(direction="maximize", sampler=Sampler())
    study.optimize(objective, n_trials=TRIALS + 2, catch=RuntimeError)
    assert failing == {3, 6}
    assert crew.architectures(study) == uninterrupted()


@pytest.mark.parametrize(("settings", "kept"), [((1,), {}), ((1, True), {1: 0.5, 2: 0.75})])
def test_retried_trials_have_the_reports_of_the_dead_one_if_asked(
    settings: tuple[int, bool], kept: dict[int, float]
) -> None:
    study = optuna.create_study(direction="maximize", sampler=Sampler())
    trial = study.ask()
    crew.SPACE.suggest(trial)
    for step, value in ((1, 0.5), (2, 0.75)):
        trial.report(value, step)
    study.tell(trial, state=TrialState.FAIL)
    RetryCallback(*settings)(study, study.trials[0])
    assert study.trials[1].intermediate_values == kept


def test_retried_trials_do_not_inherit_constraints() -> None:
    study = optuna.create_study(direction="maximize", sampler=Sampler())
    trial = study.ask()
    crew.SPACE.suggest(trial)
    for key in ("constraints:latency_ms", "constraints"):
        trial.storage.set_trial_system_attr(trial._trial_id, key, [1.0] if key[-1] == "s" else 1.0)
    trial.set_user_attr("kept", 1)
    study.tell(trial, state=TrialState.FAIL)
    RetryCallback(max_retry=1)(study, study.trials[0])
    again = study.ask()
    assert again.params == trial.params
    assert again.user_attrs == {"kept": 1}
    assert [k for k in study.trials[1].system_attrs if k.startswith("constraints")] == []
    if hasattr(again, "set_constraint"):  # Optuna 5
        again.set_constraint("latency_ms", -1.0)
    study.tell(again, 1.0)
    assert study.best_trial.number == 1
    RetryCallback(max_retry=1)(study, study.trials[1])
    assert len(study.trials) == 2
