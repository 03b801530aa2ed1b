"""A real search: cells trained on scikit-learn's 8x8 digits, and stopped early where a good end is improbable.

Stored in SQLite, so that a second run goes on.

python examples/train_digits.py --trials 30
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy

from optuna_agnet import AGNetPruner, AGNetSampler, Architecture, build_model, spaces
from optuna_agnet.visualization import plot_architecture, plot_curves

SPACE = spaces.nas_bench_201()
IMAGES, LABELS = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
IMAGES = IMAGES.float().reshape(-1, 1, 8, 8) / 16
ROWS = np.arange(len(LABELS))
LEARN, TEST = train_test_split(ROWS, test_size=0.3, random_state=0, stratify=LABELS)
TRAIN, VALID = train_test_split(LEARN, test_size=0.3, random_state=0, stratify=LABELS[LEARN])


def training(
    arch: Architecture, rows: np.ndarray, epochs: int, channels: int = 8
) -> Iterator[torch.nn.Module]:
    """The network after each epoch."""
    torch.manual_seed(0)
    model = build_model(SPACE, arch, in_channels=1, channels=channels, cells_per_stage=1, stages=2)
    optimizer = torch.optim.Adam(model.parameters())
    steps = len(rows) // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, epochs * steps)
    for _ in range(epochs):
        for batch in torch.as_tensor(rows)[torch.randperm(len(rows))].split(64)[:steps]:
            loss = cross_entropy(model(IMAGES[batch]), LABELS[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        yield model.eval()
        model.train()


def train(*args: Any, **settings: Any) -> torch.nn.Module:
    """The network after the last epoch."""
    *_, model = training(*args, **settings)
    return model.eval()


@torch.no_grad()
def accuracy(model: torch.nn.Module, rows: np.ndarray) -> float:
    return (model(IMAGES[rows]).argmax(1) == LABELS[rows]).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30, help="trials to add")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("demo"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    storage = f"sqlite:///{args.folder}/digits.db"
    settings = {"study_name": "digits", "direction": "maximize", "load_if_exists": True}
    sampler = AGNetSampler(SPACE, seed=0)
    pruner = AGNetPruner(sampler)
    study = optuna.create_study(storage=storage, sampler=sampler, pruner=pruner, **settings)
    state = f"resuming at {len(study.trials)} trials" if study.trials else "a new study"
    print(f"{storage}: {state}, {args.trials} to add")

    def objective(trial: optuna.Trial) -> float:
        arch = SPACE.suggest(trial)
        for epoch, model in enumerate(training(arch, TRAIN, args.epochs), start=1):
            valid = accuracy(model, VALID)
            trial.report(valid, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return valid

    study.optimize(objective, args.trials, show_progress_bar=True)
    best = SPACE.from_params(study.best_params)
    stopped = len(study.get_trials(states=[optuna.trial.TrialState.PRUNED]))
    print(
        f"{stopped} of {len(study.trials)} trials were stopped early: see {args.folder}/curves.html"
    )
    print(f"best of {len(study.trials)} trials: validation accuracy {study.best_value:.2%}")
    print(f"best cell: {best}")
    plot_architecture(best).write_html(args.folder / "best_cell.html", include_plotlyjs=True)
    print(f"drawn to {args.folder}/best_cell.html")
    plot_curves(study).write_html(args.folder / "curves.html", include_plotlyjs=True)
    score = accuracy(train(best, LEARN, 2 * args.epochs), TEST)
    print(f"retrained on {len(LEARN)} images: {score:.2%} on {len(TEST)} held-out images")


if __name__ == "__main__":
    main()
