import numpy as np
import pytest
from optuna.distributions import FloatDistribution

from optuna_agnet.search.acquisition import (
    ExpectedImprovement,
    Prediction,
    expected_hypervolume_improvement,
    expected_improvement,
    expected_improvement_of_ends,
    probability_of_feasibility,
    unsettled,
)
from optuna_agnet.search.proposer import Proposer
from optuna_agnet.spaces import nas_bench_201
from optuna_agnet.spaces.hyperparameters import Hyperparameters

hypervolume = pytest.importorskip("optuna._hypervolume").compute_hypervolume


def test_expected_improvement_equals_its_integral():
    f = np.random.default_rng(0).normal(0.3, 0.7, 2_000_000)
    exact = expected_improvement(np.array([0.3]), np.array([0.7]), 0.5)[0]
    assert abs(exact - np.maximum(f - 0.5, 0).mean()) < 2e-3


@pytest.mark.parametrize("objectives", [2, 3])
def test_hypervolume_improvement_is_in_proportion_to_the_exact_one(objectives):
    rng = np.random.default_rng(objectives)
    front = rng.uniform(size=(6, objectives))
    mean = front.max(0) * rng.uniform(0.6, 1.4, size=(40, objectives))
    spread = np.ptp(front, axis=0)
    reference = front.min(0) - 0.1 * spread
    before = hypervolume(-front, -reference)
    exact = np.array(
        [
            hypervolume(-np.vstack([front, np.maximum(m, reference)]), -reference) - before
            for m in mean
        ]
    )
    estimate = expected_hypervolume_improvement(mean, np.full_like(mean, 1e-9), front)
    assert (exact > 0).sum() > 10
    assert np.corrcoef(exact, estimate)[0, 1] > 0.98


def test_one_objective_is_plain_expected_improvement():
    mean, std = np.array([[0.1], [0.5]]), np.array([[1.0], [0.2]])
    found = expected_hypervolume_improvement(mean, std, np.array([[0.0], [0.4]]))
    np.testing.assert_array_equal(found, expected_improvement(mean[:, 0], std[:, 0], 0.4))


def test_probability_equals_its_frequency():
    drawn = np.random.default_rng(0).normal(0.3, 0.7, 1_000_000)
    chance = probability_of_feasibility(np.array([[0.3 - 0.5]]), np.array([[0.7]]))
    assert abs(chance[0, 0] - (drawn >= 0.5).mean()) < 2e-3


def ranked(mean, margin, front, cautious=True):
    predicted = np.stack([mean, margin], 1)
    given = Prediction(predicted, np.ones_like(predicted), np.zeros(1), front)
    return ExpectedImprovement(cautious).order(given, np.random.default_rng(0)).tolist()


def test_probably_feasible_candidates_come_first_by_improvement_the_others_by_probability():
    mean, margin = np.array([5.0, 1.0, 2.0, 9.0]), np.array([-1.0, 0.1, 3.0, -0.1])
    assert ranked(mean, margin, np.array([[0.0]])) == [2, 1, 3, 0]


def test_boldly_a_large_improvement_makes_up_for_a_small_probability():
    mean, margin = np.array([5.0, 1.0, 2.0, 9.0]), np.array([-1.0, 0.1, 3.0, -0.1])
    assert ranked(mean, margin, np.array([[0.0]]), cautious=False) == [3, 2, 0, 1]


def test_a_search_is_cautious_about_every_other_time():
    mean, margin = np.array([5.0, 1.0, 2.0, 9.0]), np.array([-1.0, 0.1, 3.0, -0.1])
    predicted = np.stack([mean, margin], 1)
    given = Prediction(predicted, np.ones_like(predicted), np.zeros(1), np.array([[0.0]]))
    acquisition, rng = Proposer(nas_bench_201())._acquisition, np.random.default_rng(0)
    orders = [acquisition.order(given, rng).tolist() for _ in range(100)]
    assert 30 < orders.count([2, 1, 3, 0]) < 70  # cautiously
    assert orders.count([2, 1, 3, 0]) + orders.count([3, 2, 0, 1]) == 100


def test_while_nothing_is_feasible_only_the_probability_counts():
    mean, margin = np.array([5.0, 1.0, 2.0, 9.0]), np.array([-1.0, 0.1, 3.0, -0.1])
    assert ranked(mean, margin, np.empty((0, 1))) == [2, 1, 3, 0]
    assert ranked(-mean, margin, np.empty((0, 1))) == [2, 1, 3, 0]


def test_improvement_of_the_ends_is_what_each_objective_gains_beyond_its_best():
    """By more than 0.003 in worth."""
    mean, std, front = np.array([0.3, 0.9]), np.array([0.7, 0.2]), np.array([[0.5, 0], [0, 1]])
    worth = np.array([0.01, 0.02])
    drawn = np.random.default_rng(0).normal(mean, std, (1_000_000, 2))
    gained = np.maximum((drawn - front.max(0)) * worth - 0.003, 0).sum(1).mean()
    exact = expected_improvement_of_ends(mean[None], std[None], front, worth)
    assert abs(exact[0] / gained - 1) < 0.02


MIDDLE_OR_END = np.array([[0.8, 0.8], [0.1, 1.3], [-9.0, -9.0]]), np.array([[0, 1.0], [1.0, 0]])
"""Candidates, of which the first adds hypervolume and the second a new end, and a front."""


def turns(worth):
    """How often of 300 proposals each candidate comes first."""
    mean, front = MIDDLE_OR_END
    given = Prediction(mean, np.full_like(mean, 0.01), np.empty(0), front, worth)
    rng = np.random.default_rng(0)
    return np.bincount([ExpectedImprovement().order(given, rng)[0] for _ in range(300)])


def test_every_other_proposal_with_two_objectives_is_for_an_end_of_the_front():
    middle, end = turns(None)
    assert middle + end == 300
    assert 120 < end < 180


def test_an_end_where_nothing_is_to_be_gained_has_no_turns():
    assert turns(np.array([0.0, 0.0])).tolist() == [300]


def test_one_objective_draws_no_turns():
    rng, same = np.random.default_rng(0), np.random.default_rng(0)
    mean = np.array([[0.1], [0.5]])
    given = Prediction(mean, np.ones_like(mean), np.empty(0), np.array([[0.0]]), np.ones(1))
    ExpectedImprovement().order(given, rng)
    same.integers(2), same.integers(2**31)
    assert rng.integers(2**31) == same.integers(2**31)


def test_what_a_result_would_tell_is_the_share_of_its_deviation_that_is_not_noise_alone():
    std, noise = np.array([[0.5], [2.0], [1e-9]]), np.array([0.3])
    drawn = np.random.default_rng(0).normal(size=(2, 3, 200_000)) * [[[0.3]], [[1.0]]]
    drawn[1] *= std
    result = drawn.sum(0).std(1)  # of noise and value
    np.testing.assert_allclose(unsettled(std, noise), 1 - 0.3 / result, atol=0.01)
    assert unsettled(std, noise)[2] == 0
    assert unsettled(std, np.zeros(1)).tolist() == [1, 1, 1]


def test_of_several_objectives_the_one_that_is_known_least_counts():
    std, noise = np.array([[1.0, 1e-9, 9.0]]), np.array([0.5, 0.1, 0.0])
    assert unsettled(std[:, :2], noise) == unsettled(std[:, :1], noise)


@pytest.mark.parametrize(("augmented", "first"), [(True, 1), (False, 0)])
def test_a_settled_candidate_comes_after_one_with_half_its_improvement(augmented, first):
    mean, std, best = np.array([[1.0], [0.0]]), np.array([[0.05], [1.0]]), np.array([[0.8]])
    given = Prediction(mean, std, np.empty(0), best, noise=np.array([0.2]))
    order = ExpectedImprovement(augmented=augmented).order(given, np.random.default_rng(0))
    assert order[0] == first
    blind = Prediction(mean, std, np.empty(0), best)
    found = ExpectedImprovement(augmented=augmented).order(blind, np.random.default_rng(0))
    assert found[0] == 0


def test_searches_with_hyperparameters_augment_others_do_not():
    beside = Hyperparameters.of({"lr": FloatDistribution(0.0, 1.0)})
    assert Proposer(nas_bench_201(), hyperparameters=beside)._acquisition.augmented
    assert not Proposer(nas_bench_201())._acquisition.augmented
