"""A storage that does all that a storage may do, and workers that it can stop at each call.

A list may lack trials, be in any order, show older versions of trials, and change while it is looked at; a call may
take long before it has an effect and after it; it may fail; a worker may be killed in the middle of it. What stays
true, as of any storage that several programs can share: a write is seen by whoever asks for that one trial after the
write has returned.

Workers are threads of which one runs at a time: the world steps one of them to its next call. So the same choices give
the same history. ``python tests/distributed/adversary.py 10000`` runs that many and prints what went wrong.
"""

from __future__ import annotations

import copy
import random
import sys
import threading
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import Proposal, Proposer, Snapshot, SpaceExhausted
from optuna_agnet.search.candidates import Filter
from optuna_agnet.study import storage_view
from optuna_agnet.study.attributes import CLAIM, REPEAT, SOURCE
from optuna_agnet.study.fixed_parameters import settled
from optuna_agnet.study.storage_view import StudyState

SPACE = spaces.EdgeCell(nodes=3, ops=("none", "skip", "conv", "pool"))  # 64 combinations
GENERATOR = Generator(SPACE)
EVERY = SPACE.enumerate()
CONFIG = AGNetConfig(n_startup=4, retrain_every=4, dedup="encoding")
READS = ("get_all_trials", "get_trial", "get_study_system_attrs")
WRITES = ("create_new_trial", "set_trial_system_attr", "set_study_system_attr", "set_trial_param")
ENDS = ("set_trial_state_values",)
FAILING = (
    "get_all_trials",
    "set_trial_system_attr",
    "get_study_system_attrs",
    "set_study_system_attr",
)


def first_free(snapshot: Snapshot, *, fixed: Any, **_: Any) -> Proposal:
    """The first architecture that nobody is known to hold."""
    taken = np.concatenate([snapshot.observations.x, snapshot.pending, snapshot.excluded])
    free = Filter(SPACE, "encoding", frozenset(), fixed).without(taken).new(EVERY)
    if not len(free):
        raise SpaceExhausted("all are taken")
    return Proposal(EVERY[free[0]], "startup", 0)


class FirstFree(AGNetSampler):
    """Wants the first architecture that it believes to be free, as all others do; trains nothing."""

    def __init__(self) -> None:
        super().__init__(SPACE, seed=0, config=CONFIG, generator=GENERATOR)

    def new_search(self, *arguments: Any) -> Proposer:
        search = super().new_search(*arguments)
        search.propose = first_free  # type: ignore[method-assign]
        return search


class RandomStart(AGNetSampler):
    """The real search, which never comes to the end of its random start."""

    def __init__(self) -> None:
        config = AGNetConfig(n_startup=10**6, dedup="encoding")
        super().__init__(SPACE, seed=0, config=config, generator=GENERATOR)


class Killed(BaseException):
    """Of a worker."""


class Worker(threading.Thread):
    """Asks, suggests and tells, a few trials; runs only while the world waits for it.

    Args:
        study: Its study.
        results: What comes of its trials, one after the other: COMPLETE, PRUNED or FAIL.
    """

    def __init__(self, study: optuna.Study, results: list[TrialState]) -> None:
        super().__init__(daemon=True)
        self.study, self.results = study, results
        self.turn, self.paused = threading.Semaphore(0), threading.Semaphore(0)
        self.killed, self.ended = False, False
        self.errors: list[BaseException] = []
        self.start()

    def step(self) -> None:
        """Run to the next call of the storage, or to the end."""
        if not self.ended:
            self.turn.release()
            self.paused.acquire()

    def kill(self) -> None:
        self.killed = True
        while not self.ended:
            self.step()

    def pause(self) -> None:
        self.paused.release()
        self.turn.acquire()
        if self.killed:
            raise Killed

    def run(self) -> None:
        self.turn.acquire()
        try:
            for result in self.results:
                self.trial(result)
        except Killed:
            pass
        except BaseException as error:
            self.errors.append(error)
        self.ended = True
        self.paused.release()

    def trial(self, result: TrialState) -> None:
        try:
            trial = self.study.ask()
        except StorageInternalError:
            return
        try:
            arch = SPACE.suggest(trial)
        except StorageInternalError:
            self.study.tell(trial, state=TrialState.FAIL)
            return
        value = float(len(str(arch)) + trial.number % 3)
        self.study.tell(trial, value if result == TrialState.COMPLETE else None, state=result)


def pause() -> None:
    """Let others run, where a worker is running at all."""
    worker = threading.current_thread()
    if isinstance(worker, Worker):
        worker.pause()


class Lock:
    """Of a sampler that several workers share: who waits lets others run."""

    def __init__(self) -> None:
        self.owner: object = None
        self.depth = 0

    def __enter__(self) -> None:
        me = threading.current_thread()
        while self.owner not in (None, me):
            pause()
        self.owner, self.depth = me, self.depth + 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        if not self.depth:
            self.owner = None


class Changing(FrozenTrial):
    """A trial that ends between the first look at its state and the second."""

    @property
    def state(self) -> TrialState:
        states = self.__dict__["states"]
        return states.pop(0) if len(states) > 1 else states[0]

    @state.setter
    def state(self, state: TrialState) -> None:
        self.__dict__["states"] = [state]


@dataclass
class Mischief:
    """What the storage does now, as shares of all cases."""

    hidden: float = 0.0
    older: float = 0.0
    changing: float = 0.0
    shuffled: float = 0.0
    failing: float = 0.0
    slow: float = 1.0


class Storage:
    """Optuna's storage in memory behind an adversary."""

    def __init__(self, rng: random.Random) -> None:
        self.honest, self.rng, self.mischief = InMemoryStorage(), rng, Mischief()
        self.versions: dict[int, list[FrozenTrial]] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.honest, name)
        return self._guarded(name, method) if name in (*READS, *WRITES, *ENDS) else method

    def happens(self, share: float) -> bool:
        return self.rng.random() < share

    def _guarded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.happens(self.mischief.slow):
                pause()
            fails = name in FAILING and self.happens(self.mischief.failing)
            if fails and self.happens(0.5):
                raise StorageInternalError("before its effect")
            found = method(*args, **kwargs)
            if name not in READS:
                self._remember()
            if name == "get_all_trials":
                found = self._distorted(found)
            if self.happens(self.mischief.slow):
                pause()
            if fails:
                raise StorageInternalError("after its effect")
            return found

        return call

    def _remember(self) -> None:
        for trial in self.honest.get_all_trials(0, deepcopy=False):
            seen = self.versions.setdefault(trial.number, [])
            if not seen or seen[-1] is not trial:
                seen.append(trial)

    def _distorted(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        shown = [self._shown(t) for t in trials if not self.happens(self.mischief.hidden)]
        if self.happens(self.mischief.shuffled):
            self.rng.shuffle(shown)
        return shown

    def _shown(self, trial: FrozenTrial) -> FrozenTrial:
        older = self.versions.get(trial.number, [])
        if older and self.happens(self.mischief.older):
            trial = self.rng.choice(older)
        if trial.state.is_finished() and self.happens(self.mischief.changing):
            states = [TrialState.RUNNING, trial.state]
            trial = copy.copy(trial)
            trial.__class__ = Changing
            trial.__dict__["states"] = states
        return trial


@dataclass
class World:
    """A study with workers; threads of one process share a sampler."""

    rng: random.Random
    threads: bool = False
    sampler: type[AGNetSampler] = FirstFree
    workers: list[Worker] = field(default_factory=list)
    samplers: list[AGNetSampler] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.storage = Storage(self.rng)
        study = optuna.create_study(direction="maximize", storage=self.storage, study_name="study")  # type: ignore[arg-type]
        self.name = study.study_name

    def open(self) -> optuna.Study:
        if not (self.threads and self.samplers):
            sampler = self.sampler()
            sampler._lock = Lock()  # type: ignore[assignment]
            self.samplers.append(sampler)
        return optuna.load_study(
            study_name=self.name, storage=self.storage, sampler=self.samplers[-1]
        )  # type: ignore[arg-type]

    def begin(self, trials: int) -> None:
        kinds = [TrialState.COMPLETE] * 4 + [TrialState.PRUNED, TrialState.FAIL]
        self.workers.append(Worker(self.open(), [self.rng.choice(kinds) for _ in range(trials)]))

    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.ended]

    def enqueue(self) -> None:
        params = SPACE.row_to_params(EVERY[self.rng.randrange(len(EVERY))])
        if self.rng.random() < 0.5:
            params = dict(list(params.items())[:1])
        taken = {tuple(t.params.values()) for t in self.storage.honest.get_all_trials(0)}
        held = {tuple(settled(t).values()) for t in self.storage.honest.get_all_trials(0)}
        claims = {t.system_attrs.get(CLAIM) for t in self.storage.honest.get_all_trials(0)}
        row = [d.choices.index(params[d.name]) for d in SPACE.decisions if d.name in params]
        claimed = str(row).replace(" ", "") in claims
        if len(params) == 1 or not (tuple(params.values()) in taken | held or claimed):
            optuna.load_study(study_name=self.name, storage=self.storage.honest).enqueue_trial(
                params
            )

    def finish(self) -> None:
        """Let all go on, with a storage that does no harm any more."""
        self.storage.mischief = Mischief()
        while self.alive():
            self.rng.choice(self.alive()).step()

    def wrongs(self) -> Counter[str]:
        """What is wrong in the end; nothing, if all is well."""
        found = Counter(
            f"raised {type(error).__name__}: {error}"
            for worker in self.workers
            for error in worker.errors
        )
        trials = self.storage.honest.get_all_trials(0, deepcopy=False)
        held = Counter(row for trial in trials if (row := self._held(trial)) is not None)
        found["architecture held twice"] += sum(times - 1 for times in held.values())
        whole = {t.number for t in trials if t.state.is_finished() and len(t.params) == 3}
        study = optuna.load_study(study_name=self.name, storage=self.storage)  # type: ignore[arg-type]
        for sampler in self.samplers:
            if sampler._of_study is None:
                continue
            state = sampler._of_study[-1].state
            state.read(study, -1)
            learned = Counter(self._numbers(state))
            found["result lost"] += len(whole - learned.keys())
            found["result learned twice"] += sum(times - 1 for times in learned.values())
        return +found

    def _held(self, trial: FrozenTrial) -> bytes | None:
        """The architecture that a trial evaluates or has evaluated, if it was given a new one."""
        attrs, names = trial.system_attrs, [d.name for d in SPACE.decisions]
        if trial.state == TrialState.FAIL or attrs.get(SOURCE) == REPEAT or len(trial.params) < 3:
            return None
        return str([trial.params[name] for name in names]).encode()

    def _numbers(self, state: StudyState) -> list[int]:
        """Of the trials that a sampler has learned of; by their architectures, as their results are what counts."""
        assert len(state.finished.trials) == len(state.finished._results)
        return list(state.finished.trials)


@contextmanager
def patient() -> Iterator[list[str]]:
    """Nobody really sleeps; all warnings are kept."""
    real = storage_view.time
    storage_view.time = types.SimpleNamespace(sleep=lambda seconds: pause())  # type: ignore[assignment]
    texts: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield texts
            texts += [str(warning.message) for warning in told]
    finally:
        storage_view.time = real


def history(seed: int) -> Counter[str]:
    """What goes wrong in one history; manifests that contradict each other are counted, as no law forbids them."""
    rng = random.Random(seed)
    shares = [rng.choice([0.0, 0.1, 0.5]) for _ in range(4)]
    with patient() as texts:
        world = World(
            rng, threads=rng.random() < 0.3, sampler=rng.choice([FirstFree, FirstFree, RandomStart])
        )
        world.storage.mischief = Mischief(*shares, failing=rng.choice([0.0, 0.0, 0.03]), slow=0.6)
        for _ in range(rng.randint(2, 4)):
            world.begin(rng.randint(2, 5))
        while alive := world.alive():
            worker = rng.choice(alive)
            if not world.threads and rng.random() < 0.002:
                worker.kill()
                world.begin(2)
            elif rng.random() < 0.003:
                world.enqueue()
            for _ in range(rng.choice([1, 1, 3, 20])):
                worker.step()
        world.finish()
        found = world.wrongs()
    found["(manifests that contradict each other)"] += sum("is damaged" in text for text in texts)
    return +found


def main(histories: int, first: int = 0) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found: Counter[str] = Counter()
    for seed in range(first, first + histories):
        wrong = history(seed)
        found += wrong
        if any(not key.startswith("(") for key in wrong):
            print(seed, dict(wrong), flush=True)
        if (seed + 1 - first) % 500 == 0:
            print(f"{seed + 1 - first} histories: {dict(found)}", flush=True)
    print(f"{histories} histories from seed {first}: {dict(found) or 'nothing wrong'}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
