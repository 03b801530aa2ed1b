"""Mutants and crossovers against a loop over rows and decisions, and what they must fulfil as candidates."""

from typing import ClassVar

import numpy as np
import pytest

from optuna_agnet import AGNet, spaces
from optuna_agnet.search.candidates import CandidateRequest, Filter
from optuna_agnet.search.mutants import MutantSource, crossovers, mutants

CHAIN = spaces.Chain([("a", "b", "c", "d")] * 6)
BLOCKS = spaces.Network(
    width=(16, 32),
    blocks=spaces.Repeat(
        spaces.Network(op=("a", "b", "c"), kind=spaces.OneOf(x=("p", "q", "r"), y=("s", "t"))), 1, 4
    ),
)
SPACES = [CHAIN, BLOCKS, spaces.nas_bench_101(), spaces.darts()]


def naive_mutants(space, parents, n, rng):
    """The same from the same random numbers, one decision after the other."""
    of = rng.integers(len(parents), size=n)
    luck = rng.random((n, len(space.decisions)))
    counts = rng.choice((1, 2, 4), size=(n, 1))[:, 0]
    steps = rng.random(luck.shape)
    filled, made = space.filled(parents[of]), []
    for row in range(n):
        parent = parents[[of[row]]]
        exists, child = space.active(parent)[0], filled[row].copy()
        free = [c for c, d in enumerate(space.decisions) if exists[c] and len(d.choices) > 1]
        for column in sorted(free, key=lambda c: luck[row, c])[: counts[row]]:
            others = [k for k in range(len(space.decisions[column].choices)) if k != child[column]]
            after = [k for k in others if k > child[column]] + [
                k for k in others if k < child[column]
            ]
            child[column] = after[int(steps[row, column] * len(others))]
        made.append(child)
    return np.array(made)


def naive_crossovers(space, parents, n, rng):
    size = len(space.decisions)
    pairs = rng.integers(len(parents), size=(2, n))
    ends = rng.integers(size + 1, size=(n, 2))
    luck, share = rng.random((n, size)), rng.random((n, 1))
    filled = space.filled(parents)
    children = []
    for row in range(n):
        first, second = filled[pairs[0, row]], filled[pairs[1, row]]
        if row % 2:
            taken = [luck[row, c] < share[row, 0] for c in range(size)]
        else:
            taken = [min(ends[row]) <= c < max(ends[row]) for c in range(size)]
        children.append([first[c] if taken[c] else second[c] for c in range(size)])
    return np.array(children)


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
@pytest.mark.parametrize(
    ("fast", "naive"), [(mutants, naive_mutants), (crossovers, naive_crossovers)]
)
def test_a_batch_is_what_a_loop_makes(space, fast, naive):
    parents = space.sample(5, np.random.default_rng(0))
    found = fast(space, parents, 200, np.random.default_rng(1))
    np.testing.assert_array_equal(found, naive(space, parents, 200, np.random.default_rng(1)))


def test_a_mutant_differs_from_its_parent_in_one_two_or_four_decisions_equally_often():
    parents = CHAIN.sample(1, np.random.default_rng(0))
    x = mutants(CHAIN, parents, 3000, np.random.default_rng(1))
    changes, counts = np.unique((x != parents).sum(1), return_counts=True)
    assert changes.tolist() == [1, 2, 4]
    assert counts.min() > 900
    columns = (x != parents).sum(0)
    assert columns.min() > 0.85 * columns.mean()


def test_every_choice_of_a_child_is_one_of_its_parents():
    parents = CHAIN.sample(4, np.random.default_rng(0))
    x = crossovers(CHAIN, parents, 300, np.random.default_rng(1))
    assert all(row[c] in parents[:, c] for row in x for c in range(6))
    assert len(np.unique(x, axis=0)) > 50


def request(space, incumbents, fixed=None, size=64, seed=0):
    allowed = Filter(space, "graph", frozenset(), fixed or {}).without(incumbents)
    return CandidateRequest(None, incumbents, size, allowed, np.random.default_rng(seed))


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_candidates_are_new_valid_and_repaired(space):
    asked = request(space, space.sample(20, np.random.default_rng(0)))
    x = MutantSource().candidates(asked).x
    assert 0 < len(x) <= 64
    np.testing.assert_array_equal(space.repair(x), x)
    assert space.is_valid(x).all()
    assert len(asked.allowed.new(x)) == len(x)


def test_fixed_decisions_stay():
    fixed = {"layer_2": "d"}
    asked = request(CHAIN, CHAIN.sample(20, np.random.default_rng(0)), fixed)
    assert set(MutantSource().candidates(asked).x[:, 2]) == {3}


def test_refinements_breed_from_what_the_acquisition_likes_and_repeat_nothing():
    asked = request(CHAIN, CHAIN.sample(20, np.random.default_rng(0)))
    first = MutantSource().candidates(asked).x
    again = asked.around(first)
    assert again.size == 16
    np.testing.assert_array_equal(again.incumbents, first)
    assert len(again.allowed.new(np.concatenate([first, asked.incumbents]))) == 0
    more = MutantSource().candidates(again).x
    rows = {row.tobytes() for row in np.concatenate([first, more])}
    assert len(rows) == len(first) + len(more)


def test_a_search_asks_so_many_times_again_and_proposes_the_best_of_all():
    class Counted(MutantSource):
        sizes: ClassVar[list] = []

        def candidates(self, request):
            self.sizes.append((request.size, request.incumbents[0].tolist()))
            return super().candidates(request)

    search = AGNet(CHAIN, seed=0, candidate_sources=[Counted(refinements=2)])
    for _ in range(17):
        arch = search.ask()
        search.tell(arch, str(arch).count("a"))
    assert [size for size, _ in Counted.sizes] == [512, 128, 128]
    assert Counted.sizes[1][1] != Counted.sizes[0][1]


def test_where_nothing_is_new_there_are_none():
    space = spaces.Chain([("a", "b")] * 2)
    assert MutantSource().candidates(request(space, space.enumerate())) is None


def test_a_search_among_many_decisions_trains_no_generator_and_beats_random():
    rng = np.random.default_rng(0)
    space, worth = spaces.Chain([tuple("abcdef")] * 40), rng.normal(size=(40, 6))
    search = AGNet(space, seed=0)
    for _ in range(40):
        arch = search.ask()
        search.tell(arch, worth[np.arange(40), space.choices([arch])[0]].sum())
    drawn = worth[np.arange(40), space.sample(2000, rng)].sum(1)
    assert search.best[1][0] > drawn.max()
    assert search.model.generator is None
