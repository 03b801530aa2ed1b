"""Hyperparameters of the random start: a sequence that fills each range, and its middle first."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
import torch
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, spaces
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.search.starts import start_values
from optuna_agnet.spaces.hyperparameters import Hyperparameters

SPACE = spaces.EdgeCell(nodes=3, ops=("skip", "conv", "pool"))
FIRST = 8  # of a Sobol sequence: one in each eighth
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "batch": CategoricalDistribution((16, 32, 64, 128)),
    "decay": FloatDistribution(0.0, 0.1),
    "layers": IntDistribution(1, 8),
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "optimizer": CategoricalDistribution(("sgd", "adam")),
    "warmup": IntDistribution(0, 63),
}
BESIDE = Hyperparameters.of(DISTRIBUTIONS)
SEEDS = range(5)


def starts(seed: int, beside: Hyperparameters = BESIDE, n: int = FIRST) -> list[dict[str, object]]:
    return [dict(beside.values(start_values(beside, k, seed))) for k in range(n)]


@pytest.mark.parametrize("seed", SEEDS)
def test_of_few_values_each_comes_as_often_as_the_others(seed: int) -> None:
    found = starts(seed)
    assert sorted(each["layers"] for each in found) == list(range(1, 9))  # type: ignore[type-var]
    assert sorted(each["batch"] for each in found) == sorted((16, 32, 64, 128) * 2)  # type: ignore[type-var]
    assert sorted(each["optimizer"] for each in found) == ["adam"] * 4 + ["sgd"] * 4  # type: ignore[type-var]


@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_range_each_eighth_of_what_is_probable_comes_once(seed: int) -> None:
    """Probable is Beta(2, 2), whose distribution function is 3 q^2 - 2 q^3."""
    found = starts(seed)
    for place in (
        [float(each["decay"]) / 0.1 for each in found],  # type: ignore[arg-type]
        [np.log10(each["lr"]) / 4 + 1 for each in found],  # type: ignore[call-overload]
    ):
        q = np.array(place)
        assert sorted((8 * (3 * q**2 - 2 * q**3)).astype(int)) == list(range(8))


def test_many_numbers_are_a_range_and_its_ends_come_seldom() -> None:
    found = [int(each["warmup"]) for seed in SEEDS for each in starts(seed, n=64)]  # type: ignore[call-overload]
    middle = np.mean([16 <= number < 48 for number in found])
    assert abs(middle - 0.6875) < 0.02  # F(3/4) - F(1/4)


def test_seeds_and_positions_differ_and_nothing_else_does() -> None:
    both = [str(starts(seed)) for seed in SEEDS]
    assert len(set(both)) == len(SEEDS)
    assert len(set(map(str, starts(0, n=64)))) > 60
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.set_default_dtype(torch.float64)
        try:
            before = torch.get_rng_state()
            assert str(starts(0)) == both[0]
            assert torch.equal(torch.get_rng_state(), before)
        finally:
            torch.set_default_dtype(torch.float32)


def _asked(search: AGNet, n: int) -> list[dict[str, object]]:
    return [dict(architecture.hyperparameters) for architecture in search.ask(n)]


def test_a_search_begins_with_them() -> None:
    search = AGNet(SPACE, seed=3, hyperparameters=DISTRIBUTIONS)
    assert _asked(search, 6) == starts(3, n=6)


def test_with_scores_the_first_four_results_are_of_them() -> None:
    """Scores say which architecture, and nothing of the rest."""
    search = AGNet(
        SPACE,
        seed=3,
        config=AGNetConfig(candidate_sources=("random",), pool_size=64),
        hyperparameters=DISTRIBUTIONS,
        scores={"convs": lambda architecture: str(architecture).count("conv")},
    )
    asked = []
    for value in range(5):
        (architecture,) = search.ask(1)
        asked.append(dict(architecture.hyperparameters))
        search.tell(architecture, float(value))
    assert asked[:4] == starts(3, n=4)
    assert asked[4] != starts(3, n=5)[4]


@pytest.mark.parametrize("seed", SEEDS)
def test_where_all_pairs_with_them_are_taken_others_come(seed: int) -> None:
    """Two architectures and three values are six pairs; the sequence asks for some value three times."""
    few = spaces.EdgeCell(nodes=2, ops=("conv", "pool"))
    given = {"lr": CategoricalDistribution((0.1, 0.01, 0.001))}
    search = AGNet(few, seed=seed, hyperparameters=given)
    asked = search.ask(6)
    assert len({(str(a), a.hyperparameters["lr"]) for a in asked}) == 6


def test_what_is_fixed_stays_and_the_rest_is_as_it_would_be() -> None:
    def suggested(sampler: optuna.samplers.BaseSampler) -> list[dict[str, object]]:
        study = optuna.create_study(sampler=sampler)
        for _ in range(6):
            trial = study.ask()
            SPACE.suggest(trial)
            trial.suggest_float("lr", 1e-4, 1.0, log=True)
            trial.suggest_float("momentum", 0.0, 1.0)
            study.tell(trial, 0.0)
        return [{k: t.params[k] for k in ("lr", "momentum")} for t in study.trials[1:]]

    free = suggested(AGNetSampler(SPACE, seed=0))
    partial = suggested(
        optuna.samplers.PartialFixedSampler({"momentum": 0.5}, AGNetSampler(SPACE, seed=0))
    )
    assert [each["lr"] for each in free] == [each["lr"] for each in partial]
    assert {each["momentum"] for each in partial} == {0.5}


@pytest.mark.parametrize(
    "distribution",
    [
        IntDistribution(0, 4),
        IntDistribution(0, 8, step=2),
        FloatDistribution(0.0, 1.0, step=0.25),
        CategoricalDistribution((1, 2, 4, 8, 16)),
        CategoricalDistribution(("a", "b", "c", "d", "e")),
    ],
)
def test_values_of_a_grid_are_alike_probable(distribution: BaseDistribution) -> None:
    """The first and the last as well, which rounding would give half of what the others have."""
    (parameter,) = Hyperparameters.of({"p": distribution}).parameters
    drawn: FloatArray = parameter.draw(5000, np.random.default_rng(0))
    _, counts = np.unique(drawn, return_counts=True)
    shares = counts / len(drawn)
    assert len(shares) == 5
    assert np.abs(shares - 0.2).max() < 0.03
