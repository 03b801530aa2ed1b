"""Pairs of an architecture and hyperparameters in studies with limits, repeats, and parameters that come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial

from optuna_agnet import AGNetConfig, AGNetSampler, Architecture, spaces
from optuna_agnet.spaces import Network, ordered
from optuna_agnet.spaces.base import SearchSpace

SPACE = spaces.EdgeCell(nodes=3, ops=("skip", "conv", "pool"))
CONFIG = AGNetConfig(n_startup=6, candidate_sources=("neighbors", "random"), pool_size=64)


def searched(
    objective: Callable[[optuna.Trial], object],
    n_trials: int,
    objectives: int = 1,
    space: SearchSpace = SPACE,
    **given: object,
) -> list[FrozenTrial]:
    """The trials of a study."""
    sampler = AGNetSampler(space, **{"seed": 0, "config": CONFIG, **given})  # type: ignore[arg-type]
    study = optuna.create_study(directions=["maximize"] * objectives, sampler=sampler)
    study.optimize(objective, n_trials=n_trials)  # type: ignore[arg-type]
    return study.trials


def convs(arch: Architecture) -> int:
    return str(arch).count("conv")


def log_rate(trial: optuna.Trial) -> float:
    return float(np.log10(trial.suggest_float("lr", 1e-4, 1.0, log=True)))


def architectures(trials: list[FrozenTrial]) -> list[str]:
    return [str(SPACE.from_params(trial.params)) for trial in trials]


# -- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objectives", [1, 2])
def test_the_search_learns_which_values_break_a_constraint(objectives: int) -> None:
    """A quarter of all learning rates keep it, and the objectives want those that don't."""

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        return (convs(SPACE.suggest(trial)) + log_rate(trial), log_rate(trial))[:objectives]

    trials = searched(
        objective, 30, objectives, constraints_func=lambda t: (np.log10(t.params["lr"]) + 3,)
    )
    rates = np.log10([t.params["lr"] for t in trials])
    assert np.quantile(rates[12:], 0.75) < -2.9  # what keeps it, and what nearly does
    assert max(t.values[0] for t in trials if t.params["lr"] <= 1e-3) > -0.05  # 0 is the best


def test_a_limit_of_architectures_holds_whatever_stands_beside_them() -> None:
    trials = searched(
        lambda t: convs(SPACE.suggest(t)) - abs(log_rate(t) + 2),
        24,
        known_constraints={"convs": lambda arch: convs(arch) - 1.0},
    )
    assert max(text.count("conv") for text in architectures(trials)) == 1
    assert len({tuple(t.params.items()) for t in trials}) == 24


def test_no_pair_comes_twice_where_hardly_any_architecture_is_within_the_limit() -> None:
    """19 of 4,096 keep it, each beside two optimizers; pools have none of them."""
    space = spaces.EdgeCell(nodes=4, ops=("skip", "conv", "pool", "none"))

    def objective(trial: optuna.Trial) -> float:
        arch = space.suggest(trial)
        return str(arch).count("skip") + (trial.suggest_categorical("by", ("sgd", "adam")) == "sgd")

    limit = {"convs": lambda arch: 5.0 - convs(arch)}
    trials = searched(objective, 24, space=space, known_constraints=limit)
    assert len({tuple(t.params.items()) for t in trials}) == 24
    assert min(list(t.params.values()).count("conv") for t in trials) == 5


# -- once or again -------------------------------------------------------------------------------------------------

FEW = Network(width=ordered(16, 32))


def noisy(trial: optuna.Trial) -> float:
    width = FEW.values(FEW.suggest(trial))["width"]
    best = trial.suggest_categorical("optimizer", ("sgd", "adam")) == "sgd"
    return float(width / 16 + best + 0.1 * np.random.default_rng(trial.number).normal())


def test_the_same_pair_comes_again_only_where_that_is_allowed() -> None:
    again = replace(CONFIG, n_startup=4, allow_duplicates=True)
    trials = searched(noisy, 20, space=FEW, config=again)
    found = Counter(tuple(sorted(t.params.items())) for t in trials)
    assert len(trials) == 20
    assert found.most_common(1)[0][0] == (("optimizer", "sgd"), ("width", 32))
    with pytest.warns(UserWarning, match="allow_duplicates=True"):
        trials = searched(noisy, 20, space=FEW)
    complete = [t for t in trials if t.state.name == "COMPLETE"]
    assert len({tuple(sorted(t.params.items())) for t in complete}) == len(complete) == 4


# -- parameters that come and go -----------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [(1e-3, 1e-1), (1e-5, 1e1)], ids=["widened", "narrowed"])
def test_a_range_that_changes_in_the_middle_is_drawn_from_as_it_is_now(
    before: tuple[float, float],
) -> None:
    """From then on the independent sampler has it, and the search goes on with the rest."""

    def objective(trial: optuna.Trial) -> float:
        low, high = before if trial.number < 14 else (1e-4, 1.0)
        momentum = trial.suggest_float("momentum", 0.0, 1.0)
        rate = np.log10(trial.suggest_float("lr", low, high, log=True))
        return float(convs(SPACE.suggest(trial)) - abs(rate + 2) - 4 * abs(momentum - 0.5))

    with pytest.warns(UserWarning, match="the parameter 'lr' has another range") as told:
        trials = searched(objective, 30)
    assert len(told) == 1
    late = [t.params["lr"] for t in trials[14:]]
    assert 1e-4 <= min(late) <= max(late) <= 1.0
    assert len(set(late)) > 8
    if before[0] > 1e-4:
        assert any(not before[0] <= rate <= before[1] for rate in late)
    assert (
        np.median([abs(t.params["momentum"] - 0.5) for t in trials[14:]]) < 0.15
    )  # 0.25 at random


@pytest.mark.parametrize("name", ["constant", "single", "conditional"])
def test_what_does_not_enter_the_model_changes_no_architecture(name: str) -> None:
    """Constants and conditional parameters: architectures are those of a study without them."""

    def objective(beside: bool) -> Callable[[optuna.Trial], float]:
        def value(trial: optuna.Trial) -> float:
            found = float(convs(SPACE.suggest(trial)))
            if beside and name == "constant":
                trial.suggest_float("constant", 1.0, 1.0)
            if beside and name == "single":
                trial.suggest_categorical("single", ["x"])
            if beside and name == "conditional" and trial.number % 2:
                trial.suggest_float("conditional", 0.0, 1.0)
            return found

        return value

    with_others, alone = (
        architectures(searched(objective(beside), 16)) for beside in (True, False)
    )
    assert with_others == alone


def test_a_space_of_ordered_numbers_alone_is_searched_as_numbers() -> None:
    """Three hyperparameters as a space, none beside it."""
    space = Network(
        layers=ordered(*range(1, 9)),
        width=ordered(*(2**k for k in range(4, 12))),
        rate=ordered(*(10.0**k for k in range(-7, 1))),
    )

    def missed(arch: Architecture) -> float:
        at = space.values(arch)
        return float(
            abs(at["layers"] - 5) + abs(np.log2(at["width"]) - 9) + abs(np.log10(at["rate"]) + 3)
        )

    trials = searched(lambda t: -missed(space.suggest(t)), 28, space=space)
    values = [t.value for t in trials]
    assert max(values) == 0  # type: ignore[type-var]
    every = space.enumerate()
    assert every is not None
    at_random = np.sort([missed(a) for a in space.architectures(every)])
    assert np.median(values[12:]) > -np.quantile(at_random, 0.1)  # type: ignore[arg-type]
