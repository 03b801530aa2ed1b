"""A residual network for a table, with a depth that is searched: AG-Net beside TPE over the same parameters.

python examples/tabular_network.py --trials 32 --seeds 3
"""

import argparse

import optuna
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from optuna_agnet import AGNetSampler
from optuna_agnet.spaces import Network, Repeat, ordered

ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
HIDDEN, DROPOUT = ordered(8, 16, 32, 64, 128), ordered(0.0, 0.1, 0.3, 0.5)
BLOCK = Network(hidden=HIDDEN, activation=tuple(ACTIVATIONS), dropout=DROPOUT)
SPACE = Network(width=ordered(8, 16, 32, 64), blocks=Repeat(BLOCK, 0, 4))
X, Y = (torch.as_tensor(a) for a in load_breast_cancer(return_X_y=True))
X = ((X - X.mean(0)) / X.std(0)).float()


class Residual(nn.Module):
    def __init__(self, width: int, hidden: int, activation: str, dropout: float) -> None:
        super().__init__()
        layers = nn.Linear(width, hidden), ACTIVATIONS[activation](), nn.Dropout(dropout)
        self.branch = nn.Sequential(nn.LayerNorm(width), *layers, nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def loss(params: dict, folds_seed: int) -> float:
    """Log loss of cross-validation with three folds; other folds and weights for other seeds."""
    values, total = SPACE.values(SPACE.from_params(params)), 0.0
    width = values["width"]
    folds = StratifiedKFold(3, shuffle=True, random_state=folds_seed)
    for train, valid in folds.split(X, Y):
        torch.manual_seed(folds_seed)
        blocks = (Residual(width, **block) for block in values["blocks"])
        model = nn.Sequential(nn.Linear(30, width), *blocks, nn.Linear(width, 2))
        optimizer = torch.optim.AdamW(model.parameters(), params["lr"], weight_decay=params["wd"])
        for _ in range(40):
            step = cross_entropy(model(X[train]), Y[train])
            optimizer.zero_grad()
            step.backward()
            optimizer.step()
        with torch.no_grad():
            total += cross_entropy(model.eval()(X[valid]), Y[valid], reduction="sum").item()
    return total / len(Y)


def objective(trial: optuna.Trial) -> float:
    SPACE.suggest(trial)
    trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    trial.suggest_float("wd", 1e-4, 1.0, log=True)
    return loss(trial.params, folds_seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print("log loss of the best network: in the search, and over 5 other divisions into folds")
    for seed in range(args.seeds):
        for sampler in (AGNetSampler(SPACE, seed=seed), optuna.samplers.TPESampler(seed=seed)):
            study = optuna.create_study(sampler=sampler)
            study.optimize(objective, args.trials)
            again = sum(loss(study.best_params, folds) for folds in range(1, 6)) / 5
            print(f"seed {seed}  {type(sampler).__name__:<13} {study.best_value:.4f}  {again:.4f}")


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
