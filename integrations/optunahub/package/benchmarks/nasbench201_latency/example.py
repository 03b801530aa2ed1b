"""TPE on CIFAR-100 with the fastest 5 % of the cells allowed.

With this folder in a checkout of the registry: python package/benchmarks/nasbench201_latency/example.py
"""

from __future__ import annotations

from pathlib import Path

import optuna
import optunahub


registry_root = str(Path(__file__).parents[2])
module = optunahub.load_local_module("benchmarks/nasbench201_latency", registry_root=registry_root)
problem = module.Problem(dataset_id=1, fastest=0.05)
study = optuna.create_study(
    directions=problem.directions, sampler=optuna.samplers.TPESampler(seed=0)
)
study.optimize(problem, n_trials=100)

feasible = [t for t in study.trials if all(v <= 0 for v in t.constraints.values())]
print(f"limit {problem.limit_ms:.2f} ms, best possible {problem.optimum:.2f} %")
print(f"{len(feasible)} of {len(study.trials)} trials kept the limit")
if feasible:
    print(f"best of them: {max(t.value for t in feasible):.2f} %")
