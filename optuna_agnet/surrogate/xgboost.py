"""Gradient boosted trees on true encodings: the paper's other surrogate (sec. 3.1 and C.1; Chen and Guestrin 2016).

Settings as released (docs/released_code.md, sec. 6): depth 6, rate 0.3, 500 rounds, fitted anew each time. The release
standardises targets; here they lie in [0, 1] as the MLP's do, which only shifts and scales what the trees predict.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.targets import unit_range, zero_in_unit_range

_PARAMETERS = {"max_depth": 6, "eta": 0.3, "base_score": 0.5, "nthread": 1, "verbosity": 0}
_ROUNDS = 500


class XGBoostSurrogate:
    """One ensemble of trees a outcome; it has no uncertainty.

    Args:
        space: Whose decisions it reads, as the graph's 0/1 vector: one-hot nodes, then edges (sec. A of the paper).

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> x = space.sample(40, np.random.default_rng(0))
        >>> y = (x == 3).sum(1).astype(float)
        >>> trees = XGBoostSurrogate(space)
        >>> trees.fit(x[:30], y[:30, None], rank=-y[:30])
        >>> trees.predict(Candidates(x[30:]))[0].shape
        (10, 1)
    """

    feasibility_threshold: FloatArray
    fitted: FloatArray

    def __init__(self, space: SearchSpace) -> None:
        self.space = space

    def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None:
        """Learn from decisions (N, D) and values (N, K), as `Surrogate.fit`; it keeps all of them."""
        features = self._features(x)
        self.feasibility_threshold = zero_in_unit_range(y)
        known = ~np.isnan(y)
        columns = zip(unit_range(y).T, known.T, strict=True)
        self._boosters = [_trees(features, targets, weights) for targets, weights in columns]
        self.fitted = np.where(known, self._means(features), np.nan)

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """Predictions and, as it has no uncertainty, zeros."""
        mean = self._means(self._features(candidates.x))
        return mean, np.zeros_like(mean)

    def condition_on_pending(self, x: IntArray) -> None:
        """Nothing: it does not know what is being evaluated."""

    def _means(self, features: npt.NDArray[np.float32]) -> FloatArray:
        means = [booster.inplace_predict(features) for booster in self._boosters]
        return np.stack(means, 1).astype(np.float64)

    def _features(self, x: IntArray) -> npt.NDArray[np.float32]:
        graphs = self.space.encode(x)
        one_hot = graphs.types[..., None] == np.arange(len(self.space.node_types))  # (N, n, A)
        flat = np.concatenate([one_hot.reshape(len(x), -1), graphs.edges], 1)
        return flat.astype(np.float32)


def _trees(features: npt.NDArray[np.float32], targets: FloatArray, known: BoolArray) -> Any:
    import xgboost  # an extra of the package

    data = xgboost.DMatrix(features, targets, weight=known, nthread=1)  # unknown ones weigh nothing
    return xgboost.train(_PARAMETERS, data, _ROUNDS)
