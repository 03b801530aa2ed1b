"""Drawn problems of many decisions: values by a loop, the optimum by trying everything."""

import itertools

import numpy as np
import pytest

from benchmarks import problems
from benchmarks.problems.chains import PROBLEMS, Effects


def small(layers=4, choices=3, seed=0):
    rng = np.random.default_rng(seed)
    pairs = rng.normal(size=(layers - 1, choices, choices))
    return Effects(rng.normal(size=(layers, choices)), pairs)


def naive(effects, row, depth):
    own = sum(effects.own[layer, row[layer]] for layer in range(depth))
    return own + sum(effects.pairs[k, row[k], row[k + 1]] for k in range(depth - 1))


def test_values_are_sums_over_layers_and_pairs():
    effects = small()
    x = np.array(list(itertools.product(range(3), repeat=4)))
    np.testing.assert_allclose(effects.of(x), [naive(effects, row, 4) for row in x])
    depth = np.random.default_rng(0).integers(1, 5, size=len(x))
    active = np.arange(4) < depth[:, None]
    expected = [naive(effects, row, d) for row, d in zip(x, depth, strict=True)]
    np.testing.assert_allclose(effects.of(x, active), expected)


@pytest.mark.parametrize("depths", [[4], [2, 3], [1, 2, 3, 4]])
@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_is_the_best_of_all(depths, seed):
    effects = small(seed=seed)
    rows = list(itertools.product(range(3), repeat=4))
    best = max(naive(effects, row, depth) for row in rows for depth in depths)
    assert effects.best(depths) == pytest.approx(best)


@pytest.mark.parametrize("name", PROBLEMS)
def test_each_seed_has_a_problem_of_its_own_from_0_to_100(name):
    problem = problems.load(name)
    x = problem.space.sample(2000, np.random.default_rng(7))
    first, second, again = (problem.for_search(s).evaluate(x).values[:, 0] for s in (1, 2, 1))
    assert abs(np.median(first)) < 3
    assert first.max() < problem.optimum == 100
    assert (first != second).all()
    np.testing.assert_array_equal(first, again)


def test_layers_beyond_the_depth_count_nothing():
    problem = problems.load("blocks40").for_search(0)
    space = problem.space
    x = space.sample(50, np.random.default_rng(0))
    other = np.where(space.active(x), x, 1)  # what is not there may say anything
    found = [problem.evaluate(rows).values for rows in (x, other)]
    np.testing.assert_array_equal(*found)
