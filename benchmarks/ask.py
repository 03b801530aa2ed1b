"""Where the time of an ask goes: ``python -m benchmarks.ask`` writes benchmarks/results/ask.md.

Searches of an artificial objective in a study in memory, with forty layers that of ``chain40``. Each stage is timed
without those that it calls, in processor time, as other work may run on the machine. Shares within one run are
comparable, milliseconds of two runs hardly.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial, wraps
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from benchmarks import records
from benchmarks.markdown import markdown
from benchmarks.problems import chains
from benchmarks.problems.base import Problem
from optuna_agnet import AGNetSampler, spaces
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.generator.network import Generator
from optuna_agnet.search.candidate_order import CandidateOrder
from optuna_agnet.search.candidates import Filter
from optuna_agnet.search.model import Model
from optuna_agnet.search.proposer import Proposer
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.study.study_search import StudySearch
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.surrogate.kernel import Features, Featurizer

REST = "Optuna: parameters, storage"
STAGES: Mapping[str, tuple[tuple[type, str], ...]] = {
    "generator: training": ((Model, "advance"),),
    "generator: samples": ((Generator, "sample"),),
    "canonical keys": ((Filter, "keys"),),
    "Gaussian process: features, distances": (
        (Featurizer, "__call__"),
        (Features, "distances"),
    ),
    "Gaussian process: choice of the kernel": ((GaussianProcess, "_tune"),),
    "Gaussian process: fit": ((GaussianProcess, "fit"),),
    "Gaussian process: predictions": ((GaussianProcess, "predict"),),
    "acquisition": ((CandidateOrder, "best_first"),),
    "the rest of a proposal": ((Proposer, "propose"),),
    "the study's trials, claims": ((StudySearch, "params_for"),),
}
FORTY = "forty layers"
SPACES: Mapping[str, tuple[Callable[[], SearchSpace], int]] = {
    "NAS-Bench-201": (spaces.nas_bench_201, 0),
    "NAS-Bench-101": (spaces.nas_bench_101, 0),
    "DARTS": (spaces.darts, 0),
    "NAS-Bench-201 and 4 hyperparameters": (spaces.nas_bench_201, 4),
    FORTY: (lambda: _forty_layers().space, 0),
}
BUNDLED: Mapping[str, tuple[Callable[[], SearchSpace], int]] = {
    "FBNet": (spaces.fbnet, 0),
    "recurrent cells of 12 nodes": (partial(spaces.nas_bench_nlp, 12), 0),
    "recurrent cells of 24 nodes": (spaces.nas_bench_nlp, 0),
}
"""The other spaces whose generators come with the package: their first asks alone are shown."""


class Stopwatch:
    """Processor seconds by stage, each without the stages that it calls."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._running, self._since = [REST], time.process_time()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What runs inside belongs to this stage."""
        self._switch()
        self._running.append(name)
        try:
            yield
        finally:
            self._switch()
            self._running.pop()

    def _switch(self) -> None:
        now = time.process_time()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def watching(self, owner: type, method: str, name: str) -> Any:
        """A patch under which a method is a stage."""
        original = getattr(owner, method)

        @wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return original(*args, **kwargs)

        return patch.object(owner, method, timed)


@lru_cache
def _forty_layers() -> Problem:
    return chains.PROBLEMS["chain40"]()


def value(name: str, architecture: Architecture, number: float) -> float:
    """In cells convolutions are good, and chance decides between equals."""
    if name == FORTY:
        problem = _forty_layers()
        return float(problem.evaluate(problem.space.choices([architecture])).values[0, 0]) - number
    text = str(architecture)
    chance = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
    return text.count("conv") + 0.3 * chance - number


def seconds(name: str, first: int, last: int, seed: int = 0) -> dict[str, float]:
    """Mean processor seconds by stage of the asks after ``first`` trials, until there are ``last``."""
    make, others = SPACES[name]
    space = make()
    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(space, seed=seed))
    watch = Stopwatch()
    with ExitStack() as patches:
        for stage, methods in STAGES.items():
            for owner, method in methods:
                patches.enter_context(watch.watching(owner, method, stage))
        for number in range(last):
            if number in (0, first):
                before = Counter(watch.seconds)
            with watch.stage("ask"):
                trial = study.ask()
                architecture = space.suggest(trial)
                found = [trial.suggest_float(f"h{k}", 0.0, 1.0) for k in range(others)]
            study.tell(trial, value(name, architecture, sum((h - 0.3) ** 2 for h in found)))
    spent = {stage: watch.seconds[stage] - before[stage] for stage in (*STAGES, "ask")}
    return {REST if stage == "ask" else stage: s / (last - first) for stage, s in spent.items()}


def first_ask(name: str) -> float:
    """Processor seconds of the first ask of a process, its imports left out, where a study has 16 results."""
    make, others = {**SPACES, **BUNDLED}[name]
    space, rng = make(), np.random.default_rng(0)
    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(space, seed=0))
    for architecture in space.architectures(space.sample(16, rng)):
        number, params = float(rng.random()), dict[str, Any](space.to_params(architecture))
        params.update({f"h{k}": number for k in range(others)})
        distributions = {
            n: space.distributions().get(n, FloatDistribution(0.0, 1.0)) for n in params
        }
        found = value(name, architecture, number)
        study.add_trial(create_trial(value=found, params=params, distributions=distributions))
    before = time.process_time()
    space.suggest(study.ask())
    return time.process_time() - before


def first_asks() -> dict[str, float]:
    """`first_ask` in processes of their own."""
    command = [sys.executable, "-m", "benchmarks.ask", "--first-ask"]
    runs = {
        name: subprocess.run([*command, name], stdout=subprocess.PIPE, text=True, check=True)
        for name in (*SPACES, *BUNDLED)
    }
    return {name: float(done.stdout) for name, done in runs.items()}


def report(
    found: Mapping[str, Mapping[str, float]], begun: Mapping[str, float], first: int, last: int
) -> str:
    """A column a space: shares of an ask, and what the first ask of a process takes."""
    rows = []
    for stage in (*STAGES, REST):
        shares = [of[stage] / sum(of.values()) for of in found.values()]
        rows.append([stage, *(f"{100 * share:.0f} %" for share in shares)])
    whole = [f"{1000 * sum(of.values()):.0f} ms" for of in found.values()]
    starts = ["a process's first ask, of 16 results", *(f"{begun[n]:.2f} s" for n in found)]
    return "\n".join(
        [
            "# Where the time of an ask goes",
            "",
            f"Made by `python -m benchmarks.ask`: shares of the processor time of the asks after {first} trials, until"
            f" there are {last}, one thread; the generator is trained after every fourth result, and the kernel"
            " is chosen after every eighth. Milliseconds depend on what else the machine does, shares little.",
            "",
            *markdown(["stage", *found], [*rows, ["an ask, mean", *whole], starts]),
            elsewhere(begun),
        ]
    )


def elsewhere(begun: Mapping[str, float]) -> str:
    """The first asks of the other bundled spaces."""
    times = ", ".join(f"{begun[name]:.2f} s ({name})" for name in BUNDLED if name in begun)
    return (
        f"A first ask in the other spaces whose generators come along: {times}.\n" if times else ""
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=96, help="trials before (%(default)s)")
    parser.add_argument("--last", type=int, default=160, help="trials after (%(default)s)")
    parser.add_argument("--first-ask", choices=(*SPACES, *BUNDLED), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if arguments.first_ask:
        print(first_ask(arguments.first_ask))
        return
    first, last = arguments.first, arguments.last
    found = {name: seconds(name, first, last) for name in SPACES}
    text = report(found, first_asks(), first, last)
    (records.RESULTS / "ask.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
