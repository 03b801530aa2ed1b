"""Workers that report as they go on, beside a clock of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler

from benchmarks import reporting
from benchmarks.problems.trainings import Trainings
from optuna_agnet import spaces
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces.base import SearchSpace

SPACE = spaces.nas_bench_201()
WHOLE = 4


class Watched(RandomSampler):
    """Keeps what trials had reported at each ask, by number."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.seen: list[dict[int, int]] = []

    def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        self.seen.append({t.number: len(t.intermediate_values) for t in others})


def reports(row: IntArray) -> tuple[list[tuple[int, float]], float]:
    value = float((row == 3).sum())
    return [(step, value * step / WHOLE) for step in range(1, WHOLE + 1)], value


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched()
    made: dict[str, Callable[[SearchSpace, int], BaseSampler]] = {"watched": lambda *_: watched}
    monkeypatch.setattr(reporting, "SAMPLERS", made)
    monkeypatch.setattr(reporting, "trainings", lambda _: Trainings(SPACE, WHOLE, 6.0, reports))
    return watched


def test_who_is_free_begins_and_knows_what_the_others_have_reported_by_then(
    sampler: Watched,
) -> None:
    """Beside a naive clock: of all that run the one with the first end, of each as many reports as fit in its time."""
    reporting.search(reporting.Job("made up", "watched", workers=3, seed=2), trials=12)
    rng, begun, ends, ended = np.random.default_rng([2, 5]), [], [], set[int]()
    for number, seen in enumerate(sampler.seen):
        now = 0.0
        if number >= 3:
            free = min(set(range(number)) - ended, key=lambda k: ends[k])
            now = ends[free]
            ended.add(free)
        share = {k: (now - begun[k]) / (ends[k] - begun[k]) for k in range(number)}
        assert seen == {k: min(WHOLE, int(WHOLE * share[k])) for k in range(number)}
        begun.append(now)
        ends.append(now + rng.uniform(0.5, 1.5))
    assert len(sampler.seen) >= 12
