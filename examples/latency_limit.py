"""The most accurate digits cell under a latency limit, measured on the machine that this runs on.

Candidates are measured before they are proposed, so that no training is spent on a cell that is too slow.
    python examples/latency_limit.py --trials 20
"""

import argparse

import numpy as np
import optuna
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from optuna_agnet import AGNetSampler, Architecture, build_model, spaces
from optuna_agnet.hardware import measure_latency

SPACE = spaces.nas_bench_201()
IMAGES, LABELS = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
IMAGES = IMAGES.float().reshape(-1, 1, 8, 8) / 16
TRAIN, VALID = torch.arange(len(LABELS)).split([1347, 450])


def network(arch: Architecture) -> torch.nn.Module:
    return build_model(SPACE, arch, in_channels=1, channels=8, cells_per_stage=1, stages=2)


def measured_ms(arch: Architecture) -> float:
    return measure_latency(network(arch), (64, 1, 8, 8), time_limit_s=0.5).median_ms


def accuracy(trial: optuna.Trial) -> float:
    torch.manual_seed(0)
    model = network(SPACE.suggest(trial))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        for batch in TRAIN[torch.randperm(len(TRAIN))].split(64):
            optimizer.zero_grad()
            cross_entropy(model(IMAGES[batch]), LABELS[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        right = model.eval()(IMAGES[VALID]).argmax(1) == LABELS[VALID]
    return right.double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    args = parser.parse_args()

    cells = SPACE.architectures(SPACE.sample(12, np.random.default_rng(0)))
    times = [measured_ms(arch) for arch in cells]
    limit = float(np.quantile(times, 0.25))
    print(f"{len(cells)} random cells: {min(times):.2f}-{max(times):.2f} ms, limit {limit:.2f} ms")

    seen: dict[Architecture, float] = {}  # what the sampler asked for

    def excess_ms(arch: Architecture) -> float:
        seen[arch] = measured_ms(arch)
        return seen[arch] - limit

    sampler = AGNetSampler(SPACE, seed=0, known_constraints={"latency_ms": excess_ms})
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(accuracy, args.trials, show_progress_bar=True)

    best = SPACE.from_params(study.best_params)
    slow = sum(ms > limit for ms in seen.values())
    print(f"{len(study.trials)} cells trained, {slow} more were measured and too slow")
    print(f"best cell: {best}")
    print(f"validation accuracy {study.best_value:.2%}, {seen[best]:.2f} ms")
    print(f"measured again: {measured_ms(best):.2f} ms")


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
