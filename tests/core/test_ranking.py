import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from optuna_agnet.core.ranking import (
    RANKINGS,
    fronts,
    pareto_ranks,
    rank_weights,
    ranks,
    summed_ranks,
)

values = arrays(np.float64, st.integers(1, 40), elements=st.floats(-5, 5) | st.just(np.inf))


@given(values)
def test_ranks_count_what_is_strictly_better(y):
    np.testing.assert_array_equal(ranks(y), [(y > v).sum() for v in y])


def test_weights_of_sixteen_are_those_of_the_released_code():
    weights = rank_weights(np.arange(16.0), 0.01)  # docs/released_code.md, sec. 5, step 1
    np.testing.assert_allclose(weights[:3], [1 / 0.16, 1 / 1.16, 1 / 2.16])
    np.testing.assert_allclose(weights[:2].round(2), [6.25, 0.86])


@given(values, st.floats(0.001, 10))
def test_better_values_never_weigh_less(y, k):
    weights = rank_weights(ranks(y), k)
    order = np.argsort(-y, kind="stable")
    assert (np.diff(weights[order]) <= 1e-12).all()
    assert (weights > 0).all()


def test_infinite_k_weighs_all_alike():
    assert (rank_weights(np.arange(5.0), np.inf) == 1).all()


def mixed(seed, n=30, objectives=2):
    """Objectives and margins with ties, infeasible, unknown and infinite entries."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 6, size=(n, objectives)).astype(float)
    margins = np.round(rng.normal(0.5, 1, size=(n, 2)), 1)
    margins[rng.random(margins.shape) < 0.1] = np.nan
    y[0], margins[1, 0] = np.inf, -np.inf
    y[(margins < 0).any(1) & (rng.random(n) < 0.3)] = np.nan
    return y, margins


def dominated_by(y, i):
    return [j for j in range(len(y)) if (y[j] >= y[i]).all() and (y[j] > y[i]).any()]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_fronts_equal_peeling_by_definition(seed, objectives):
    y = np.random.default_rng(seed).integers(0, 6, size=(25, objectives)).astype(float)
    left, number, expected = set(range(25)), 0, np.zeros(25)
    while left:
        best = {i for i in left if not left & set(dominated_by(y, i))}
        for i in best:
            expected[i] = number
        left, number = left - best, number + 1
    np.testing.assert_array_equal(fronts(y), expected)


@pytest.mark.parametrize("ranking", RANKINGS.values())
@pytest.mark.parametrize("objectives", [1, 2])
def test_feasible_architectures_come_before_infeasible_ones(ranking, objectives):
    for seed in range(5):
        y, margins = mixed(seed, objectives=objectives)
        rank, infeasible = ranking(y, margins), (margins < 0).any(1)
        assert rank[~infeasible].max() < rank[infeasible].min()
        assert rank.min() == 0


def test_without_constraints_one_objective_is_ranked_by_its_value():
    y = np.random.default_rng(0).integers(0, 9, size=(40, 1)).astype(float)
    for ranking in RANKINGS.values():
        np.testing.assert_array_equal(ranking(y, np.empty((40, 0))), ranks(y[:, 0]))


def test_the_scale_of_a_constraint_does_not_matter():
    y, margins = mixed(0)
    np.testing.assert_array_equal(
        pareto_ranks(y, margins), pareto_ranks(y, margins * np.array([1000.0, 0.01]))
    )


def test_a_front_is_ranked_before_the_next_and_its_ends_first():
    y = np.array([[0.0, 4.0], [1.0, 3.9], [4.0, 0.0], [2.0, 2.0], [0.0, 0.0]])
    rank = pareto_ranks(y, np.empty((5, 0)))
    assert rank[4] == 4
    assert rank[0] == rank[2] == 0


def test_infeasible_ones_are_ranked_by_violation_and_unknown_ones_behind_known_ones():
    y = np.array([[1.0], [2.0], [3.0], [0.5]])
    margins = np.array([[np.nan], [-1.0], [-5.0], [2.0]])
    np.testing.assert_array_equal(pareto_ranks(y, margins), [1, 2, 3, 0])


def test_the_papers_penalty_multiplies_the_sum_of_ranks():
    y, margins = mixed(3)
    penalised = []
    for i in range(len(y)):
        total = 0
        for m in range(2):
            values = np.where(np.isnan(y[:, m]), -np.inf, y[:, m])
            total += 1 + (values > values[i]).sum()
        penalised.append(total * (1000 if (margins[i] < 0).any() else 1))
    np.testing.assert_array_equal(summed_ranks(y, margins), ranks(-np.array(penalised, float)))


def test_two_infinite_values_leave_distances_of_the_others():
    y = np.array([[np.inf, 0.0], [3.0, 1.0], [2.0, 2.0], [1.0, 9.0], [-np.inf, 10.0]])
    found = pareto_ranks(y, np.empty((5, 0)))
    assert sorted(found[[0, 4]]) == [0, 0]  # the ends
    assert found[3] < found[2]  # the loneliest of the others


def test_many_results_are_not_compared_all_at_once():
    y = np.random.default_rng(0).normal(size=(4000, 2))
    tracemalloc.start()
    try:
        pareto_ranks(y, np.empty((4000, 0)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4000**2 / 2  # bytes; one for each pair took 8 s


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ranking", RANKINGS.values(), ids=list(RANKINGS))
def test_the_largest_values_rank_like_small_ones(ranking):
    rng = np.random.default_rng(0)
    y, margins = rng.uniform(-1.9, 1.9, (30, 2)), rng.uniform(-1.9, 1.9, (30, 1))
    large = 2.0**1023  # a power of two rounds nothing
    np.testing.assert_array_equal(ranking(y * large, margins * large), ranking(y, margins))
