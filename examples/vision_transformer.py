"""A small vision transformer for 8x8 digits: depth, width, heads and MLP ratios, with learning rate and weight decay.

python examples/vision_transformer.py --trials 20
"""

import argparse

import optuna
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from optuna_agnet import AGNetSampler
from optuna_agnet.spaces import Network, Repeat, ordered

BLOCK = Network(heads=ordered(1, 2, 4), ratio=ordered(1, 2, 4))
SPACE = Network(width=ordered(16, 24, 32, 48), blocks=Repeat(BLOCK, 2, 8))
IMAGES, LABELS = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
IMAGES = IMAGES.float().reshape(-1, 8, 8) / 16
VALID = torch.arange(len(LABELS)) % 4 == 0


class VisionTransformer(nn.Module):
    def __init__(self, width: int, blocks: list[dict[str, int]]) -> None:
        super().__init__()
        self.patches = nn.Linear(8, width)  # one token a row of pixels
        self.positions = nn.Parameter(0.02 * torch.randn(8, width))
        form = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, block["heads"], block["ratio"] * width, **form)
            for block in blocks
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


def objective(trial: optuna.Trial) -> float:
    arch = SPACE.suggest(trial)
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    weight_decay = trial.suggest_float("weight_decay", 1e-4, 1.0, log=True)
    torch.manual_seed(0)
    model = VisionTransformer(**SPACE.values(arch))
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    x, y = IMAGES[~VALID], LABELS[~VALID]
    epochs, steps = 4, len(x) // 32
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, epochs * steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(32)[:steps]:
            loss = cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        right = model.eval()(IMAGES[VALID]).argmax(1) == LABELS[VALID]
    return right.double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    trials = parser.parse_args().trials
    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(SPACE, seed=0))
    study.optimize(objective, trials, show_progress_bar=True)
    best = study.best_params
    print(f"one of {SPACE.num_architectures:,} networks: {SPACE.from_params(best)}")
    print(f"learning rate {best['lr']:.4g}, weight decay {best['weight_decay']:.4g}")
    print(f"validation accuracy: {study.best_value:.2%} after {trials} trials")


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
