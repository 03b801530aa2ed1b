from __future__ import annotations

import math

import numpy as np
import pytest

from optuna_agnet.study.pruned_trials import FinalValues


def finals(direction: str, *trainings: tuple[dict[int, float], float]) -> FinalValues:
    made = FinalValues(direction)
    for intermediate, value in trainings:
        made.add(intermediate, value)
    return made


def naive(direction: str, trainings: list[tuple[float, float]], reached: float) -> float:
    """Counts those that the stopped one beats or equals, and takes as many of the worst final values."""
    best_last = direction == "maximize"
    worst_first = sorted((final for _, final in trainings), reverse=not best_last)
    beaten = sum(way <= reached if best_last else way >= reached for way, _ in trainings)
    return worst_first[max(beaten, 1) - 1]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_place_on_the_way_is_a_place_at_the_end(direction: str) -> None:
    rng = np.random.default_rng(0)
    trainings = [(float(way), float(rng.normal())) for way in rng.integers(0, 12, 30)]
    made = finals(direction, *(({3: way}, final) for way, final in trainings))
    for reached in range(-1, 14):
        assert made.estimate({3: reached}) == naive(direction, trainings, reached)


@pytest.mark.parametrize(("direction", "best"), [("maximize", 9.0), ("minimize", 1.0)])
def test_no_estimate_is_better_than_the_best(direction: str, best: float) -> None:
    made = finals(direction, ({1: 0.0}, 1.0), ({1: 0.0}, 9.0))
    assert made.estimate({1: math.inf if direction == "maximize" else -math.inf}) == best


def test_the_last_common_step_counts() -> None:
    made = finals("maximize", ({1: 5.0, 2: 1.0}, 10.0), ({1: 1.0, 2: 5.0}, 20.0), ({9: 0.0}, 30.0))
    assert made.estimate({1: 9.0, 2: 2.0}) == 10.0
    assert made.estimate({1: 9.0, 2: 2.0, 3: 9.0}) == 10.0
    assert made.estimate({1: 9.0}) == 20.0


def test_without_a_common_step_there_is_no_telling() -> None:
    assert FinalValues("maximize").estimate({1: 1.0}) is None
    made = finals("maximize", ({}, 1.0), ({5: 1.0}, 2.0))
    assert made.estimate({}) is None
    assert made.estimate({4: 1.0}) is None


def test_nan_is_the_worst_and_infinite_values_have_their_place() -> None:
    made = finals("minimize", ({1: 0.1}, -math.inf), ({1: math.nan}, 3.0), ({1: math.inf}, 7.0))
    assert made.estimate({1: math.nan}) == 3.0
    assert made.estimate({1: 0.5}) == 3.0
    assert made.estimate({1: 0.0}) == -math.inf
