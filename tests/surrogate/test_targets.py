"""What surrogates are fitted to: values of any size and any scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from optuna_agnet.surrogate.targets import (
    BLEND,
    RANKS,
    VALUES,
    blended_scores,
    log_slope,
    normal_scores,
    standard_scores,
    unit_range,
    zero_in_unit_range,
    zero_score,
    zero_standard_score,
)

LARGEST = np.finfo(np.float64).max


def naive(values: list[float]) -> list[float]:
    """One column in [0, 1], in Python's own arithmetic."""
    low, high = min(values), max(values)
    return [(v - low) / (high - low) if high > low else 0.0 for v in values]


def test_columns_are_scaled_to_the_unit_range() -> None:
    y = np.random.default_rng(0).normal(size=(20, 3)) * [1, 100, 1e-6] + [0, 50, 3]
    found = unit_range(y)
    np.testing.assert_array_equal(found.T, [naive(column) for column in y.T.tolist()])
    zero = [-column.min() / (column.max() - column.min()) for column in y.T]
    np.testing.assert_array_equal(zero_in_unit_range(y), zero)


def test_equal_values_have_a_width_of_one() -> None:
    assert unit_range(np.full((3, 1), 7.0)).tolist() == [[0.0]] * 3
    assert zero_in_unit_range(np.full((3, 1), 7.0)).tolist() == [-7.0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("largest", [1e308, LARGEST])
def test_the_largest_values_do_not_overflow(largest: float) -> None:
    y = np.array([[-largest], [0.0], [largest], [np.inf], [np.nan]])
    np.testing.assert_allclose(unit_range(y)[:, 0], [0.0, 0.5, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(zero_in_unit_range(y), [0.5])
    assert np.isfinite(normal_scores(y[:4, 0])).all()
    assert np.isfinite(zero_score(y[:4, 0]))


@pytest.mark.parametrize("target", [RANKS, VALUES, BLEND])
def test_targets_keep_the_order_and_say_where_zero_lies(target):
    y = np.random.default_rng(0).normal(size=50)
    scores = target.scores(y)
    assert (np.argsort(scores) == np.argsort(y)).all()
    zero = target.zero(y)
    assert ((scores > zero) == (y > 0)).all()


def test_standard_scores_have_mean_0_and_deviation_1_whatever_the_scale():
    y = np.random.default_rng(0).exponential(size=30)
    for scaled in (y, 1e-300 * y, 1e307 * y - 1e306):
        scores = standard_scores(scaled)
        assert scores.mean() == pytest.approx(0, abs=1e-9)
        assert scores.std() == pytest.approx(1)
        np.testing.assert_allclose(scores, stats.zscore(y), atol=1e-9)


def test_infinite_values_count_as_the_nearest_finite_one():
    y = np.array([-np.inf, 1.0, 2.0, 4.0, np.inf])
    np.testing.assert_array_equal(standard_scores(y), standard_scores(np.clip(y, 1.0, 4.0)))
    assert standard_scores(np.array([np.inf, -np.inf])).tolist() == [0.0, 0.0]
    assert standard_scores(np.array([3.0, 3.0])).tolist() == [0.0, 0.0]
    assert zero_standard_score(np.array([3.0, 3.0])) == 0.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e6, 1e200, LARGEST])
def test_how_bad_a_ruined_result_is_changes_no_blended_score(size):
    y = np.random.default_rng(0).normal(size=30)
    scores = []
    for ruined in (-1e4, -size):
        y[[3, 8]] = ruined / 2, ruined
        scores.append(blended_scores(y))
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)


def naive_log_slope(targets, scores):
    rows, total = sorted(zip(scores, targets, strict=True)), 0.0
    n = len(rows)
    m = max(1, round(n**0.5 / 2))
    for k in range(n):
        low, high = max(k - m, 0), min(k + m, n - 1)
        apart = high - low
        least = 1e-3 * apart / n
        dt = max(rows[high][1] - rows[low][1], least)
        ds = max(rows[high][0] - rows[low][0], least)
        digamma = -np.euler_gamma + sum(1 / j for j in range(1, apart))
        total += np.log(dt / ds) + np.log(apart) - digamma
    return total


@pytest.mark.parametrize("n", [8, 33, 120])
def test_the_slope_is_that_of_a_loop_over_spacings(n):
    y = np.random.default_rng(n).gamma(2.0, size=n)
    scores = normal_scores(y)
    targets = standard_scores(y)
    assert log_slope(targets, scores) == pytest.approx(naive_log_slope(targets, scores))


def test_the_slope_tells_the_likelihoods_of_two_views_of_the_same_values_apart():
    """Log-normal values: their own density and that of their normal scores differ by the slope, but for the ends."""
    y = np.exp(np.random.default_rng(0).normal(size=2000))
    scores = normal_scores(y)
    exact = (stats.norm.logpdf(scores) - stats.lognorm.logpdf(y, 1)).mean()
    assert log_slope(y, scores) / 2000 == pytest.approx(exact, abs=0.05)


def test_equal_values_have_a_finite_slope():
    y = np.array([0.0] * 10 + [1.0] * 10)
    assert np.isfinite(log_slope(standard_scores(y), normal_scores(y)))
