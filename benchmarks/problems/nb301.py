"""NAS-Bench-301 (Siems et al. 2020): both DARTS cells, validation accuracy of YAHPO Gym's surrogate (October 2021).

Rank correlation with NASLib's NAS-Bench-301 on 725 random cells: Spearman 0.905; it reads 1.3 points higher. It
over-rates cells of skip connections: all skip is 95.34, DARTS's published cells are 95.46. Look at what is found
(`skip_share`).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.problems.base import Outcomes, Problem, data_file, unconstrained
from optuna_agnet import spaces
from optuna_agnet.core.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SPACE = spaces.darts()
EPOCHS = 98
_PREFIX = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"
_INACTIVE = "#na#"
_NODES = range(2, 6)
_FIRST_EDGE = {2: 0, 3: 2, 4: 5, 5: 9}  # number of a node's first edge; one edge a possible source


def inputs(rows: IntArray) -> IntArray:
    """The surrogate's categorical inputs (B, 34) of rows (B, 24)."""
    codes = json.loads(data_file("nb301/yahpo_nb301_encoding.json").read_text())
    x = np.zeros((len(rows), 34), dtype=np.int32)  # 0 is an inactive edge
    for c, cell in enumerate(("normal", "reduce")):
        for node in _NODES:
            at = 12 * c + 3 * (node - 2)
            pair, *ops = SPACE.decisions[at : at + 3]
            sources = np.array([name.split("_") for name in pair.choices], dtype=np.int64)
            for k, decision in enumerate(ops):
                code = codes[f"{_PREFIX}edge_{cell}_0"]
                edge = _FIRST_EDGE[node] + sources[rows[:, at], k]
                of_op = np.array([code[op] for op in decision.choices])
                x[np.arange(len(rows)), 14 * c + edge] = of_op[rows[:, at + 1 + k]]
            if node > 2:
                code = codes[f"{_PREFIX}inputs_node_{cell}_{node}"]
                x[:, 28 + 3 * c + node - 3] = np.array([code[n] for n in pair.choices])[rows[:, at]]
    return x


def skip_share(rows: IntArray) -> float:
    """Share of skip connections among the operations of rows (B, 24)."""
    ops = np.delete(rows, np.arange(0, 24, 3), 1)
    return float((ops == SPACE.cells["normal"].ops.index("skip_connect")).mean())


@lru_cache
def _surrogate() -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(data_file("nb301/yahpo_nb301_oct2021.onnx")), options)


def accuracy(rows: IntArray, epochs: IntArray) -> FloatArray:
    """Validation accuracy (B, E) of rows (B, 24) after epochs (E,), 1 to 98; 0.1 ms each, as it takes one at a time."""
    after = [np.full((1, 1), epoch, dtype=np.float32) for epoch in epochs]
    found = [
        [_surrogate().run(None, {"x_cat": row[None], "x_cont": epoch})[0][0, 0] for epoch in after]
        for row in inputs(rows)
    ]
    return np.array(found, dtype=np.float64).reshape(len(rows), len(epochs))


def epochs(rows: IntArray) -> FloatArray:
    """Learning curves (B, 98) of rows (B, 24): validation accuracy after each epoch."""
    return accuracy(rows, np.arange(1, EPOCHS + 1))


def load() -> Problem:
    """The surrogate takes a row at a time: 0.1 ms."""
    _surrogate()  # missing data is noticed here

    def evaluate(rows: IntArray) -> Outcomes:
        return unconstrained(accuracy(rows, np.array([EPOCHS]))[:, 0])

    return Problem("nb301", SPACE, evaluate, "YAHPO Gym nb301, October 2021")
