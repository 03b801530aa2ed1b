"""NAS-Bench-NLP (Klyuchnikov et al. 2020): validation loss on WikiText-2 of cells with at most 12 nodes.

The 14,322 runs on Penn Treebank are not at hand: a random forest on the 337 runs of WikiText-2 that fit and ended with
a loss (258 different cells) stands for the benchmark. That is little: ``python -m benchmarks.nbnlp_surrogate`` prints
its rank correlation on cells that it did not see. No prediction is better than the best run, and what wins here need
not win there. The doc2vec vectors beside the runs are of no use: they can't be computed for new cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.problems.base import Outcomes, Problem, data_file, unconstrained
from optuna_agnet import spaces
from optuna_agnet.core.architecture import NONE
from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.spaces.graphs import to_adjacency
from optuna_agnet.spaces.recurrent_repair import FIRST_NODE, STATES

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

SPACE = spaces.nas_bench_nlp(12)


def runs() -> tuple[IntArray, FloatArray]:
    """Cells as rows (N, 52) and their best validation losses (N,), in nats a word."""
    import pandas as pd

    table = pd.read_csv(data_file("nbnlp/nbnlp_wikitext2.csv.gz"))
    table = table[(table["n_nodes"] <= SPACE.max_nodes) & table["best_val_loss"].notna()]
    cells = [SPACE.parse(recipe) for recipe in table["recepie"]]
    return SPACE.choices(cells), table["best_val_loss"].to_numpy(np.float64)


def features(x: IntArray) -> FloatArray:
    """Of rows (B, 52): how many nodes and edges of each kind the graph has, and which sources reach which new states.

    Kinds are labels, those of blends as one. A source may reach a state in any way, or past linear nodes only: a state
    that hands itself on without one keeps what it holds.
    """
    graphs = SPACE.encode(x)
    names = np.array([label.split()[0] for label in SPACE.node_types])
    kinds = sorted(set(names) - {NONE})
    one_hot = (names[:, None] == kinds)[graphs.types].astype(np.float64)  # (B, n, kinds)
    adjacency = to_adjacency(graphs.edges, SPACE.num_nodes)
    pairs = one_hot.transpose(0, 2, 1) @ adjacency @ one_hot  # (B, kinds, kinds)
    linear = np.isin(names, ["linear_2", "linear_3"])[graphs.types]
    absent = (names == NONE)[graphs.types[:, 1:FIRST_NODE]]
    reached = [
        _reached(adjacency, passed) & ~absent[:, :, None]
        for passed in (np.ones_like(linear), ~linear)
    ]
    parts = [one_hot.sum(1), *(part.reshape(len(x), -1) for part in (pairs, *reached))]
    return np.concatenate(parts, 1)


def _reached(adjacency: BoolArray, passed: BoolArray) -> BoolArray:
    """Which states (B, STATES, FIRST_NODE) a source reaches on edges (B, n, n) through nodes (B, n) that let pass."""
    reached = np.zeros((*passed.shape, FIRST_NODE), dtype=bool)
    reached[:, np.arange(FIRST_NODE), np.arange(FIRST_NODE)] = True
    for j in range(FIRST_NODE, passed.shape[1]):
        sources = (adjacency[:, :j, j, None] & reached[:, :j]).any(1)
        reached[:, j] = sources & passed[:, j, None]
    return reached[:, -1 - STATES : -1]


@dataclass(frozen=True)
class Regression:
    """A forest that predicts the share of runs with a lower loss; ``losses`` are those runs'."""

    forest: RandomForestRegressor
    losses: FloatArray

    @classmethod
    def fit(cls, x: IntArray, losses: FloatArray) -> Regression:
        """Cells (N, 52) and their losses (N,)."""
        from scipy.stats import rankdata
        from sklearn.ensemble import RandomForestRegressor

        shares = (rankdata(losses) - 1) / (len(losses) - 1)
        forest = RandomForestRegressor(100, max_features=0.3, random_state=0)
        return cls(forest.fit(features(x), shares), losses)

    def predict(self, x: IntArray) -> FloatArray:
        """Losses (B,) of cells (B, 52)."""
        return np.asarray(np.quantile(self.losses, self.forest.predict(features(x))))


def load() -> Problem:
    x, losses = runs()
    model = Regression.fit(x, losses)

    def evaluate(rows: IntArray) -> Outcomes:
        return unconstrained(model.predict(rows))

    fitted = f"random forest of scikit-learn {version('scikit-learn')}"
    data = f"nas-bench-nlp on wikitext-2, {len(x)} runs, {fitted}"
    return Problem("nbnlp", SPACE, evaluate, data, directions=("minimize",))
