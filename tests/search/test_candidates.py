"""What a candidate must fulfil."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.search.candidates import (
    CandidateRequest,
    CheckedSource,
    Filter,
    neighbor_pool,
    random_pool,
)
from optuna_agnet.spaces import Network, SearchSpace, ordered
from optuna_agnet.surrogate.base import Candidates

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


def test_keys_are_made_once_an_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    keys = type(SPACE).keys

    def counted(space: SearchSpace, x: IntArray) -> object:
        asked.append(len(x))
        return keys(space, x)

    monkeypatch.setattr(type(SPACE), "keys", counted)
    every = SPACE.enumerate()
    assert every is not None
    free = Filter(SPACE, "graph", frozenset(), {})
    assert free.keys(every[[0, 1, 0]]) == keys(SPACE, every[[0, 1, 0]]).tolist()
    taken = free.without(every[:3], every[:0])
    assert taken.keys(every[::-1]) == keys(SPACE, every[::-1]).tolist()
    assert taken.new(every).tolist() == Filter(SPACE, "graph", taken.taken, {}).new(every).tolist()
    assert asked == [2, 1, 5, 8], "the last one remembers nothing of the others"


def test_fixed_decisions_are_kept_in_every_candidate() -> None:
    fixed = Filter(SPACE, "encoding", frozenset(), {"op_0_2": "none"})
    x = random_pool(4, fixed, np.random.default_rng(0))
    assert (x[:, 1] == SPACE.ops.index("none")).all()
    assert len(x) == len(np.unique(x, axis=0)) > 1


def free(space: SearchSpace) -> Filter:
    return Filter(space, "encoding", frozenset(), {})


def test_the_nearest_neighbors_come_first_where_choices_have_an_order() -> None:
    space = Network(
        width=ordered(*range(1, 31)), depth=ordered(*range(1, 31)), act=("relu", "gelu", "silu")
    )
    parent = space.choices([space.from_values({"width": 15, "depth": 3, "act": "relu"})])
    pools = [neighbor_pool(parent, 9, free(space), np.random.default_rng(s)) for s in range(20)]
    for x in pools:
        found = [space.values(arch) for arch in space.architectures(x)]
        steps = [abs(v["width"] - 15) + abs(v["depth"] - 3) + (v["act"] != "relu") for v in found]
        assert steps == [1] * 6 + [2] * 3
    tails = {frozenset(row.tobytes() for row in x[6:]) for x in pools}
    assert len(tails) == 4  # three of four that are as near


def test_neighbors_are_at_random_where_no_choice_has_an_order() -> None:
    space = spaces.nas_bench_201()
    parents = space.sample(3, np.random.default_rng(0))

    def naive(rng: np.random.Generator) -> IntArray:
        near = space.neighbors(parents)
        return rng.permutation(near[free(space).new(near)])[:20]

    for seed in range(5):
        found = neighbor_pool(parents, 20, free(space), np.random.default_rng(seed))
        np.testing.assert_array_equal(found, naive(np.random.default_rng(seed)))


class Fixed:
    """Always the same answer."""

    name = "fixed"
    uses_generator = False

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def candidates(self, request: CandidateRequest) -> Candidates | None:
        return self.answer  # type: ignore[return-value]


def asked(answer: object, allowed: Filter) -> Candidates | None:
    nothing = np.empty((0, len(allowed.space.decisions)), dtype=np.int64)
    request = CandidateRequest(None, nothing, 100, allowed, np.random.default_rng(0))
    return CheckedSource(Fixed(answer)).candidates(request)


@pytest.mark.parametrize("dedup", ["graph", "encoding"])
def test_what_a_source_gives_counts_by_the_architectures_that_it_stands_for(dedup: str) -> None:
    space = spaces.nas_bench_101()
    rng = np.random.default_rng(0)
    x = rng.integers(0, space.num_choices, size=(40, len(space.decisions)))
    repaired = space.repair(x)
    assert (x != repaired).any()
    allowed = Filter(space, dedup, frozenset(), {}).without(repaired[:5])
    found = asked(Candidates(x), allowed)
    assert found is not None
    np.testing.assert_array_equal(found.x, repaired[allowed.new(repaired)])
    again = asked(Candidates(found.x), allowed)
    assert again is not None
    np.testing.assert_array_equal(again.x, found.x)


@pytest.mark.parametrize("answer", [None, Candidates(np.empty((0, 3), dtype=np.int64))])
def test_a_source_without_candidates_gives_none(answer: object) -> None:
    assert asked(answer, free(SPACE)) is None
    every = SPACE.enumerate()
    assert every is not None
    assert asked(Candidates(every), free(SPACE).without(every)) is None


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (np.zeros((2, 3), dtype=np.int64), TypeError, r"'fixed' gave ndarray.*Candidates\(x\)"),
        (Candidates(np.zeros((2, 4), dtype=np.int64)), ValueError, r"shape \(2, 4\).*\(B, 3\)"),
        (Candidates(np.zeros(3, dtype=np.int64)), ValueError, r"shape \(3,\)"),
        (Candidates(np.zeros((2, 3))), ValueError, "type float64"),  # type: ignore[arg-type]
        (Candidates(np.full((1, 3), 2)), ValueError, r"num_choices, which is \[2, 2, 2\]"),
        (Candidates(np.full((1, 3), -1)), ValueError, "0 <= x"),
    ],
)
def test_what_is_no_batch_of_the_space_names_the_source(
    answer: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        asked(answer, free(SPACE))
