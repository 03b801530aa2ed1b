"""The first twenty trials with scores that cost no training, and without: cells trained on scikit-learn's digits.

python examples/scores.py                # 20 trials each, about two minutes
python examples/scores.py --trials 40 --seeds 3
"""

import argparse
import time

import numpy as np
import optuna
import torch
from train_digits import IMAGES, SPACE, TRAIN, VALID, accuracy, train

from optuna_agnet import AGNetSampler, Architecture, build_model, report
from optuna_agnet.training_free import quick_scores

BATCH = IMAGES[TRAIN[:32]]  # images as training sees them; no labels


def build(arch: Architecture) -> torch.nn.Module:
    """A small untrained network of the cell: the scores compare cells, so its size hardly matters."""
    return build_model(SPACE, arch, in_channels=1, channels=8, cells_per_stage=1, stages=2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=20, help="of each study")
    parser.add_argument("--seeds", type=int, default=1, help="studies of each kind")
    parser.add_argument("--epochs", type=int, default=3, help="of each training")
    args = parser.parse_args()
    if min(args.trials, args.seeds, args.epochs) < 1:
        parser.error("--trials, --seeds and --epochs must be 1 or more")
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        return accuracy(train(SPACE.suggest(trial), TRAIN, args.epochs), VALID)

    at = sorted({min(n, args.trials) for n in (5, 10, 20, args.trials)})
    print(f"best validation accuracy after {', '.join(map(str, at))} trials")
    for name, scores in (("without", None), ("with scores", quick_scores(build, BATCH))):
        best, start = [], time.perf_counter()
        for seed in range(args.seeds):
            sampler = AGNetSampler(SPACE, seed=seed, scores=scores)
            study = optuna.create_study(direction="maximize", sampler=sampler)
            study.optimize(objective, args.trials)
            best.append(np.maximum.accumulate([trial.value for trial in study.trials]))
        means = np.mean(best, axis=0)
        print(f"{name:12}", *(f"{means[n - 1]:.2%}" for n in at), end="")
        print(f"   {time.perf_counter() - start:.0f} s")
    text = report(study, SPACE).markdown
    print("\n## Scores" + text.partition("## Scores")[2].partition("\n## ")[0])


if __name__ == "__main__":
    main()
