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
