"""The kernel's features beside an implementation of its own: networkx graphs, labels as tuples, nothing hashed."""

from __future__ import annotations

from collections import Counter

import networkx as nx
import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces import EdgeCell, NodeCell, SearchSpace
from optuna_agnet.surrogate.kernel import featurize

SPACES = [
    spaces.nas_bench_201(),
    EdgeCell(nodes=3, ops=("conv", "pool", "none")),
    NodeCell(max_nodes=5, max_edges=6, ops=("conv", "pool")),
    spaces.darts(),
]


def live_graph(arch: Architecture) -> nx.DiGraph:
    """What lies on a way from the input to an output, and carries something."""
    graph = arch.to_networkx()
    graph.remove_nodes_from([i for i, op in enumerate(arch.nodes) if op == "none"])
    ends = [i for i in graph if arch.nodes[i] == "output"]
    forward = {0, *nx.descendants(graph, 0)}
    backward = set(ends).union(*(nx.ancestors(graph, end) for end in ends))
    return graph.subgraph(forward & backward)


def labels(arch: Architecture) -> Counter[object]:
    """Weisfeiler-Lehman labels of one round: a node's own, and with those of its predecessors and successors."""
    graph = live_graph(arch)
    own = dict(graph.nodes(data="op"))
    found: Counter[object] = Counter(own.values())
    for node, label in own.items():
        before, after = (
            tuple(sorted(own[other] for other in others(node)))
            for others in (graph.predecessors, graph.successors)
        )
        found[label, before, after] += 1
    return found


def tanimoto(a: Counter[object], b: Counter[object]) -> float:
    dot = sum(a[label] * b[label] for label in a)
    either = sum(n * n for n in a.values()) + sum(n * n for n in b.values()) - dot
    return dot / either if either else 1.0


def sampled(space: SearchSpace) -> IntArray:
    return np.unique(space.sample(24, np.random.default_rng(0)), axis=0)


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_similarities_equal_naive_ones(space: SearchSpace) -> None:
    """Pairs of which two labels share a bucket of the hash are left out."""
    x = sampled(space)
    counted = [labels(arch) for arch in space.architectures(x)]
    features = featurize(space, x)
    hamming, similar, _ = features.distances(features)
    compared = 0
    for i, a in enumerate(counted):
        for j, b in enumerate(counted):
            assert hamming[i, j] == pytest.approx((x[i] != x[j]).mean(), abs=1e-6)
            buckets = (features.counts[i] + features.counts[j]).count_nonzero()
            if buckets == len(a.keys() | b.keys()):
                compared += 1
                assert similar[i, j] == pytest.approx(tanimoto(a, b), abs=1e-6)
    assert compared > 0.1 * len(x) ** 2


def test_what_is_dead_is_not_counted() -> None:
    """The same cell with another operation where nothing arrives, or from where nothing goes on."""
    space = spaces.nas_bench_201()
    texts = [
        f"|none~0|+|nor_conv_3x3~0|{op}~1|+|none~0|{op}~1|avg_pool_3x3~2|"
        for op in ("skip_connect", "nor_conv_1x1", "none")
    ]
    x = space.choices([space.parse(text) for text in texts])
    features = featurize(space, x)
    assert (features.distances(features).tanimoto == 1).all()
    assert (features.counts == features.counts[0]).all()
