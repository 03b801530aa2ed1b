"""No architecture twice, no trial lost: many workers, real storages, deaths in the middle of a trial."""

from __future__ import annotations

from collections import Counter

import crew
import pytest
from crew import PHASES, Death
from optuna.trial import TrialState


def check(study: object, trials: int, deaths: list[Death | None]) -> None:
    """Every trial that a worker began is there, in the state in which it left it, with an architecture of its own."""
    dead = [death for death in deaths if death is not None]
    completed = trials * (len(deaths) - len(dead)) + sum(death.trial for death in dead)
    states = Counter(t.state for t in study.get_trials(deepcopy=False))
    assert states == Counter({TrialState.COMPLETE: completed, TrialState.RUNNING: len(dead)})
    holding = completed + sum(death.phase != "created" for death in dead)
    assert len(crew.held(study)) == len(set(crew.held(study))) == holding


def run(address: str, name: str, trials: int, deaths: list[Death | None]) -> None:
    study = crew.new_study(address, name)
    codes = crew.run(address, name, trials, deaths)
    assert codes == [0 if death is None else -9 for death in deaths]
    check(study, trials, deaths)


def every_third(workers: int, trial: int, first_phase: int) -> list[Death | None]:
    """Workers of which every third dies in a trial, at one phase after the other."""
    return [
        Death(trial, PHASES[(first_phase + n // 3) % len(PHASES)]) if n % 3 == 2 else None
        for n in range(workers)
    ]


def test_four_workers_one_dies(address: str, name: str) -> None:
    run(address, name, 8, every_third(4, trial=3, first_phase=1))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_workers(address: str, name: str, workers: int) -> None:
    run(address, name, 96 // workers, [None] * workers)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [4, 8])
@pytest.mark.parametrize("phase", range(len(PHASES)), ids=PHASES)
def test_every_third_worker_dies(address: str, name: str, workers: int, phase: int) -> None:
    run(address, name, 96 // workers, every_third(workers, trial=5, first_phase=phase))


def test_threads(sqlite: str, name: str) -> None:
    study = crew.new_study(sqlite, name)
    study.optimize(crew.objective, n_trials=32, n_jobs=4)
    check(study, 32, [None])
