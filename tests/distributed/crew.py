"""Worker processes on a real storage, some of which kill themselves with SIGKILL in the middle of a trial.

Processes come from a fork server that has imported everything once, so that starting one takes milliseconds.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.training import TrainingConfig
from optuna_agnet.search import Proposer, Snapshot, SpaceExhausted
from optuna_agnet.search.candidates import Filter
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE
from optuna_agnet.study import training_rounds
from optuna_agnet.study.claims import Claims

SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv"))
"""With 729 combinations small enough that workers without claims get in each other's way."""
QUICK = AGNetConfig(
    n_startup=4,
    retrain_every=8,
    training=TrainingConfig(steps=1, batch_size=8, latents=8),
    samples_per_attempt=(64,),
    pool_size=32,
    dedup="encoding",
)
PHASES = ("created", "claimed", "parameters", "telling")
"""Where in a trial a worker dies: in the order of what the storage knows of the trial."""

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        *("optuna_agnet.study.sampler", "torch._dynamo", "sqlalchemy.orm"),
        *("psycopg", "pymysql", "redis", "grpc"),
    ]
)


@dataclass(frozen=True)
class Death:
    """A worker is killed in its trial number ``trial`` (from 0) at a phase."""

    trial: int
    phase: str


class Sampler(AGNetSampler):
    """Starts from an untrained generator, which is enough here and takes no time; may die."""

    def __init__(self, death: Death | None = None, **arguments: Any) -> None:
        generator = Generator(arguments.get("space", SPACE))
        super().__init__(
            **{"space": SPACE, "seed": 0, "config": QUICK, "generator": generator, **arguments}
        )
        self.death, self.trials = death, -1

    def reached(self, phase: str) -> None:
        self.trials += phase == PHASES[0]
        if self.death == Death(self.trials, phase):
            os.kill(os.getpid(), signal.SIGKILL)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        super().before_trial(study, trial)
        self.reached("created")

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Any) -> Any:
        params = super().sample_relative(study, trial, search_space)
        self.reached("claimed")
        return params

    def after_trial(self, study: Study, *result: Any) -> None:
        self.reached("telling")
        super().after_trial(study, *result)


class Lockstep(Sampler):
    """Every worker wants the first architecture that it believes to be free: as many collisions as there can be."""

    def new_search(self, *arguments: Any) -> Proposer:
        search = super().new_search(*arguments)
        propose, every = search.propose, self._space.enumerate()

        def first_free(snapshot: Snapshot, *, fixed: Any, **given: Any) -> Any:
            taken = np.concatenate([snapshot.observations.x, snapshot.pending, snapshot.excluded])
            free = Filter(self._space, "encoding", frozenset(), fixed).without(taken).new(every)
            if not len(free):
                raise SpaceExhausted("all are taken")
            return replace(propose(snapshot, fixed=fixed, **given), row=every[free[0]])

        search.propose = first_free  # type: ignore[method-assign]
        return search


def objective(trial: optuna.Trial) -> float:
    sampler = trial.study.sampler
    assert isinstance(sampler, Sampler)
    arch = str(sampler._space.suggest(trial))
    sampler.reached("parameters")
    time.sleep(0.002 * (trial.number % 3))
    return arch.count("conv") - 0.5 * arch.count("skip") + 0.01 * len(arch)


def mixed(trial: optuna.Trial) -> float:
    """An objective with parameters beside the architecture, one of which only some trials have."""
    value = objective(trial) - abs(math.log10(trial.suggest_float("lr", 1e-4, 1, log=True)) + 2)
    momentum = trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd"
    return value + (trial.suggest_float("momentum", 0, 1) if momentum else 0.5)


# -- storages --------------------------------------------------------------------------------------------------------


def connect(address: str, **arguments: Any) -> BaseStorage:
    """A storage client: ``journal:PATH``, ``redis://...``, ``grpc:PORT`` or a URL of SQLAlchemy's."""
    kind, _, rest = address.partition(":")
    if kind == "journal":
        return JournalStorage(optuna.storages.journal.JournalFileBackend(rest))
    if kind == "redis":
        return JournalStorage(optuna.storages.journal.JournalRedisBackend(address))
    if kind == "grpc":
        return optuna.storages.GrpcStorageProxy(host="localhost", port=int(rest))
    if kind == "sqlite":  # a busy machine may keep a file locked for longer than the default 5 s
        arguments["engine_kwargs"] = {"connect_args": {"timeout": 120}}
    return optuna.storages.get_storage(RDBStorage(address, **arguments))


PRE_PING = {"engine_kwargs": {"pool_pre_ping": True}}
"""A proxy outlives the tests that end all connections of the database: it looks whether one is there still."""


def serve(address: str, port: int) -> None:
    """A gRPC proxy over another storage."""
    optuna.storages.run_grpc_proxy_server(connect(address, **PRE_PING), port=port)


class Gaps:
    """A storage whose lists lack some trials, other ones each time."""

    def __init__(self, storage: BaseStorage) -> None:
        self.storage, self.rng = storage, np.random.default_rng(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def get_all_trials(self, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        trials = self.storage.get_all_trials(*arguments, **options)
        return [trial for trial in trials if self.rng.random() < 0.7]


def serve_with_gaps(address: str, port: int) -> None:
    """A gRPC proxy whose lists have gaps; its clients never ask again for a trial before one that they saw finished."""
    optuna.storages.run_grpc_proxy_server(Gaps(connect(address, **PRE_PING)), port=port)


def new_study(address: str, name: str = "study", **arguments: Any) -> Study:
    return optuna.create_study(
        **{
            "storage": connect(address),
            "study_name": name,
            "direction": "maximize",
            "load_if_exists": True,
            "sampler": Sampler(),
            **arguments,
        }
    )


# -- processes -------------------------------------------------------------------------------------------------------


def process(target: Any, *arguments: Any) -> multiprocessing.Process:
    started = _PROCESSES.Process(target=target, args=arguments, daemon=True)
    started.start()
    return started


def work(
    address: str,
    name: str,
    trials: int,
    sampler: Sampler,
    start: threading.Barrier,
    storage: dict[str, Any],
    objective: Callable[[optuna.Trial], float],
) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name=name, storage=connect(address, **storage), sampler=sampler)
    start.wait()
    study.optimize(objective, n_trials=trials)


def run(
    address: str,
    name: str,
    trials: int,
    samplers: list[Sampler],
    objective: Callable[[optuna.Trial], float] = objective,
    **storage: Any,
) -> list[int | None]:
    """Exit codes of one worker a sampler, all started at the same moment."""
    start = _PROCESSES.Barrier(len(samplers))
    workers = [
        process(work, address, name, trials, sampler, start, storage, objective)
        for sampler in samplers
    ]
    for worker in workers:
        worker.join(timeout=300)
    return [worker.exitcode for worker in workers]


# -- what a study holds ----------------------------------------------------------------------------------------------


def held(study: Study, space: SearchSpace = SPACE) -> list[str]:
    """The architectures that trials evaluated, are evaluating or claimed."""
    trials = [t for t in study.get_trials(deepcopy=False) if t.state != TrialState.FAIL]
    _, pairs = Claims(space).held(trials, NONE)
    return ["".join(map(str, row)) for row in pairs.x.tolist()]


def rounds(study: Study, space: SearchSpace = SPACE) -> list[list[int]]:
    """The trials that each round of training learned from, as the workers agreed."""
    stored = study._storage.get_study_system_attrs(study._study_id)
    names = (training_rounds.key(space, QUICK, version) for version in itertools.count())
    texts = [stored[name] for name in itertools.takewhile(stored.__contains__, names)]
    found = [training_rounds.parse(text, range(len(study.trials))) for text in texts]
    return [numbers for numbers in found if numbers is not None]


def architectures(study: Study) -> list[str]:
    """Architectures with a result, in the order of their trials."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [str(SPACE.from_params(t.params)) for t in done]
