"""What a search knows, as arrays."""

from __future__ import annotations

import numpy as np

from optuna_agnet import spaces
from optuna_agnet.core.ranking import RANKINGS
from optuna_agnet.search.observations import Failures, Observations, Pairs, Result


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


def test_failures_are_a_constraint_that_results_keep_and_failures_break() -> None:
    space = spaces.nas_bench_201()
    x = space.sample(5, np.random.default_rng(0))
    z = np.linspace(0.0, 1.0, 5)[:, None]
    results: list[Result] = [(row, (float(k),), {"ms": -1.0}) for k, row in enumerate(x[:3])]
    known = Observations.of(results, ("maximize",), x.shape[1], z[:3])
    both = known.with_failures(Failures(Pairs(x[3:], z[3:]), np.array([3, 3])))
    np.testing.assert_array_equal(both.pairs.x, x)
    np.testing.assert_array_equal(both.pairs.z, z)
    assert both.kept.tolist() == [True] * 3 + [False] * 2
    assert both.feasible.tolist() == both.kept.tolist()
    ranks = both.ranks(RANKINGS["pareto"])
    np.testing.assert_array_equal(ranks[:3], known.ranks(RANKINGS["pareto"]))
    assert (ranks[3:] >= 3).all()
    assert known.with_failures(Failures(Pairs(x[:0], z[:0]), np.arange(0))) is known
    mixed = known.with_failures(Failures(Pairs(x[3:], z[3:]), np.array([0, 2])))
    order = [3, 0, 1, 4, 2]
    np.testing.assert_array_equal(mixed.pairs.x, x[order])
    np.testing.assert_array_equal(mixed.pairs.z, z[order])
    assert mixed.kept.tolist() == [row < 3 for row in order]
    np.testing.assert_array_equal(mixed.y[[1, 2, 4]], known.y)
