"""How good the regression behind the problem nbnlp is: ``python -m benchmarks.nbnlp_surrogate`` (a minute).

Ten folds of cells, so that all runs of a cell are in one fold; three times, as folds are drawn anew.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import kendalltau, spearmanr

from benchmarks.problems import nbnlp
from optuna_agnet.core.arrays import FloatArray, IntArray

FOLDS, TIMES, BEST = 10, 3, 0.1


def held_out(x: IntArray, losses: FloatArray, seed: int, folds: int = FOLDS) -> FloatArray:
    """Losses (N,) as predicted by regressions that saw no run of the cell."""
    cells, cell = np.unique(nbnlp.SPACE.keys(x), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(cells))[cell] % folds
    predicted = np.empty(len(losses))
    for k in range(folds):
        model = nbnlp.Regression.fit(x[fold != k], losses[fold != k])
        predicted[fold == k] = model.predict(x[fold == k])
    return predicted


def main() -> None:
    x, losses = nbnlp.runs()
    several = [held_out(x, losses, seed) for seed in range(TIMES)]
    rho = [spearmanr(predicted, losses).statistic for predicted in several]
    tau = [kendalltau(predicted, losses).statistic for predicted in several]
    best = losses <= np.quantile(losses, BEST)
    hits = [best[np.argsort(predicted)[: best.sum()]].mean() for predicted in several]
    cells, first, count = np.unique(nbnlp.SPACE.keys(x), return_index=True, return_counts=True)
    print(f"{len(x)} runs of {len(cells)} cells; {FOLDS} folds of cells, {TIMES} times")
    print(f"held out: Spearman {np.mean(rho):.3f} ± {np.std(rho):.3f}, ", end="")
    print(f"Kendall tau {np.mean(tau):.3f} ± {np.std(tau):.3f}")
    print(f"of the best tenth by prediction, {np.mean(hits):.0%} belong to the best tenth")
    again = [np.flatnonzero(nbnlp.SPACE.keys(x) == key)[1] for key in cells[count > 1]]
    repeated = spearmanr(losses[first[count > 1]], losses[again]).statistic
    print(f"two runs of the same cell ({len(again)} cells): Spearman {repeated:.3f}")
    space = nbnlp.SPACE.sample(5000, np.random.default_rng(0))
    found = nbnlp.Regression.fit(x, losses).predict(space)
    print(f"best run {losses.min():.3f}; best prediction of 5,000 random cells {found.min():.3f}")


if __name__ == "__main__":
    main()
