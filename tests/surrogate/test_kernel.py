"""The kernel's features beside an implementation of its own: networkx graphs, labels as tuples, nothing hashed."""

from __future__ import annotations

from collections import Counter

import networkx as nx
import numpy as np
import pytest
import torch

from optuna_agnet import spaces
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.spaces import EdgeCell, NodeCell, SearchSpace
from optuna_agnet.surrogate import kernel
from optuna_agnet.surrogate.kernel import Features, Featurizer, featurize

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


def same(some: Features, others: Features) -> bool:
    return all(
        torch.equal(getattr(some, name), getattr(others, name))
        for name in ("one_hot", "counts", "z")
    )


@pytest.mark.parametrize(("most", "expected"), [(3, [3, 1, 0, 2, 3]), (8_000, [3, 1, 0, 1])])
def test_remembered_features_are_those_that_would_be_made(
    monkeypatch: pytest.MonkeyPatch, most: int, expected: list[int]
) -> None:
    space, made = spaces.nas_bench_201(), list[int]()
    x, featurizer = sampled(space)[:8], Featurizer(space)
    batches = [x[rows] for rows in ([0, 1, 2], [2, 0, 5, 5], [], [7, 1], [0, 2, 5, 7])]
    anew = [featurize(space, batch) for batch in batches]
    encode = type(space).encode_dense

    def counted(space: EdgeCell, x: IntArray) -> tuple[IntArray, BoolArray]:
        made.append(len(x))
        return encode(space, x)

    monkeypatch.setattr(kernel, "_MOST_KNOWN", most)
    monkeypatch.setattr(type(space), "encode_dense", counted)
    assert all(same(featurizer(batch), found) for batch, found in zip(batches, anew, strict=True))
    assert made == expected


def test_pairs_that_repeat_architectures_are_as_far_apart_as_these() -> None:
    """Distances are measured between different architectures; every pair gets those of its own."""
    space, rng = spaces.nas_bench_201(), np.random.default_rng(0)
    rows, others = rng.integers(6, size=20), rng.integers(12, size=33)
    x, z, unordered = sampled(space), rng.random((12, 2)), np.zeros(2, dtype=bool)
    featurizer = Featurizer(space, unordered)
    known, among = featurizer.compared(x[rows], z[rows])
    assert len(known.one_hot) == len(set(rows.tolist())) < len(known.z)
    expected = featurize(space, x[rows])
    for found, of_pair in zip(among[:2], expected.distances(expected)[:2], strict=True):
        assert torch.equal(found, of_pair)
    features, apart = featurizer.compared(x[others], z[others], known)
    for found, of_pair in zip(
        apart[:2], expected.distances(featurize(space, x[others])), strict=False
    ):
        assert torch.equal(found, of_pair)
    gaps = np.abs(z[rows].T[:, :, None] - z[others].T[:, None])
    np.testing.assert_array_equal(apart.gaps.numpy(), gaps)
    both = known.with_more(features)
    whole = featurize(space, np.concatenate([x[rows], x[others]]))
    for found, of_pair in zip(both.distances(both)[:2], whole.distances(whole)[:2], strict=True):
        assert torch.equal(found, of_pair)
