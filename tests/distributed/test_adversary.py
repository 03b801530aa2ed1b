"""Every finished trial is learned exactly once, no two hold one architecture, no ask raises but the storage's errors.

Under a storage that does all that it may do (`adversary`), for workers as processes and as threads of one process.
"""

from __future__ import annotations

import random

import adversary
import pytest
from adversary import FirstFree, Mischief, RandomStart, World
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

SHARES = st.sampled_from([0.0, 0.1, 0.5, 0.9])


class Adversary(RuleBasedStateMachine):
    """Workers come, go on a step, and are killed, while the storage changes its ways."""

    def __init__(self) -> None:
        super().__init__()
        self.patience = adversary.patient()
        self.patience.__enter__()

    @initialize(
        seed=st.integers(0, 2**16),
        threads=st.booleans(),
        sampler=st.sampled_from([FirstFree, RandomStart]),
    )
    def start(self, seed: int, threads: bool, sampler: type) -> None:
        self.world = World(random.Random(seed), threads, sampler)
        self.world.begin(3)
        self.world.begin(3)

    @rule(trials=st.integers(1, 4))
    def begin(self, trials: int) -> None:
        if len(self.world.workers) < 6:
            self.world.begin(trials)

    @rule(worker=st.integers(0, 5), steps=st.integers(1, 30))
    def step(self, worker: int, steps: int) -> None:
        for _ in range(steps):
            self.world.workers[worker % len(self.world.workers)].step()

    @rule(worker=st.integers(0, 5))
    def kill(self, worker: int) -> None:
        if not self.world.threads:  # threads die with their process
            self.world.workers[worker % len(self.world.workers)].kill()

    @rule()
    def enqueue(self) -> None:
        self.world.enqueue()

    @rule(
        hidden=SHARES,
        older=SHARES,
        changing=SHARES,
        shuffled=SHARES,
        failing=st.sampled_from([0.0, 0.0, 0.1]),
    )
    def change_ways(self, **shares: float) -> None:
        self.world.storage.mischief = Mischief(**shares)

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.world.finish()
                assert not self.world.wrongs()
        finally:
            self.patience.__exit__(None, None, None)


TestAdversary = Adversary.TestCase
TestAdversary.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_histories(first: int) -> None:
    for seed in range(first, first + 50):
        assert not [wrong for wrong in adversary.history(seed) if wrong[0] != "("], seed


@pytest.mark.slow
def test_two_thousand_histories(capsys: pytest.CaptureFixture[str]) -> None:
    """``python tests/distributed/adversary.py 10000`` looks at more, in ten minutes."""
    adversary.main(2_000)
    assert "nothing wrong" in capsys.readouterr().out.splitlines()[-1]
