"""Hyperparameters as columns between 0 and 1."""

from __future__ import annotations

import json

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_agnet.spaces.hyperparameters import Hyperparameter, Hyperparameters

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "decade": FloatDistribution(0.1, 1.0, log=True),
    "momentum": FloatDistribution(0.5, 0.99),
    "dropout": FloatDistribution(0.0, 1.0, step=0.1),
    "layers": IntDistribution(1, 9),
    "width": IntDistribution(8, 64, step=8),
    "units": IntDistribution(1, 1000, log=True),
    "huge": IntDistribution(0, 2**62),
    "huge_log": IntDistribution(1, 2**62, log=True),
    "optimizer": CategoricalDistribution(("sgd", "adam", None, True, 1)),
    "batch": CategoricalDistribution((16, 32, 64, 128)),
    "many": CategoricalDistribution(tuple(map(str, range(3000)))),
    "constant": FloatDistribution(1.0, 1.0),
    "single": CategoricalDistribution(("x",)),
}
ALL = Hyperparameters.of(DISTRIBUTIONS)


def test_rows_that_are_made_are_those_of_the_values_that_they_stand_for() -> None:
    rng = np.random.default_rng(0)
    z = ALL.sample(50, rng)
    for rows in (z, ALL.perturb(z, rng), ALL.moves(z[:2], 0.1, rng)[1]):
        np.testing.assert_allclose(ALL.rows(map(ALL.values, rows)), rows, atol=1e-9)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_values_are_possible_for_optuna_at_the_ends_and_beyond(name: str) -> None:
    distribution, parameter = DISTRIBUTIONS[name], Hyperparameter.of(name, DISTRIBUTIONS[name])
    for z in (-0.3, 0.0, 1e-12, 0.5, 1 - 1e-12, 1.0, 1.3):
        value = parameter.value(z)
        assert distribution._contains(distribution.to_internal_repr(value)), value


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_what_it_has_is_what_optuna_allows(name: str) -> None:
    distribution, parameter = DISTRIBUTIONS[name], Hyperparameter.of(name, DISTRIBUTIONS[name])
    rng = np.random.default_rng(1)
    assert all(parameter.has(parameter.value(z)) for z in parameter.draw(50, rng))
    low, high = getattr(distribution, "low", 0.0), getattr(distribution, "high", 1.0)
    for value in (low, high, 2 * high + 1, low - 1, low * 0.9 - 1e-9, high / 3, low + 0.03):
        try:
            allowed = distribution._contains(distribution.to_internal_repr(value))
        except ValueError:
            allowed = False
        assert parameter.has(value) == allowed, value
    for value in ("none of them", float("nan"), (1, 2)):
        assert not parameter.has(value), value  # type: ignore[arg-type]


def test_a_number_of_single_precision_is_one_of_double() -> None:
    for name in ("lr", "momentum", "dropout"):
        assert Hyperparameter.of(name, DISTRIBUTIONS[name]).has(float(np.float32(0.7)))


def test_numbers_lie_where_their_distribution_puts_them() -> None:
    z = ALL.rows([{"lr": 0.01, "momentum": 0.745, "layers": 5, "width": 8, "batch": 64}])[0]
    found = dict(zip(ALL.names, z, strict=True))
    assert found["lr"] == pytest.approx(0.5)
    assert found["momentum"] == pytest.approx(0.5)
    assert found["layers"] == 0.5
    assert found["width"] == 0.0
    assert found["batch"] == pytest.approx(2 / 3)  # by the logarithm, as ordered decisions


def test_what_is_missing_or_impossible_is_unknown() -> None:
    rows = ALL.rows(
        [{"optimizer": "rmsprop", "lr": "fast", "momentum": True, "dropout": float("nan")}]
    )
    assert np.isnan(rows).all()


def test_beyond_the_limits_a_number_keeps_its_distance_if_it_is_to() -> None:
    found = {"lr": 1e-6, "layers": 12, "optimizer": "rmsprop"}
    some = Hyperparameters.of({n: DISTRIBUTIONS[n] for n in found})
    near, far = some.rows([found])[0], some.rows([found], beyond=True)[0]
    lr, layers = some.names.index("lr"), some.names.index("layers")
    assert (near[lr], near[layers]) == (0.0, 1.0)
    assert far[lr] < 0 < 1 < far[layers]
    np.testing.assert_array_equal(some.snap(far[None])[0], near)
    assert some.rows([{**found, "lr": 0.0}], beyond=True)[0][lr] == 0.0  # it has no logarithm


def test_true_is_not_one() -> None:
    optimizer = Hyperparameter.of("optimizer", DISTRIBUTIONS["optimizer"])
    assert (optimizer.to_unit(True), optimizer.to_unit(1)) == (3.0, 4.0)


def test_gaps_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(1)
    a, b = ALL.sample(4, rng), ALL.sample(5, rng)
    gaps = ALL.gaps(a, b)
    for h, parameter in enumerate(ALL.parameters):
        for i in range(4):
            for j in range(5):
                same = repr(parameter.value(a[i, h])) == repr(parameter.value(b[j, h]))  # True == 1
                wanted = float(not same) if parameter.unordered else abs(a[i, h] - b[j, h])
                assert gaps[h, i, j] == pytest.approx(wanted)
    assert gaps.max() <= 1


def test_moves_change_one_entry_and_try_all_of_few_values() -> None:
    few = Hyperparameters.of({k: DISTRIBUTIONS[k] for k in ("layers", "optimizer", "lr")})
    z = few.sample(3, np.random.default_rng(2))
    origins, moved = few.moves(z, 0.1, np.random.default_rng(3))
    assert ((moved != z[origins]).sum(1) <= 1).all()
    for origin in range(3):
        found = [few.values(row) for row in moved[origins == origin]]
        assert {values["layers"] for values in found} == set(range(1, 10))
        assert {str(values["optimizer"]) for values in found} == {
            "sgd",
            "adam",
            "None",
            "True",
            "1",
        }


def test_state_goes_through_json() -> None:
    assert Hyperparameters.from_state(json.loads(json.dumps(ALL.state()))) == ALL


def test_what_is_no_distribution_is_named() -> None:
    with pytest.raises(TypeError, match="'lr' is"):
        Hyperparameters.of({"lr": 0.1})
    with pytest.raises(ValueError, match="different"):
        Hyperparameters((Hyperparameter("lr"), Hyperparameter("lr")))
