"""NAS-Bench-NLP (Klyuchnikov et al. 2020): validation loss on WikiText-2 of cells with at most 12 nodes.

The 14,322 runs on Penn Treebank are not at hand: extra trees on the 337 runs of WikiText-2 that fit and ended with a
loss (258 different cells) stand for the benchmark. That is little: `held_out` gives its rank correlation on cells that
it did not see, about 0.6, and ``python -m benchmarks.problems.nbnlp`` prints it. What wins here need not win there.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.problems.base import Outcomes, Problem, data_file, unconstrained
from optuna_agnet import spaces
from optuna_agnet.architecture import NONE
from optuna_agnet.spaces.base import IntArray, to_adjacency
from optuna_agnet.surrogate.base import FloatArray

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

SPACE = spaces.nas_bench_nlp(12)
_FOLDS = 10


def runs() -> tuple[IntArray, FloatArray]:
    """Cells as rows (N, 52) and their best validation losses (N,), in nats a word."""
    import pandas as pd

    table = pd.read_csv(data_file("nbnlp/nbnlp_wikitext2.csv.gz"))
    table = table[(table["n_nodes"] <= SPACE.max_nodes) & table["best_val_loss"].notna()]
    cells = [SPACE.parse(recipe) for recipe in table["recepie"]]
    return SPACE.choices(cells), table["best_val_loss"].to_numpy(np.float64)


def features(x: IntArray) -> FloatArray:
    """Of rows (B, 52): how many nodes and edges of each kind the graph has, and how deep its states are.

    Kinds are labels, those of blends as one; depth counts operations, and linear ones by themselves.
    """
    graphs = SPACE.encode(x)
    names = [label.split()[0] for label in SPACE.node_types]
    kinds = sorted(set(names) - {NONE})
    is_kind = np.array([[name == kind for kind in kinds] for name in names], dtype=np.float64)
    one_hot = is_kind[graphs.types]  # (B, n, kinds)
    adjacency = to_adjacency(graphs.edges, SPACE.num_nodes)
    pairs = one_hot.transpose(0, 2, 1) @ adjacency @ one_hot  # (B, kinds, kinds)
    linear = one_hot[:, :, [kinds.index("linear_2"), kinds.index("linear_3")]].sum(2)
    depth, linears = np.zeros(linear.shape), np.zeros(linear.shape)
    for j in range(1, SPACE.num_nodes):
        into = adjacency[:, :j, j]
        depth[:, j] = np.where(into, depth[:, :j] + 1, 0).max(1)
        linears[:, j] = np.where(into, linears[:, :j], 0).max(1) + linear[:, j]
    parts = [one_hot.sum(1), pairs.reshape(len(x), -1), depth[:, -4:], linears[:, -4:]]
    return np.concatenate(parts, 1)


def regression(x: IntArray, loss: FloatArray) -> ExtraTreesRegressor:
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(300, max_features=0.3, random_state=0)
    return model.fit(features(x), loss)


def held_out() -> float:
    """Spearman correlation of losses and their predictions by models that did not see the cell (10 folds)."""
    from scipy.stats import spearmanr
    from sklearn.model_selection import GroupKFold

    x, loss = runs()
    predicted = np.empty(len(loss))
    for train, test in GroupKFold(_FOLDS).split(x, groups=SPACE.keys(x)):
        predicted[test] = regression(x[train], loss[train]).predict(features(x[test]))
    return float(spearmanr(predicted, loss)[0])


def load() -> Problem:
    x, loss = runs()
    model = regression(x, loss)

    def evaluate(rows: IntArray) -> Outcomes:
        return unconstrained(model.predict(features(rows)))

    data = f"nas-bench-nlp on wikitext-2, {len(x)} runs, scikit-learn {version('scikit-learn')}"
    return Problem("nbnlp", SPACE, evaluate, data, directions=("minimize",))


if __name__ == "__main__":
    print(f"{len(runs()[0])} runs; Spearman correlation with held-out losses: {held_out():.3f}")
