from __future__ import annotations

import time

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from optuna_agnet import AGNetSampler, spaces
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
    assert all(observations.data == later.head(len(observations)).data for observations in seen)


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
    assert len(state.read(study, -1).observations) == 2000
    assert time.perf_counter() - start < first / 3
