"""No architecture twice, no trial lost: many workers, real storages, deaths in the middle of a trial."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import crew
import optuna
import pytest
from crew import PHASES, Death, Lockstep, Sampler
from optuna.artifacts import FileSystemArtifactStore
from optuna.trial import TrialState
from servers import free_port, wait_for

from optuna_agnet import spaces
from optuna_agnet.search.model import training_sizes


def check(study: optuna.Study, trials: int, samplers: list[Sampler]) -> None:
    """Every trial that a worker began is there, in the state in which it left it, with an architecture of its own."""
    dead = [sampler.death for sampler in samplers if sampler.death is not None]
    completed = trials * (len(samplers) - len(dead)) + sum(death.trial for death in dead)
    states = Counter(t.state for t in study.get_trials(deepcopy=False))
    assert states == Counter({TrialState.COMPLETE: completed, TrialState.RUNNING: len(dead)})
    holding = completed + sum(death.phase != "created" for death in dead)
    held = crew.held(study)
    assert len(held) == holding
    assert [arch for arch, times in Counter(held).items() if times > 1] == []
    rounds = crew.rounds(study)  # agreed on; another one may be due
    listed = [number for numbers in rounds for number in numbers]
    assert len(training_sizes(completed, crew.QUICK)) - len(rounds) in (0, 1)
    assert len(set(listed)) == len(listed)


def run(address: str, name: str, trials: int, samplers: list[Sampler]) -> None:
    study = crew.new_study(address, name)
    codes = crew.run(address, name, trials, samplers)
    assert codes == [0 if sampler.death is None else -9 for sampler in samplers]
    check(study, trials, samplers)


def deaths(workers: int, trial: int, first_phase: int) -> list[Death | None]:
    """Of every third worker, at one phase after the other."""
    return [
        Death(trial, PHASES[(first_phase + n // 3) % len(PHASES)]) if n % 3 == 2 else None
        for n in range(workers)
    ]


def test_four_workers_want_the_same_and_one_dies(address: str, name: str) -> None:
    run(address, name, 4, [Lockstep(death) for death in deaths(4, trial=2, first_phase=1)])


def test_four_workers_search(journal: str, name: str) -> None:
    run(journal, name, 6, [Sampler() for _ in range(4)])


def test_four_workers_share_what_they_train(journal: str, name: str, tmp_path: Path) -> None:
    store = FileSystemArtifactStore(str(tmp_path))
    run(journal, name, 6, [Sampler(artifact_store=store) for _ in range(4)])
    assert 1 <= len(list(tmp_path.glob("agnet-*"))) <= 8


def test_four_workers_behind_a_proxy_whose_lists_have_gaps(sqlite: str, name: str) -> None:
    pytest.importorskip("grpc", reason="needs pip install grpcio")
    port = free_port()
    study = crew.new_study(sqlite, name)
    proxy = crew.process(crew.serve_with_gaps, sqlite, port)
    wait_for(lambda: socket.create_connection(("localhost", port)).close(), OSError)
    workers: list[Sampler] = [Lockstep() for _ in range(4)]
    codes = crew.run(f"grpc:{port}", name, 5, workers)
    proxy.kill()
    proxy.join()
    assert codes == [0] * 4
    check(study, 5, workers)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_workers(address: str, name: str, workers: int) -> None:
    run(address, name, 48 // workers, [Sampler() for _ in range(workers)])


@pytest.mark.slow
@pytest.mark.parametrize("phase", range(len(PHASES)), ids=PHASES)
def test_every_third_of_eight_workers_dies(address: str, name: str, phase: int) -> None:
    kind = Lockstep if phase % 2 else Sampler
    run(address, name, 6, [kind(death) for death in deaths(8, 3, phase)])


@pytest.mark.parametrize("kind", [Sampler, Lockstep])
def test_threads(sqlite: str, name: str, kind: type[Sampler]) -> None:
    study = crew.new_study(sqlite, name, sampler=kind())
    study.optimize(crew.objective, n_trials=32, n_jobs=4)
    check(study, 32, [Sampler()])


def test_the_last_architectures_are_shared_out(journal: str, name: str) -> None:
    crew.new_study(journal, name)
    small = spaces.EdgeCell(nodes=3, ops=crew.SPACE.ops)
    study = crew.new_study(journal, name)
    codes = crew.run(journal, name, 9, [Lockstep(space=small) for _ in range(3)])
    assert codes == [0, 0, 0]
    assert len(crew.held(study, small)) == len(set(crew.held(study, small))) == 27
