"""Drawn networks with hyperparameters: each seed is a problem of its own, on one scale."""

from __future__ import annotations

from functools import cache

import numpy as np
import optuna
import pytest
from optuna.trial import FixedTrial

from benchmarks.problems import drawn, joint
from benchmarks.problems.joint import DRAWN, JointProblem

load = cache(joint.load)
NAMES = [name for name in DRAWN if "noisy" not in name]


def scores(problem: JointProblem, trials: int, as_integers: bool = False) -> list[float]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5))
    found = []
    for _ in range(trials):
        trial = study.ask()
        row = problem.suggest(trial, as_integers)
        assert (problem.space.repair(row[None])[0] == row).all()
        found.append(problem.evaluate(row, trial, np.random.default_rng(0))[1])
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("as_integers", [False, True])
def test_random_networks_lie_around_100_and_the_best_is_0(name: str, as_integers: bool) -> None:
    found = np.array(scores(load(name, 3), 200, as_integers))
    assert 80 < np.median(found) < 120
    assert 0 < found.min() < 75


@pytest.mark.parametrize("name", NAMES)
def test_each_seed_is_another_problem_and_always_the_same(name: str) -> None:
    first, again, other = (
        scores(made, 5) for made in (load(name, 3), joint.load(name, 3), load(name, 0))
    )
    assert first == again
    assert first != other


def test_noise_is_in_the_values_and_not_in_the_scores() -> None:
    trial = FixedTrial({"lr": 1e-3, "weight_decay": 1e-4})
    plain, noisy = (load(f"joint-drawn-blocks{kind}", 0) for kind in ("", "-noisy"))
    row = plain.space.sample(1, np.random.default_rng(0))[0]
    value, score = plain.evaluate(row, trial, np.random.default_rng(1))  # type: ignore[arg-type]
    for seed in range(3):
        other, same = noisy.evaluate(row, trial, np.random.default_rng(seed))  # type: ignore[arg-type]
        assert same == score
        assert other != value


def best_rate(problem: drawn.Drawn, network: dict[str, object], **beside: object) -> float:
    rates = np.logspace(-5, -1, 81)
    found = [problem.value(network, {"lr": rate, **beside}) for rate in rates]
    return float(rates[int(np.argmax(found))])


def test_deeper_networks_want_another_learning_rate() -> None:
    block = {"mixer": {"heads": 2, "ratio": 2, "gate": True}}
    for seed in range(4):
        problem = drawn.blocks(seed)
        found = [
            best_rate(
                problem,
                {"stem": 16, "act": "relu", "blocks": [block] * depth},
                weight_decay=1e-4,
            )
            for depth in (1, 5)
        ]
        assert found[0] != found[1]


def test_a_surface_is_a_bowl_and_waves() -> None:
    surface = drawn.Surface.draw(3, np.random.default_rng(0))
    at, total = np.array([0.2, 0.5, 0.9]), 0.0
    for k in range(3):
        total -= 3 * 3**0.5 * surface.weights[k] * (at[k] - surface.top[k]) ** 2
    for wave, phase in zip(surface.waves, surface.phases, strict=True):
        total += surface.height * np.cos(sum(wave[k] * at[k] for k in range(3)) + phase)
    assert surface.at(at.tolist()) == pytest.approx(total)
    assert surface.weights.sum() == pytest.approx(1.0)


def test_what_a_network_lacks_is_in_no_trial() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    problem = load("joint-drawn-blocks", 0)
    for _ in range(10):
        trial = study.ask()
        problem.suggest(trial, as_integers=True)
        depth = 1 + trial.params["blocks.depth"]  # by number
        names = {name.split(".")[1] for name in trial.params if name.startswith("blocks.")}
        assert names == {"depth", *map(str, range(depth))}
