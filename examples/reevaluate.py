"""The best of a search is lucky as well as good: train the best five again, with other seeds, and choose by the mean.

python examples/reevaluate.py --trials 60
"""

import argparse

import numpy as np
import optuna
import torch
from optuna.trial import TrialState
from torch.nn.functional import cross_entropy
from train_digits import IMAGES, LABELS, LEARN, SPACE, TEST, accuracy

from optuna_agnet import AGNetSampler, Architecture, build_model


def trained(arch: Architecture, rows: np.ndarray, seed: int) -> torch.nn.Module:
    """Two epochs: weights and the order of the images come from the seed."""
    torch.manual_seed(seed)
    model = build_model(SPACE, arch, in_channels=1, channels=8, cells_per_stage=1, stages=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(2):
        for batch in torch.as_tensor(rows)[torch.randperm(len(rows))].split(64):
            optimizer.zero_grad()
            cross_entropy(model(IMAGES[batch]), LABELS[batch]).backward()
            optimizer.step()
    return model.eval()


def validated(arch: Architecture, seed: int) -> float:
    """Accuracy on a fifth of the images that the seed chooses, after training on the others."""
    rows = np.random.default_rng(seed).permutation(LEARN)
    cut = len(rows) // 5
    return accuracy(trained(arch, rows[cut:], seed), rows[:cut])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--best", type=int, default=5, help="architectures to train again")
    parser.add_argument("--times", type=int, default=5, help="how often each")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(SPACE, seed=0))
    study.optimize(lambda trial: validated(SPACE.suggest(trial), trial.number), args.trials)
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    best = sorted(complete, key=lambda trial: -trial.value)[: args.best]

    means = {}
    for trial in best:
        arch = SPACE.from_params(trial.params)
        seeds = range(args.trials, args.trials + args.times)  # none that the search has used
        again = [validated(arch, seed) for seed in seeds]
        means[arch] = np.mean(again)
        print(f"trial {trial.number:3}: {trial.value:.2%} in the search, {means[arch]:.2%} again")
    optimism = np.mean([trial.value for trial in best]) - np.mean(list(means.values()))
    print(f"the search's values are {100 * optimism:.1f} points too good for these {len(best)}")

    chosen = max(means, key=means.__getitem__)
    held_out = accuracy(trained(chosen, LEARN, args.trials), TEST)
    print(f"chosen: {chosen}, {held_out:.2%} on {len(TEST)} held-out images")


if __name__ == "__main__":
    main()
