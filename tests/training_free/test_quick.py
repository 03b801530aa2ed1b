"""Scores for whoever has a constructor and a batch: those of one network, built once, the same at every call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optuna_agnet import AGNet, AGNetConfig, Architecture, build_model, spaces
from optuna_agnet.hardware import count_parameters
from optuna_agnet.training_free import naswot, quick_scores

SPACE = spaces.nas_bench_201()
CELLS = [SPACE.random_architecture(seed=seed) for seed in range(6)]


class Builder:
    """Builds networks and knows of which cells."""

    def __init__(self) -> None:
        self.built: list[Architecture] = []

    def __call__(self, architecture: Architecture) -> nn.Module:
        self.built.append(architecture)
        return build_model(SPACE, architecture, channels=4, cells_per_stage=1)


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_they_are_those_of_one_network_built_once_with_the_seed(images: Tensor) -> None:
    build = Builder()
    scores = quick_scores(build, images, seed=3)
    found = [[scores[name](cell) for name in ("parameters", "naswot")] for cell in CELLS]
    assert build.built == CELLS
    with torch.random.fork_rng():
        for cell, (parameters, switches) in zip(CELLS, found, strict=True):
            torch.manual_seed(3)
            network = build(cell)
            assert parameters == count_parameters(network)
            assert switches == naswot(network, images)


def test_random_numbers_are_left_as_they_were(images: Tensor) -> None:
    before = torch.random.get_rng_state()
    quick_scores(Builder(), images)["naswot"](CELLS[0])
    assert torch.random.get_rng_state().equal(before)


def test_a_search_begins_with_what_both_speak_for(images: Tensor) -> None:
    space = spaces.EdgeCell(nodes=3, ops=("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"))

    def build(architecture: Architecture) -> nn.Module:
        return build_model(space, architecture, channels=4, cells_per_stage=1, stages=1)

    config = AGNetConfig(candidate_sources=("random",))
    search = AGNet(space, seed=0, config=config, scores=quick_scores(build, images))
    high, low = search.ask(2)
    assert search.proposer.scores is not None
    assert search.proposer.scores.names == ("parameters", "naswot")
    assert str(high).count("nor_conv") > str(low).count("nor_conv")


@pytest.mark.parametrize("build", [nn.Linear(2, 2), "small", None])
def test_a_constructor_is_a_function_and_no_network(build: object, images: Tensor) -> None:
    with pytest.raises(TypeError, match="give a function that builds the network") as raised:
        quick_scores(build, images)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("batch", [np.zeros((4, 3, 8, 8), np.float32), [1.0, 2.0]])
def test_images_are_a_tensor(batch: object) -> None:
    with pytest.raises(TypeError, match=r"give a tensor, such as torch\.as_tensor"):
        quick_scores(Builder(), batch)  # type: ignore[arg-type]


def test_what_is_no_network_is_named(images: Tensor) -> None:
    scores = quick_scores(lambda architecture: None, images)  # type: ignore[arg-type, return-value]
    for score in scores.values():
        with pytest.raises(TypeError, match=r"model=None is no torch\.nn\.Module"):
            score(CELLS[0])
