"""What a search knows, as arrays."""

from __future__ import annotations

import numpy as np

from optuna_agnet.search.observations import Observations


def observed() -> Observations:
    x = np.arange(6).reshape(3, 2)
    constraints = np.array([[1.0, -1.0], [-1.0, np.nan], [-2.0, 0.0]])
    return Observations(x, np.zeros((3, 1)), constraints, ("a", "b"))


def test_constraints_are_matched_by_name() -> None:
    found = observed().with_constraints(("b", "c", "a"))
    assert found.names == ("b", "c", "a")
    np.testing.assert_array_equal(found.constraints[:, [2, 0]], observed().constraints)
    assert np.isnan(found.constraints[:, 1]).all()


def test_feasible_breaks_nothing_that_is_known_and_kept_knows_all() -> None:
    assert observed().feasible.tolist() == [False, True, True]
    assert observed().kept.tolist() == [False, False, True]
