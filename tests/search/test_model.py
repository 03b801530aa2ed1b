"""What a round of training is given, and what the generator has learned from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from optuna_agnet import spaces
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.training import Trainer, TrainingConfig, TrainingData
from optuna_agnet.search import AGNetConfig, Observations, PaperOptions
from optuna_agnet.search.model import Model
from optuna_agnet.search.parts import SearchParts
from optuna_agnet.surrogate.gaussian_process import GaussianProcess

SPACE = spaces.EdgeCell(nodes=4, ops=("conv", "pool", "skip"))
CONV = SPACE.ops.index("conv")


def observed(n: int = 24, seed: int = 0) -> Observations:
    """Cells are worth the number of their convolutions; a constraint allows three."""
    x = np.unique(SPACE.sample(4 * n, np.random.default_rng(seed)), axis=0)
    x = x[np.random.default_rng(seed).permutation(len(x))][:n]
    convs = (x == CONV).sum(1).astype(np.float64)
    return Observations(x, convs[:, None], convs[:, None] - 3, ("convs",))


def rounds(monkeypatch: pytest.MonkeyPatch, config: AGNetConfig) -> list[TrainingData]:
    """The data of all rounds on 24 results."""
    found: list[TrainingData] = []
    monkeypatch.setattr(Trainer, "round", lambda self, data, rng: found.append(data))
    Model(SearchParts(SPACE, config=config), Generator(SPACE)).advance(observed())
    return found


def test_a_round_is_given_the_results_so_far_with_weights_and_targets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eq. 3 with the order that all of the search has; targets grow with the values (Eq. 2 regresses them)."""
    config = AGNetConfig(n_startup=16, retrain_every=8, weight_factor=0.1)
    data = rounds(monkeypatch, config)
    assert [len(d.types) for d in data] == [16, 24]
    known = observed().head(16)
    np.testing.assert_array_equal(data[0].types, SPACE.encode(known.x).types)
    order = naive_ranks(known)
    expected = [1 / (0.1 * 16 + rank) for rank in order]
    np.testing.assert_allclose(data[0].weights, expected, rtol=1e-6)
    y = known.y[:, 0]
    scaled = (y - y.min()) / (y.max() - y.min())
    np.testing.assert_allclose(data[0].targets, np.stack([scaled, 1 - scaled], 1), atol=1e-6)


def naive_ranks(known: Observations) -> list[int]:
    """How many are better: feasible ones by value, then the others by violation."""
    keys = [(max(c, 0.0), -y) for y, c in zip(known.y[:, 0], known.constraints[:, 0], strict=True)]
    keys = [(violation, 0.0 if violation else value) for violation, value in keys]
    return [sum(other < key for other in keys) for key in keys]


def test_only_the_first_results_teach_where_the_config_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = AGNetConfig(n_startup=8, retrain_every=8, paper_options=PaperOptions(learn_from=8))
    assert [len(d.types) for d in rounds(monkeypatch, config)] == [8, 8, 8]


def conv_share(generator: Generator) -> float:
    """Of convolutions among the operations that it makes."""
    _, x, valid = generator.sample(512, torch.Generator().manual_seed(0))
    return float((x[valid] == CONV).mean())


LEARNING = AGNetConfig(
    n_startup=16, training=TrainingConfig(steps=100, learning_rate=5e-3), weight_factor=0.01
)


PATIENT = replace(LEARNING, training=TrainingConfig(steps=300, learning_rate=1e-3))
"""Larger steps may lead an untrained generator anywhere, another way on each kind of processor."""


def free(known: Observations) -> Observations:
    return Observations(known.x, known.y, np.empty((len(known), 0)))


def test_the_generator_makes_more_of_what_was_good() -> None:
    start = Generator(SPACE)
    model = Model(SearchParts(SPACE, config=PATIENT), start)
    assert conv_share(model.generator) == conv_share(start)
    model.advance(free(observed(40)))
    assert conv_share(model.generator) > conv_share(start) + 0.1


def test_prior_observations_teach_the_generator_before_the_first_result() -> None:
    start = Generator(SPACE)
    model = Model(
        SearchParts(SPACE, config=PATIENT, prior_observations=[free(observed(40))]), start
    )
    assert conv_share(model.generator) > conv_share(start) + 0.1


def test_results_that_changed_are_learned_anew() -> None:
    """Rounds on what is no longer so are thrown away: the weights are those of a search that never knew it."""
    known = free(observed())
    other = Observations(known.x, known.y[::-1].copy(), known.constraints)
    changed, fresh = (
        Model(SearchParts(SPACE, config=LEARNING), Generator(SPACE)) for _ in range(2)
    )
    changed.advance(known)
    changed.advance(other)
    fresh.advance(other)
    for a, b in zip(changed.generator.parameters(), fresh.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_surrogate_that_teaches_knows_the_results_of_its_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: list[int] = []
    fit = GaussianProcess.fit

    def noted(self: GaussianProcess, x: Any, y: FloatArray, rank: FloatArray) -> None:
        known.append(len(x))
        fit(self, x, y, rank)

    monkeypatch.setattr(GaussianProcess, "fit", noted)
    config = AGNetConfig(n_startup=16, retrain_every=8, training=TrainingConfig(steps=1, alpha=0.5))
    Model(SearchParts(SPACE, config=config), Generator(SPACE)).advance(observed())
    assert known == [16, 24]
