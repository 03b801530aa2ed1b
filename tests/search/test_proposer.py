"""What decides a proposal: its position, the trained generator, what is pending, where candidates come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from optuna_agnet import spaces
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import (
    AGNetConfig,
    CandidateRequest,
    Candidates,
    GeneratorSource,
    NeighborSource,
    Observations,
    PaperOptions,
    Proposer,
    Snapshot,
)
from optuna_agnet.search.candidates import Filter
from optuna_agnet.search.observations import Failures, Pairs
from optuna_agnet.search.parts import SearchParts
from optuna_agnet.surrogate.gaussian_process import GaussianProcess

SPACE = spaces.nas_bench_201()
QUICK = AGNetConfig(n_startup=8, samples_per_attempt=(64,), pool_size=32)
NOTHING = np.empty((0, 6), dtype=np.int64)


def observed(n: int) -> Observations:
    x = np.unique(SPACE.sample(2 * n + 8, np.random.default_rng(0)), axis=0)
    x = x[np.random.default_rng(0).permutation(len(x))][:n]
    return Observations(x, (x == 3).sum(1)[:, None].astype(float), np.empty((n, 0)))


def snapshot(n: int, position: int = 0, pending: IntArray = NOTHING) -> Snapshot:
    return Snapshot(observed(n), pending, NOTHING, position)


class Watched:
    """Another source, which keeps what it was asked and what it gave."""

    name = "watched"

    def __init__(self, source: GeneratorSource | NeighborSource) -> None:
        self.source = source
        self.requests: list[CandidateRequest] = []
        self.given: list[IntArray] = []

    def candidates(self, request: CandidateRequest) -> Candidates | None:
        self.requests.append(request)
        found = self.source.candidates(request)
        assert found is not None
        self.given.append(found.x)
        return found


def weights(generator: Generator) -> Tensor:
    return torch.cat([p.detach().flatten() for p in generator.parameters()])


@pytest.mark.parametrize("results", [0, 8], ids=["startup", "model"])
def test_proposals_of_different_positions_know_the_same_and_draw_for_themselves(
    results: int,
) -> None:
    proposer = Proposer(SPACE, seed=0, config=QUICK, generator=Generator(SPACE))
    rows = [proposer.propose(snapshot(results, k)).row for k in range(8)]
    again = [proposer.propose(snapshot(results, k)).row for k in range(8)]
    np.testing.assert_array_equal(rows, again)
    assert len(np.unique(rows, axis=0)) > 4


def test_positions_have_candidates_of_their_own() -> None:
    watched = Watched(GeneratorSource((64,), uniform_latents=False))
    proposer = Proposer(
        SPACE, config=QUICK, generator=Generator(SPACE), candidate_sources=[watched]
    )
    for position in (0, 1, 1):
        proposer.propose(snapshot(8, position))
    first, second, same = (set(map(bytes, x)) for x in watched.given)
    assert second == same
    assert len(first & second) < len(first) / 2


def test_candidates_come_from_the_trained_generator() -> None:
    start = Generator(SPACE)
    watched = Watched(GeneratorSource((64,), uniform_latents=False))
    proposer = Proposer(SPACE, config=QUICK, generator=start, candidate_sources=[watched])
    for results in (8, 12):
        proposer.propose(snapshot(results))
    early, late = (weights(request.generator) for request in watched.requests)
    assert not torch.equal(early, weights(start))  # trained on 8 results; the same object ...
    torch.testing.assert_close(late, weights(proposer.model.generator), rtol=0, atol=0)
    assert proposer.model.version == 2


def test_a_source_samples_the_generator_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Generator] = []
    sample = Generator.sample

    def noted(self: Generator, *args: object, **kwargs: object) -> object:
        asked.append(self)
        return sample(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Generator, "sample", noted)
    generator = Generator(SPACE, seed=5)
    allowed = Filter(SPACE, "graph", frozenset(), {})
    request = CandidateRequest(generator, NOTHING, 32, allowed, np.random.default_rng(0))
    assert GeneratorSource((64,), uniform_latents=False).candidates(request) is not None
    assert asked == [generator]


@pytest.mark.parametrize("uniform", [False, True])
def test_latent_vectors_are_drawn_as_the_config_says(
    uniform: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alg. 1, l. 15: U[-3, 3], a third of which is beyond 2; of N(0, 1) it is 5 %."""
    drawn: list[Tensor] = []
    latents = Generator.latents

    def noted(self: Generator, *args: object, **kwargs: object) -> Tensor:
        drawn.append(latents(self, *args, **kwargs))  # type: ignore[arg-type]
        return drawn[-1]

    config = replace(
        QUICK,
        paper_options=PaperOptions(uniform_latents=uniform),
        candidate_sources=("generator",),
    )
    proposer = Proposer(SPACE, config=config, generator=Generator(SPACE))
    proposer.model.advance(observed(8))
    monkeypatch.setattr(Generator, "latents", noted)
    proposer.propose(snapshot(8))
    (z,) = drawn
    assert float((z.abs() > 2).float().mean()) == pytest.approx(
        1 / 3 if uniform else 0.046, abs=0.04
    )
    assert (float(z.abs().max()) <= 3) == uniform


def test_what_is_pending_is_known_to_the_surrogate(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, int]] = []
    for name in ("fit", "condition_on_pending", "predict"):
        method = getattr(GaussianProcess, name)

        def noted(self, first, *rest, _method=method, _name=name):  # type: ignore[no-untyped-def]
            size = len(first.x) if _name == "predict" else len(first)
            events.append((_name, size))
            return _method(self, first, *rest)

        monkeypatch.setattr(GaussianProcess, name, noted)
    proposer = Proposer(SPACE, config=QUICK, generator=Generator(SPACE))
    pending = SPACE.sample(3, np.random.default_rng(9))
    proposer.propose(snapshot(8, pending=pending))
    assert events[:2] == [("fit", 8), ("condition_on_pending", 3)]
    assert [name for name, _ in events[2:]] == ["predict"]


def test_neighbours_are_those_of_the_best() -> None:
    watched = Watched(NeighborSource())
    config = replace(QUICK, pool_size=10_000)
    proposer = Proposer(
        SPACE, config=config, generator=Generator(SPACE), candidate_sources=[watched]
    )
    known = observed(40)
    proposer.propose(Snapshot(known, NOTHING, NOTHING, 0))
    incumbents = watched.requests[0].incumbents
    values = (incumbents == 3).sum(1)
    assert (np.diff(values) <= 0).all()
    parents = incumbents[:8]
    steps = (watched.given[0][:, None] != parents).sum(2).min(1)
    assert (steps == 1).all()


@pytest.mark.parametrize("known", [0, 3, 4, 7, 8])
def test_what_is_begun_counts_for_the_startup_once_half_of_it_has_results(known: int) -> None:
    proposer = Proposer(SPACE, seed=2, config=QUICK, generator=Generator(SPACE))
    for waiting in range(10):
        pending = SPACE.sample(waiting, np.random.default_rng(9))
        source = proposer.propose(snapshot(known, known + waiting, pending)).source
        random = known < 4 or known + waiting < 8
        assert (source == "startup") == random, waiting


@pytest.mark.parametrize("known", [0, 3, 4, 7, 8])
def test_what_failed_for_good_counts_for_the_startup_once_there_is_a_result(known: int) -> None:
    """Where most fail 16 results would take most of a study."""
    proposer = Proposer(SPACE, seed=2, config=QUICK, generator=Generator(SPACE))
    mlp = replace(QUICK, surrogate="mlp", acquisition="mean", candidate_sources=("generator",))
    unaware = Proposer(SPACE, seed=2, config=mlp, generator=Generator(SPACE))
    for lost in range(0, 10, 3):
        x = SPACE.sample(lost, np.random.default_rng(9))
        given = snapshot(known, known + lost)
        failed = Failures(Pairs(x, np.empty((lost, 0))), np.full(lost, known))
        given = replace(given, failed=failed, excluded=x)
        random = not known or known + lost < 8
        assert (proposer.propose(given).source == "startup") == random, lost
        assert (unaware.propose(given).source == "startup") == (known < 8)


@pytest.mark.parametrize(
    "config",
    [
        replace(QUICK, paper_options=PaperOptions(round_size=8), retrain_every=8),
        replace(QUICK, surrogate="mlp", acquisition="mean", candidate_sources=("generator",)),
    ],
    ids=["rounds", "mlp"],
)
def test_models_that_learn_in_rounds_wait_for_the_first_one(config: AGNetConfig) -> None:
    proposer = Proposer(SPACE, seed=2, config=config, generator=Generator(SPACE))
    pending = SPACE.sample(6, np.random.default_rng(9))
    assert proposer.propose(snapshot(7, 13, pending)).source == "startup"
    assert proposer.propose(snapshot(8, 14, pending)).source != "startup"


def test_in_which_order_pending_ones_came_does_not_matter() -> None:
    proposer = Proposer(SPACE, seed=1, config=QUICK, generator=Generator(SPACE))
    pending = SPACE.sample(7, np.random.default_rng(9))
    rows = [
        proposer.propose(snapshot(20, position, waiting)).row
        for position in range(4)
        for waiting in (pending, pending[::-1], pending[[3, 6, 0, 2, 5, 1, 4]])
    ]
    for k in range(0, len(rows), 3):
        np.testing.assert_array_equal(rows[k], rows[k + 1])
        np.testing.assert_array_equal(rows[k], rows[k + 2])


def test_what_is_excluded_or_pending_is_not_proposed() -> None:
    small = spaces.EdgeCell(nodes=3, ops=("a", "b"))  # 8 cells
    every = small.enumerate()
    assert every is not None
    config = AGNetConfig(n_startup=100, dedup="encoding")
    proposer = Proposer(small, config=config, generator=Generator(small))
    nothing = Observations(every[:2], np.zeros((2, 1)), np.empty((2, 0)))
    for left in range(8):
        rest = every[[k for k in range(2, 8) if k != left]]
        if left > 1:
            known = Snapshot(nothing, rest[:2], rest[2:], 0)
            np.testing.assert_array_equal(proposer.propose(known).row, every[left])


def test_a_proposer_of_parts_is_that_of_the_same_arguments() -> None:
    generator = Generator(SPACE)
    parts = SearchParts(SPACE, ["minimize"], 3, QUICK, generator)
    one = Proposer.of(parts)
    other = Proposer(SPACE, ["minimize"], seed=3, config=QUICK, generator=generator)
    for k in range(2):
        np.testing.assert_array_equal(
            one.propose(snapshot(8, k)).row, other.propose(snapshot(8, k)).row
        )


def test_parts_that_do_not_fit_are_refused_wherever_they_are_put_together() -> None:
    for make in (SearchParts, Proposer):
        with pytest.raises(ValueError, match="the generator was made for"):
            make(SPACE, generator=Generator(spaces.EdgeCell(3, ("a", "b"))))
        with pytest.raises(ValueError, match="directions='maximize'"):
            make(SPACE, "maximize")
