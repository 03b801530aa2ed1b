"""Accuracy and latency of digits cells, both as objectives: the best trade-offs, as a list and as a picture.

python examples/two_objectives.py --trials 40
"""

import argparse
from pathlib import Path

import optuna
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from optuna_agnet import AGNetSampler, build_model, spaces
from optuna_agnet.hardware import measure_latency
from optuna_agnet.visualization import plot_latency_accuracy

SPACE = spaces.nas_bench_201()
IMAGES, LABELS = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
IMAGES = IMAGES.float().reshape(-1, 1, 8, 8) / 16
TRAIN, VALID = torch.arange(len(LABELS)).split([1347, 450])


def objective(trial: optuna.Trial) -> tuple[float, float]:
    torch.manual_seed(0)
    model = build_model(
        SPACE, SPACE.suggest(trial), in_channels=1, channels=8, cells_per_stage=1, stages=2
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        for batch in TRAIN[torch.randperm(len(TRAIN))].split(64):
            optimizer.zero_grad()
            cross_entropy(model(IMAGES[batch]), LABELS[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        right = model.eval()(IMAGES[VALID]).argmax(1) == LABELS[VALID]
    latency = measure_latency(model, (64, 1, 8, 8), time_limit_s=0.5)
    return right.double().mean().item(), latency.median_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=Path("demo"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)

    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=AGNetSampler(SPACE, seed=0)
    )
    study.optimize(objective, args.trials, show_progress_bar=True)
    front = sorted(study.best_trials, key=lambda trial: trial.values[1])
    print(f"{len(front)} of {len(study.trials)} trials are on the front:")
    for trial in front:
        accuracy, latency = trial.values
        print(f"  {accuracy:.2%} at {latency:.2f} ms: {SPACE.from_params(trial.params)}")

    figure = plot_latency_accuracy(study, latency_name="latency, ms")
    figure.update_layout(title="Digits cells", yaxis_title="validation accuracy")
    figure.write_html(args.folder / "front.html", include_plotlyjs=True)
    print(f"drawn to {args.folder}/front.html")


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
