"""Architecture, learning rate and momentum in one study and one model.

python examples/mixed_hyperparameters.py --trials 25
"""

import argparse

import optuna
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from optuna_agnet import AGNetSampler, build_model, spaces

SPACE = spaces.EdgeCell(nodes=3, ops=("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"))
IMAGES, LABELS = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
IMAGES = IMAGES.float().reshape(-1, 1, 8, 8) / 16
VALID = torch.arange(len(LABELS)) % 4 == 0


def objective(trial: optuna.Trial) -> float:
    arch = SPACE.suggest(trial)
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    momentum = trial.suggest_float("momentum", 0.5, 0.99)

    torch.manual_seed(0)
    model = build_model(SPACE, arch, in_channels=1, channels=8, cells_per_stage=1, stages=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, nesterov=True)
    x, y = IMAGES[~VALID], LABELS[~VALID]
    for _ in range(3):
        for batch in torch.randperm(len(x)).split(64):
            loss = cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = model.eval()(IMAGES[VALID]).argmax(1) == LABELS[VALID]
    return right.double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=25)
    args = parser.parse_args()
    # A cell may come again with another learning rate, and never with the same.
    sampler = AGNetSampler(SPACE, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, args.trials, show_progress_bar=True)
    best = study.best_params
    print(f"best cell: {SPACE.from_params(best)}")
    print(f"learning rate {best['lr']:.4g}, momentum {best['momentum']:.3f}")
    print(f"validation accuracy: {study.best_value:.2%} after {len(study.trials)} trials")


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
