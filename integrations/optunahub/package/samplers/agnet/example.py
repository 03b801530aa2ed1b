"""A search for the cell whose operations match a wish list; stands for training a network.

With this folder in a checkout of the registry: python package/samplers/agnet/example.py
"""

from __future__ import annotations

from pathlib import Path

import optuna
import optunahub


registry_root = str(Path(__file__).parents[2])
agnet = optunahub.load_local_module("samplers/agnet", registry_root=registry_root)
space = agnet.spaces.nas_bench_201()


def objective(trial: optuna.Trial) -> float:
    arch = space.suggest(trial)
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    return str(arch).count("nor_conv_3x3") - str(arch).count("none") - abs(lr - 0.01)


study = optuna.create_study(direction="maximize", sampler=agnet.AGNetSampler(space, seed=0))
study.optimize(objective, n_trials=30)
print(space.from_params(study.best_params), study.best_value)
