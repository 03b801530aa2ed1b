"""Parameters beside the architecture: other ones in each worker, the same ones after a restart."""

from __future__ import annotations

from functools import lru_cache

import crew
import optuna
from crew import Sampler
from optuna.samplers import TPESampler

TRIALS = 14  # more than TPE's random start


def learning_rates(study: optuna.Study) -> list[float]:
    return [trial.params["lr"] for trial in study.trials]


def assert_different(study: optuna.Study) -> None:
    """All of the random start, and most of the others, where the model may want one of a good result once more."""
    drawn = learning_rates(study)
    start = drawn[: crew.QUICK.n_startup]
    assert len(set(start)) == len(start)
    assert len(set(drawn)) > len(drawn) / 2
    assert len({(str(t.params)) for t in study.trials}) == len(drawn)  # no pair comes twice


@lru_cache
def uninterrupted() -> list[dict[str, object]]:
    study = optuna.create_study(direction="maximize", sampler=Sampler())
    study.optimize(crew.mixed, n_trials=TRIALS)
    return [trial.params for trial in study.trials]


def test_eight_workers_draw_different_ones(address: str, name: str) -> None:
    study = crew.new_study(address, name)
    codes = crew.run(address, name, 3, [Sampler() for _ in range(8)], crew.mixed)
    assert codes == [0] * 8
    assert len(study.trials) == 24
    assert_different(study)


def test_a_study_in_pieces_is_the_whole(address: str, name: str) -> None:
    """Such as a job array, each job with one trial and the same seed."""
    for trials in (1, 1, 1, 4, 7):
        study = crew.new_study(address, name, sampler=Sampler())
        study.optimize(crew.mixed, n_trials=trials)
    assert [trial.params for trial in study.trials] == uninterrupted()
    assert_different(study)


def test_threads_draw_different_ones() -> None:
    study = optuna.create_study(direction="maximize", sampler=Sampler())
    study.optimize(crew.mixed, n_trials=TRIALS, n_jobs=4)
    assert_different(study)


def test_seeds_draw_different_ones() -> None:
    studies = [optuna.create_study(sampler=Sampler(seed=seed)) for seed in (0, 1, None)]
    for study in studies:
        study.optimize(crew.mixed, n_trials=2)
    assert len({lr for study in studies for lr in learning_rates(study)}) == 6


def test_an_independent_sampler_of_your_own_is_left_as_it_is() -> None:
    found = []
    for independent_sampler in (TPESampler(seed=3), TPESampler(seed=3)):
        study = optuna.create_study(sampler=Sampler(independent_sampler=independent_sampler))
        study.optimize(crew.mixed, n_trials=3)
        found.append(learning_rates(study))
    assert found[0] == found[1]
    study.optimize(crew.mixed, n_trials=2, n_jobs=2)  # reseeded by Optuna, as ever
    assert study.sampler._independent_sampler is independent_sampler
