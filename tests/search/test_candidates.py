"""What a candidate must fulfil."""

from __future__ import annotations

import numpy as np

from optuna_agnet import spaces
from optuna_agnet.search.candidates import Filter, random_pool

SPACE = spaces.EdgeCell(nodes=3, ops=("a", "none"))  # 8 cells, 4 graphs


def test_new_ones_are_the_first_of_their_kind() -> None:
    every = SPACE.enumerate()
    assert every is not None
    x = np.concatenate([every, every[::-1]])
    by_row = Filter(SPACE, "encoding", frozenset(), {})
    np.testing.assert_array_equal(by_row.new(x), np.arange(8))
    by_graph = Filter(SPACE, "graph", frozenset(), {})
    keys = SPACE.keys(x).tolist()
    assert by_graph.new(x).tolist() == [k for k, key in enumerate(keys) if key not in keys[:k]]
    assert len(by_graph.without(every[:3]).new(x)) == 4 - len(set(SPACE.keys(every[:3]).tolist()))


def test_fixed_decisions_are_kept_in_every_candidate() -> None:
    fixed = Filter(SPACE, "encoding", frozenset(), {"op_0_2": "none"})
    x = random_pool(4, fixed, np.random.default_rng(0))
    assert (x[:, 1] == SPACE.ops.index("none")).all()
    assert len(x) == len(np.unique(x, axis=0)) > 1
