"""The two packages' pictures, from committed results and the benchmark's table.

PYTHONPATH=. python integrations/optunahub/plots.py
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.records import longest
from benchmarks.records import read
from benchmarks.records import RESULTS
from matplotlib import pyplot as plt
import numpy as np
import optunahub


HERE = Path(__file__).parent
NAMES = {"agnet": "AG-Net", "tpe": "multivariate TPE", "random": "random search"}


def plot_sampler(problem: str = "nb201-c100") -> None:
    """Distance to the optimum by number of trials, mean over the seeds."""
    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    records = list(longest(read(RESULTS / f"{problem}.jsonl")).values())
    for method, name in NAMES.items():
        runs = [r for r in records if r.method == method]
        best = np.maximum.accumulate(np.array([r.values[0] for r in runs], dtype=float), axis=1)
        regret = (runs[0].optimum or np.nan) - best.mean(axis=0)
        axes.plot(np.arange(1, len(regret) + 1), regret, label=f"{name}, {len(runs)} seeds")
    axes.set(xlabel="trials", ylabel="percentage points below the best cell", ylim=(0, 4))
    axes.set_title("NAS-Bench-201, CIFAR-100: validation accuracy")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(HERE / "package/samplers/agnet/images/nasbench201.png", dpi=120)


def plot_problem() -> None:
    """All cells by latency and accuracy, and the limits."""
    module = optunahub.load_local_module(
        "benchmarks/nasbench201_latency", registry_root=str(HERE / "package")
    )
    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    table = module.Problem(dataset_id=1)
    axes.scatter(table._latency_ms, table._accuracy, s=1, color="0.6", rasterized=True)
    colors = iter(["C0", "C1", "C2"])
    for fastest in (0.05, 0.25, 0.5):
        problem = module.Problem(dataset_id=1, fastest=fastest)
        color = next(colors)
        label = f"fastest {fastest:.0%}: {problem.limit_ms:.1f} ms"
        axes.axvline(problem.limit_ms, color=color, label=label)
        axes.plot(problem.limit_ms, problem.optimum, "o", color=color)
    axes.set(xlabel="latency, ms", ylabel="validation accuracy, %", ylim=(40, None))
    axes.set_title("CIFAR-100: all cells, limits, and the best accuracy under each")
    axes.legend(loc="lower right")
    figure.savefig(
        HERE / "package/benchmarks/nasbench201_latency/images/cells_and_limits.png", dpi=120
    )


if __name__ == "__main__":
    plot_sampler()
    plot_problem()
