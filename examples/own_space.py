"""A search space of your own: a cell with operations that no benchmark has, and how each is built.

python examples/own_space.py --trials 20
"""

import argparse

import optuna
import torch
from torch import nn

from optuna_agnet import AGNetSampler, build_model, spaces

# The space in five lines: names of the operations, the size of the cell, and a builder for each name.
OPS = {
    "depthwise": lambda c_in, c_out: nn.Conv2d(c_in, c_out, 3, padding=1, groups=c_in),
    "wide": lambda c_in, c_out: nn.Sequential(nn.ReLU(), nn.Conv2d(c_in, c_out, 5, padding=2)),
    "squash": lambda c_in, c_out: nn.Sequential(nn.Conv2d(c_in, c_out, 1), nn.Tanh()),
}
SPACE = spaces.NodeCell(max_nodes=5, max_edges=7, ops=tuple(OPS))


def data(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy 8x8 images of a vertical, horizontal or diagonal bar."""
    rng = torch.Generator().manual_seed(seed)
    images, labels = torch.randn(384, 1, 8, 8, generator=rng), torch.arange(384) % 3
    places = torch.randint(8, (384,), generator=rng)
    for image, label, k in zip(images[:, 0], labels, places, strict=True):
        bar = (image[:, k], image[k], image.diagonal(int(k) - 4))[int(label)]
        bar += 1.5
    return images, labels


def train(model: nn.Module) -> float:
    (x, y), (x_valid, y_valid) = data(0), data(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(6):
        for batch in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return (model.eval()(x_valid).argmax(1) == y_valid).double().mean().item()


def objective(trial: optuna.Trial) -> float:
    arch = SPACE.suggest(trial)
    torch.manual_seed(0)
    model = build_model(
        SPACE, arch, ops=OPS, num_classes=3, in_channels=1, channels=12, cells_per_stage=1, stages=1
    )
    return train(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    args = parser.parse_args()
    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(SPACE, seed=0))
    study.optimize(objective, args.trials, show_progress_bar=True)
    print(f"{len(study.trials)} trials in {SPACE!r}")
    print(f"best cell: {SPACE.from_params(study.best_params)}")
    print(f"validation accuracy: {study.best_value:.2%}")


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
