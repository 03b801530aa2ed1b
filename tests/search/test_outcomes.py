"""Which column is an objective and which a margin, and where feasible begins."""

from __future__ import annotations

import numpy as np

from optuna_agnet.search.outcomes import Outcomes

VALUES = np.array([[1.0, 2.0, 0.5, -0.5], [3.0, 4.0, 1.5, np.nan], [5.0, 6.0, 1.0, 2.0]])


def test_columns_are_objectives_and_then_margins() -> None:
    found = Outcomes(VALUES, np.array([1.0, -1.0]), ("a", "b"))
    np.testing.assert_array_equal(found.objectives, VALUES[:, :2])
    np.testing.assert_array_equal(found.margins, [[-0.5, 0.5], [0.5, np.nan], [0.0, 3.0]])
    assert found.feasible.tolist() == [False, True, True]
    assert found.kept.tolist() == [False, False, True]


def test_without_constraints_all_columns_are_objectives_and_all_is_kept() -> None:
    found = Outcomes(VALUES, np.empty(0))
    np.testing.assert_array_equal(found.objectives, VALUES)
    assert found.margins.shape == (3, 0)
    assert found.kept.all()


def test_predictions_have_the_same_columns_in_units_of_their_own() -> None:
    measured = Outcomes(VALUES, np.zeros(2), ("a", "b"))
    said = measured.predicted(VALUES[:2] + 10, np.array([10.0, 10.0, 10.0, 12.0]))
    assert said.names == ("a", "b")
    np.testing.assert_array_equal(said.feasibility_threshold, [10.0, 12.0])
    np.testing.assert_allclose(said.margins, [[0.5, -2.5], [1.5, np.nan]])
