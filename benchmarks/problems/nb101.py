"""NAS-Bench-101 (Ying et al. 2019), CIFAR-10, 108 epochs: validation accuracy in per cent, of one training run a cell.

30,001 of its 423,624 cells are known; for the others an XGBoost regression of the logarithm of the error stands in, as
in NAS-Bench-301. ``python -m benchmarks.nb101_surrogate`` prints how well it ranks cells that it was not fitted on.
Isomorphic cells are one row here: the space's repaired form is canonical. Test accuracies are not known.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.problems.base import Outcomes, Problem, data_file, unconstrained
from optuna_agnet import spaces
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.spaces.graphs import edge_endpoints, to_adjacency

if TYPE_CHECKING:
    from xgboost import XGBRegressor

SPACE = spaces.nas_bench_101()
NODES = SPACE.num_nodes
_CODES = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")  # of the files' label_code
_COLUMNS = ("n_vertices", "edge_bits", "label_code")


def rows(vertices: IntArray, bits: IntArray, code: IntArray) -> IntArray:
    """Repaired rows (B, 26) of cells in the data folder's format, each argument (B,)."""
    inner = np.arange(1, NODES - 1)
    place = vertices[:, None] - 2 - inner  # the first inner vertex is the most significant digit
    digits = np.where(place < 0, 0, code[:, None] // 3 ** np.maximum(place, 0) % 3)
    sources, targets = edge_endpoints(NODES)
    adjacency = to_adjacency((bits[:, None] >> np.arange(len(sources)) & 1).astype(bool), NODES)
    each, last = np.arange(len(vertices)), vertices - 1
    into_output = adjacency[each, :, last]
    adjacency[each, :, last] = False
    adjacency[:, :, -1] |= into_output  # in the space the output is always the last node
    ops = np.array([SPACE.ops.index(name) for name in _CODES])[digits]
    return SPACE.repair(np.concatenate([ops, adjacency[:, sources, targets]], 1).astype(np.int64))


@lru_cache
def known() -> tuple[IntArray, FloatArray]:
    """The known cells as rows (30001, 26), and their accuracies."""
    import pandas as pd

    table = pd.read_csv(data_file("nb101/nb101_acc_30001.csv.gz"))
    x = rows(*(table[name].to_numpy(np.int64) for name in _COLUMNS))
    return x, 100 * table["val_acc_108ep"].to_numpy()


def all_rows() -> IntArray:
    """Every cell as a row (423624, 26)."""
    with np.load(data_file("nb101/nb101_space.npz")) as file:
        return rows(*(file[name].astype(np.int64) for name in _COLUMNS))


def features(x: IntArray) -> FloatArray:
    """What the regression sees of rows (B, 26): operations, edges, counts, degrees and depths."""
    graphs = SPACE.encode(x)
    one_hot = graphs.types[:, 1:-1, None] == np.arange(2, 2 + len(SPACE.ops))
    adjacency = to_adjacency(graphs.edges, NODES)
    depth = np.zeros((len(x), NODES))
    for j in range(1, NODES):
        depth[:, j] = np.where(adjacency[:, :j, j], depth[:, :j] + 1, 0).max(1)
    parts = [
        one_hot.reshape(len(x), -1),
        graphs.edges,
        one_hot.sum(1),
        graphs.edges.sum(1, keepdims=True),
        adjacency.sum(1),
        adjacency.sum(2),
        depth,
    ]
    return np.concatenate(parts, 1).astype(np.float64)


def regression(x: IntArray, accuracy: FloatArray) -> XGBRegressor:
    from xgboost import XGBRegressor

    model = XGBRegressor(
        n_estimators=1000,
        max_depth=8,
        learning_rate=0.03,
        subsample=0.8,
        colsample_bytree=0.5,
        n_jobs=1,
        random_state=0,
    )
    model.fit(features(x), np.log(100 - accuracy))
    return model


def predict(model: XGBRegressor, x: IntArray) -> FloatArray:
    """Accuracies (B,) of rows (B, 26)."""
    error = np.exp(model.predict(features(x)).astype(np.float64))
    return np.asarray(100 - error)


def load() -> Problem:
    x, accuracy = known()
    model = regression(x, accuracy)
    keys = SPACE.keys(x)
    order = np.argsort(keys)
    keys, by_key = keys[order], accuracy[order]

    def evaluate(rows: IntArray) -> Outcomes:
        wanted = SPACE.keys(rows)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return unconstrained(np.where(keys[at] == wanted, by_key[at], predict(model, rows)))

    return Problem(
        "nb101",
        SPACE,
        evaluate,
        f"nas-bench-101, {len(x)} cells, xgboost {version('xgboost')}",
        optimum=float(accuracy.max()),  # no prediction is larger: see benchmarks.nb101_surrogate
        num_rows=423_624,
    )
