"""What an ask/tell search holds: told, pending, given up."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_agnet import AGNetConfig, spaces
from optuna_agnet.search import Observations, Proposal
from optuna_agnet.search.model import digest_of
from optuna_agnet.search.parts import SearchParts
from optuna_agnet.search.results import Results
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters

SPACE = spaces.nas_bench_201()
LR = Hyperparameters.of({"lr": FloatDistribution(1e-4, 1.0, log=True)})
X = SPACE.sample(4, np.random.default_rng(0))


def results(hyperparameters: Hyperparameters = LR) -> Results:
    parts = SearchParts(SPACE, config=AGNetConfig(), hyperparameters=hyperparameters)
    return Results(parts)


def proposed(number: int, z: float) -> Proposal:
    return Proposal(X[number], "random", 0, np.array([z]))


def test_a_snapshot_tells_results_from_what_is_pending_and_what_was_given_up() -> None:
    held = results()
    done, _, failed = [held.begin(proposed(k, z)) for k, z in ((0, 0.5), (1, 0.25), (0, 0.75))]
    held.add(done, 0.9, {})
    held.add(failed, None, {})
    seen = held.snapshot()
    np.testing.assert_array_equal(seen.observations.x, X[:1])
    np.testing.assert_allclose(seen.observations.pairs.z, [[0.5]])
    np.testing.assert_array_equal(seen.pending, X[1:2])
    np.testing.assert_allclose(seen.pending_pairs.z, [[0.25]])
    assert seen.given_up is not None
    np.testing.assert_allclose(seen.given_up.z, [[0.75]])
    assert not len(seen.excluded)  # with other values it may do
    assert seen.position == 3


def test_what_failed_is_known_between_the_results_where_it_failed() -> None:
    held = results()
    for number, value in enumerate((0.9, None, None, 0.8)):
        held.add(held.begin(proposed(number, 0.5)), value, {})
    seen = held.snapshot()
    assert seen.failed is not None
    np.testing.assert_array_equal(seen.failed.pairs.x, X[1:3])
    assert seen.failed.after.tolist() == [1, 1]


def test_of_an_architecture_with_two_values_the_one_that_was_told_is_no_longer_pending() -> None:
    held = results()
    held.begin(proposed(0, 0.5))
    second = held.begin(proposed(0, 0.75))
    held.add(second, 0.9, {})
    np.testing.assert_allclose(held.snapshot().pending_pairs.z, [[0.5]])


def test_of_two_values_that_are_nearly_the_same_the_told_one_is_no_longer_pending() -> None:
    held = results()
    held.begin(proposed(0, 0.5))
    second = held.begin(proposed(0, 0.500002))
    held.add(second, 0.9, {})
    assert held.snapshot().pending_pairs.z.tolist() == [[0.5]]


def test_a_value_that_comes_back_in_single_precision_is_no_longer_pending() -> None:
    held = results()
    asked = held.begin(proposed(0, 0.3))
    single = float(np.float32(asked.hyperparameters["lr"]))
    assert single != asked.hyperparameters["lr"]
    held.add(asked.with_hyperparameters(lr=single), 0.9, {})
    assert not len(held.snapshot().pending)


@pytest.mark.parametrize("value", ["high", [0.5, "x"], 10**400, object()])
def test_a_value_that_is_no_number_is_refused_and_the_architecture_named(value: Any) -> None:
    held = results(NONE)
    arch = SPACE.architectures(X[:1])[0]
    with pytest.raises(ValueError, match=r"values=.* must be numbers") as refused:
        held.add(arch, value, {})
    assert str(arch) in str(refused.value)


@pytest.mark.parametrize("hyperparameters", [NONE, LR], ids=["architectures", "pairs"])
def test_results_become_arrays_once_a_proposal(
    hyperparameters: Hyperparameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    of = Observations.of

    def counted(*args: Any) -> Observations:
        made.append(len(made))
        return of(*args)

    held = results(hyperparameters)
    monkeypatch.setattr(Observations, "of", counted)
    held.snapshot()
    assert made == [0]


def test_what_is_restored_is_what_was_stored() -> None:
    held, again = results(), results()
    held.add(held.begin(proposed(0, 0.5)), 0.9, {"ms": -1.0})
    held.begin(proposed(1, 0.25))
    again.restore(held.state())
    assert again.state() == held.state()
    assert digest_of(again.snapshot().observations) == digest_of(held.snapshot().observations)


@pytest.mark.parametrize("value", [2.0, 1e-5, "fast", None, True, float("nan")])
def test_a_value_that_the_search_does_not_have_is_refused_and_named(value: object) -> None:
    arch = SPACE.architectures(X[:1])[0].with_hyperparameters(lr=value)
    held = results()
    with pytest.raises(ValueError, match=rf"lr={value!r}, which must be between 0.0001 and 1.0"):
        held.add(arch, 0.5, {})
    assert not len(held.observations)


@pytest.mark.parametrize(
    ("distribution", "value", "says"),
    [
        (
            FloatDistribution(1e-4, 0.1, log=True),
            2.0,
            "lr=2.0, which must be between 0.0001 and 0.1",
        ),
        (
            FloatDistribution(0, 1, step=0.25),
            0.3,
            "between 0.0 and 1.0, in steps of 0.25 from the first",
        ),
        (FloatDistribution(0.5, 0.5), 0.3, "which must be 0.5"),
        (IntDistribution(1, 8), 1.5, "which must be a whole number between 1 and 8"),
        (IntDistribution(8, 64, step=8), 9, "between 8 and 64, in steps of 8 from the first"),
        (
            CategoricalDistribution(("sgd", "adam")),
            "x",
            "lr='x', which must be one of ['sgd', 'adam']",
        ),
    ],
)
def test_a_value_that_the_search_does_not_have_is_told_which_it_has(
    distribution: BaseDistribution, value: float | str, says: str
) -> None:
    held = results(Hyperparameters.of({"lr": distribution}))
    cell = SPACE.architectures(X[:1])[0].with_hyperparameters(lr=value)
    with pytest.raises(ValueError, match=f"{re.escape(says)}$"):
        held.add(cell, 0.5, {})
