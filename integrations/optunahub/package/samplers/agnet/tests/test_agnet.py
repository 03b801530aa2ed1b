from __future__ import annotations

from pathlib import Path

import optuna
import optunahub
import pytest


@pytest.fixture(scope="module")
def agnet():  # type: ignore[no-untyped-def]
    root = str(Path(__file__).parents[3])
    return optunahub.load_local_module("samplers/agnet", registry_root=root)


def test_it_is_the_installed_sampler(agnet) -> None:  # type: ignore[no-untyped-def]
    import optuna_agnet

    assert agnet.AGNetSampler is optuna_agnet.AGNetSampler
    assert sorted(agnet.__all__) == ["AGNetConfig", "AGNetSampler", "spaces"]


def test_a_study_proposes_different_cells(agnet) -> None:  # type: ignore[no-untyped-def]
    space = agnet.spaces.nas_bench_201()
    study = optuna.create_study(direction="maximize", sampler=agnet.AGNetSampler(space, seed=0))
    study.optimize(lambda trial: str(space.suggest(trial)).count("conv"), n_trials=20)
    assert len({str(space.from_params(trial.params)) for trial in study.trials}) == 20
    assert study.best_value >= 5


def test_a_study_of_whole_networks(agnet) -> None:  # type: ignore[no-untyped-def]
    spaces = agnet.spaces
    block = spaces.OneOf(conv=spaces.ordered(3, 5, 7), skip=spaces.Network())
    space = spaces.Network(width=spaces.ordered(16, 32, 64), blocks=spaces.Repeat(block, 1, 3))

    def objective(trial: optuna.Trial) -> float:
        values = space.values(space.suggest(trial))
        assert ("blocks.2" in trial.params) == (len(values["blocks"]) == 3)
        return sum(block.get("conv", 0) for block in values["blocks"]) - values["width"] / 16

    study = optuna.create_study(direction="maximize", sampler=agnet.AGNetSampler(space, seed=0))
    study.optimize(objective, n_trials=25)
    assert len({str(space.from_params(trial.params)) for trial in study.trials}) == 25
    assert space.values(space.from_params(study.best_params))["width"] == 16
