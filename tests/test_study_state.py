from __future__ import annotations

import time

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from optuna_agnet import AGNetSampler, spaces
from optuna_agnet.study_state import Snapshot, StudyState

SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv", "pool"))
NAMES = [d.name for d in SPACE.decisions]


def new_study() -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=AGNetSampler(SPACE, seed=0))


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
    assert len(snapshot(study).told) == 0


def test_nan_fails_and_infinite_values_count() -> None:
    study = new_study()
    values = iter([np.nan, np.inf, -np.inf, 1.0, np.nan, 2.0, 3.0, -np.inf, 4.0])

    def odd(trial: optuna.Trial) -> float:
        SPACE.suggest(trial)
        return next(values)

    study.optimize(odd, n_trials=9)
    assert snapshot(study).told.y[:, 0].tolist() == [np.inf, -np.inf, 1.0, 2.0, 3.0, -np.inf, 4.0]


def test_running_trials_are_pending_from_their_claim_on() -> None:
    study = new_study()
    trial = study.ask()
    trial.suggest_categorical(NAMES[0], SPACE.decisions[0].choices)
    assert len(snapshot(study).pending) == 1
    assert str(SPACE.architectures(snapshot(study).pending)[0]) == str(SPACE.suggest(trial))


def test_2000_trials_stay_cheap() -> None:
    rng, study = np.random.default_rng(0), new_study()
    params = [SPACE.row_to_params(row) for row in SPACE.sample(2000, rng)]
    distributions = SPACE.distributions()
    study.add_trials(
        [create_trial(params=p, distributions=distributions, value=rng.normal()) for p in params]
    )
    state = StudyState(SPACE, study, 2)
    start = time.perf_counter()
    state.read(study, -1)
    first = time.perf_counter() - start
    start = time.perf_counter()
    assert len(state.read(study, -1).told) == 2000
    assert time.perf_counter() - start < first / 3
