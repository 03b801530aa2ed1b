"""Searches that train together learn what each learns alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks import methods, run, together
from benchmarks.together import Round, fit_together, run_together, shareable
from optuna_agnet.generator.network import Generator, GeneratorConfig
from optuna_agnet.generator.training import Trainer, TrainingConfig, TrainingData
from optuna_agnet.spaces import NodeCell
from optuna_agnet.surrogate.mlp import MLPSurrogate

SPACE = NodeCell(max_nodes=3, max_edges=3, ops=("conv", "pool"))
PAPER = TrainingConfig.paper_hardware()


def a_round(seed: int, steps: int = 3, outputs: int = 2, config: TrainingConfig = PAPER) -> Round:
    generator = Generator(SPACE, GeneratorConfig.paper(), seed=seed)
    width = sum(part[0].numel() for part in generator(torch.zeros(1, 32))[:2])
    trainer = Trainer(generator, config, MLPSurrogate(width, outputs, seed=seed))
    rng = torch.Generator().manual_seed(seed)
    graphs = SPACE.encode(SPACE.sample(16, np.random.default_rng(seed)))
    weights, targets = torch.rand(16, generator=rng), torch.rand(16, outputs, generator=rng)
    data = TrainingData.of(graphs, torch.device("cpu"), weights, targets)
    return Round(trainer, data, torch.randint(16, (steps, 8), generator=rng), rng)


def alone(given: Round) -> None:
    given.trainer.fit(given.data, given.batches, given.rng)


def assert_equal(found: Round, expected: Round) -> None:
    """All that training changes, and where the random numbers are."""
    for name, value in expected.trainer.optimizer.state.items():
        torch.testing.assert_close(found.trainer.optimizer.state[name], value, atol=1e-5, rtol=1e-4)
    assert torch.equal(found.rng.get_state(), expected.rng.get_state())


@pytest.fixture
def not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph as it was traced: to compile it takes minutes."""
    monkeypatch.setattr(together, "compiled", lambda graph: graph)
    monkeypatch.setattr(together, "_known", {})


@pytest.mark.usefixtures("not_compiled")
def test_each_learns_what_it_learns_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches; two of the searches began again and trained less before, which Adam's first steps tell."""
    monkeypatch.setattr(together, "SIZE", 3)
    rounds, apart = [a_round(seed) for seed in range(5)], [a_round(seed) for seed in range(5)]
    for given in (*rounds, *apart):
        trainer = given.trainer
        for _ in range(0 if given in (rounds[1], rounds[3], apart[1], apart[3]) else 2):
            trainer.optimizer.step(trainer.loss(given.data, given.batches[0], given.rng))
    fit_together(rounds)
    for found, expected in zip(rounds, apart, strict=True):
        alone(expected)
        assert_equal(found, expected)


@pytest.mark.slow
def test_the_compiled_training_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "_known", {})
    found, expected = a_round(0), a_round(0)
    fit_together([found])
    alone(expected)
    assert_equal(found, expected)


def record(value: float) -> run.Record:
    empty = {"versions": {}, "directions": ["maximize"], "reference": None, "optimum": None}
    job = {"problem": "p", "data": "d", "method": "m", "seed": 0, "budget": 2}
    found = {"values": [[value]], "constraints": {}, "test": [], "seconds": [2.0, 4.0]}
    return run.Record(**job, **empty, **found)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of the groups that train together, which train one by one here."""
    found: list[int] = []

    def one_by_one(rounds: list[Round]) -> None:
        found.append(len(rounds))
        for r in rounds:
            together._alone(r.trainer, r.data, r.batches, r.rng)

    monkeypatch.setattr(together, "fit_together", one_by_one)
    return found


def test_searches_of_different_lengths_and_shapes_meet(sizes: list[int]) -> None:
    """The second has a round more, as one whose generator collapsed; the third's surrogate has another shape."""
    plans = [[(0, 2, 2), (1, 4, 2)], [(2, 2, 2), (3, 2, 2), (4, 4, 2)], [(5, 2, 3)]]
    made = [[a_round(*given) for given in plan] for plan in plans]

    def search(number: int) -> run.Record:
        for given in made[number]:
            alone(given)
        return record(float(number))

    found = run_together(range(3), search)
    assert sizes == [2, 1, 1, 2]
    assert [r.values for r in found] == [[[0.0]], [[1.0]], [[2.0]]]
    assert {r.machine["together"] for r in found} == {3}
    assert found[0].seconds == [0.66667, 1.33333]
    for plan, rounds in zip(plans, made, strict=True):
        for given, trained in zip(plan, rounds, strict=True):
            expected = a_round(*given)
            alone(expected)
            assert_equal(trained, expected)


def test_a_search_that_fails_leaves_the_others_alone(sizes: list[int]) -> None:
    def search(number: int) -> run.Record | str:
        if number == 1:
            return "why"
        alone(a_round(number))
        return record(0.0)

    found = run_together(range(3), search)
    assert sizes == [2]
    assert found[1] == "why"
    assert all(isinstance(found[i], run.Record) for i in (0, 2))


def test_what_stops_the_common_training_stops_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(rounds: list[Round]) -> None:
        raise MemoryError("too large")

    monkeypatch.setattr(together, "fit_together", broken)

    def search(number: int) -> str:
        try:
            alone(a_round(number))
        except RuntimeError as error:
            return f"{error}: {error.__cause__}"
        return ""

    assert run_together(range(2), search) == ["the common training failed: too large"] * 2


def test_only_the_papers_training_is_shared() -> None:
    given = a_round(0)
    assert shareable(given.trainer)
    assert not shareable(Trainer(given.trainer.generator, TrainingConfig()))
    paired = dataclasses.replace(PAPER, latents=8)
    assert not shareable(a_round(0, config=paired).trainer)
    run_together([0, 1], lambda number: alone(a_round(number, config=paired)) or record(0.0))


def test_pretraining_waits_for_nobody_and_is_watched() -> None:
    """The others may wait for what it makes: a search that begins first pretrains for all."""
    seen: list[int] = []

    def search(seed: int) -> str:
        if seed == 0:
            given = a_round(seed)
            given.trainer.fit(given.data, given.batches, given.rng, seen.append)
            assert_equal(given, pretrained)
        return "done"

    pretrained = a_round(0)
    alone(pretrained)
    assert run_together([0, 1], search) == ["done", "done"]
    assert seen == [0, 1, 2]


def test_groups_are_of_one_method() -> None:
    jobs = [run.Job("p", method, seed, 5) for seed in range(3) for method in ("a", "b")]
    found = run.groups(jobs, 2)
    assert [len(group) for group in found] == [2, 1, 2, 1]
    assert all(len({job.method for job in group}) == 1 for group in found)
    assert sorted(job for group in found for job in group) == sorted(jobs)


@pytest.mark.slow
def test_two_real_searches_begin_as_they_do_apart() -> None:
    """The paper's first round of training is 30 steps; what is sampled behind it is the same but for a few."""
    jobs = [run.Job("nb201-c10", "agnet-paper", seed, 18) for seed in range(2)]
    assert "agnet-paper" in methods.METHODS
    for job, shared in zip(jobs, run.run_group(jobs), strict=True):
        assert isinstance(shared, run.Record)
        assert shared.values[0][:16] == run.run(job).values[0][:16]
        assert len(shared.values[0]) == 18
