"""Trees: they rank what they have not seen, and unknown or infinite values are dealt with by column."""

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.search import AGNet, AGNetConfig
from optuna_agnet.search import config as config_module
from optuna_agnet.surrogate.base import Candidates

pytest.importorskip("xgboost")

from optuna_agnet.surrogate.xgboost import XGBoostSurrogate

SPACES = [spaces.nas_bench_201(), spaces.nas_bench_101()]


def data(space, n=160):
    x = np.unique(space.sample(n, np.random.default_rng(0)), axis=0)
    x = x[np.random.default_rng(1).permutation(len(x))]
    return x, (x == 1).sum(1) - 0.5 * (x[:, 0] == 0)


def fitted(space, x, y):
    trees = XGBoostSurrogate(space)
    trees.fit(x, y, rank=np.zeros(len(x)))
    return trees


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_it_ranks_unseen_architectures(space):
    x, y = data(space)
    mean, std = fitted(space, x[:100], y[:100, None]).predict(Candidates(x[100:]))
    ranks = np.argsort(np.argsort(mean[:, 0])), np.argsort(np.argsort(y[100:]))
    assert np.corrcoef(*ranks)[0, 1] > 0.5
    assert std.shape == mean.shape
    assert not std.any()


def test_features_are_the_graph_as_zeros_and_ones():
    space = SPACES[1]
    x, _ = data(space, 20)
    graphs = space.encode(x)
    for row, types, edges in zip(
        XGBoostSurrogate(space)._features(x), graphs.types, graphs.edges, strict=True
    ):
        nodes = [float(t == a) for t in types for a in range(len(space.node_types))]
        assert row.tolist() == nodes + [float(edge) for edge in edges]


def test_a_quantity_learns_from_the_rows_where_it_is_known():
    space = SPACES[0]
    x, y = data(space)
    some = np.where(np.arange(len(y)) % 3 == 0, y, np.nan)
    both = fitted(space, x, np.stack([y, some], 1))
    alone = fitted(space, x[::3], y[::3, None])
    mean = both.predict(Candidates(x))[0]
    np.testing.assert_array_equal(mean[:, 1], alone.predict(Candidates(x))[0][:, 0])
    np.testing.assert_array_equal(np.isnan(both.fitted), np.isnan(np.stack([y, some], 1)))


def test_infinite_equal_and_unknown_values():
    space = SPACES[0]
    x, y = data(space, 60)
    y = y.copy()
    y[0], y[1] = np.inf, -np.inf
    columns = np.stack([y, np.full(len(y), 3.0), np.full(len(y), np.nan)], 1)
    mean, _ = fitted(space, x, columns).predict(Candidates(x))
    assert np.isfinite(mean).all()
    assert mean[0, 0] > np.median(mean[:, 0]) > mean[1, 0]
    assert len(np.unique(mean[:, 1])) == len(np.unique(mean[:, 2])) == 1


def test_zero_lies_between_the_predictions_of_both_signs():
    space = SPACES[0]
    x, y = data(space)
    margins = y - np.median(y) - 0.01
    trees = fitted(space, x, margins[:, None])
    right = (trees.fitted[:, 0] > trees.feasibility_threshold[0]) == (margins > 0)
    assert right.mean() > 0.95


def test_a_search_with_trees_is_the_same_twice():
    config = AGNetConfig.paper(surrogate="xgboost", n_startup=6, samples_per_attempt=(100,))
    found = []
    for _ in range(2):
        search = AGNet(SPACES[0], seed=0, config=config)
        for _ in range(8):
            arch = search.ask()
            search.tell(arch, float(len(str(arch)) + str(arch).count("3x3")))
            found.append(arch)
    assert found[:8] == found[8:]


def test_a_missing_package_is_said_before_anything_is_evaluated(monkeypatch):
    monkeypatch.setattr(config_module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"optuna-agnet\[xgboost\]"):
        AGNetConfig(surrogate="xgboost", acquisition="mean")
