"""What surrogates are fitted to: values of any size and any scale."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_agnet.surrogate.targets import normal_scores, unit_range, zero_in_unit_range, zero_score

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
