"""A real search: cells trained on scikit-learn's 8x8 digits; stored in SQLite, so that a second run goes on.

python examples/train_digits.py --trials 30
"""

import argparse
from pathlib import Path

import numpy as np
import optuna
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy

from optuna_agnet import AGNetSampler, Architecture, build_model, spaces
from optuna_agnet.visualization import plot_architecture

SPACE = spaces.nas_bench_201()
IMAGES, LABELS = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
IMAGES = IMAGES.float().reshape(-1, 1, 8, 8) / 16
LEARN, TEST = train_test_split(
    np.arange(len(LABELS)), test_size=0.3, random_state=0, stratify=LABELS
)
TRAIN, VALID = train_test_split(LEARN, test_size=0.3, random_state=0, stratify=LABELS[LEARN])


def train(arch: Architecture, rows: np.ndarray, epochs: int, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    model = build_model(SPACE, arch, in_channels=1, channels=8, cells_per_stage=1, stages=2)
    optimizer = torch.optim.Adam(model.parameters())
    steps = epochs * (len(rows) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=steps)
    for _ in range(epochs):
        shuffled = torch.as_tensor(rows)[torch.randperm(len(rows))]
        for batch in shuffled.split(64)[: len(rows) // 64]:
            loss = cross_entropy(model(IMAGES[batch]), LABELS[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: torch.nn.Module, rows: np.ndarray) -> float:
    return (model(IMAGES[rows]).argmax(1) == LABELS[rows]).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30, help="trials to add")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("demo"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    storage = f"sqlite:///{args.folder}/digits.db"
    study = optuna.create_study(
        storage=storage,
        study_name="digits",
        direction="maximize",
        load_if_exists=True,
        sampler=AGNetSampler(SPACE, seed=0),
    )
    done = len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    print(
        f"{storage}: {f'resuming at {done} trials' if done else 'a new study'}, {args.trials} to add"
    )
    study.optimize(
        lambda trial: accuracy(train(SPACE.suggest(trial), TRAIN, args.epochs), VALID),
        args.trials,
        show_progress_bar=True,
    )
    best = SPACE.from_params(study.best_params)
    print(
        f"best of {len(study.trials)} trials: validation accuracy {study.best_value:.2%}, trial {study.best_trial.number}"
    )
    print(f"  {best}")
    picture = args.folder / "best_cell.html"
    plot_architecture(best).write_html(picture, include_plotlyjs=True)
    print(f"drawn to {picture}")
    model = train(best, LEARN, epochs=3 * args.epochs)
    print(
        f"retrained on all {len(LEARN)} training images: {accuracy(model, TEST):.2%} on {len(TEST)} held-out images"
    )


if __name__ == "__main__":
    main()
