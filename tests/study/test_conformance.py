"""Optuna's own test cases for samplers."""

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from optuna_agnet import AGNetSampler, spaces

SPACE = spaces.EdgeCell(nodes=3, ops=("none", "skip", "conv"))


def default() -> BaseSampler:
    return AGNetSampler(SPACE, seed=0)


def random_companion() -> BaseSampler:
    return AGNetSampler(SPACE, seed=0, independent_sampler=RandomSampler(seed=0))


class TestConformance(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=[default, random_companion])
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return request.param
