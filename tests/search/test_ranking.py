import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from optuna_agnet.search.ranking import rank_weights, ranks

values = arrays(np.float64, st.integers(1, 40), elements=st.floats(-5, 5) | st.just(np.inf))


@given(values)
def test_ranks_count_what_is_strictly_better(y):
    np.testing.assert_array_equal(ranks(y), [(y > v).sum() for v in y])


def test_weights_of_sixteen_are_those_of_the_released_code():
    weights = rank_weights(np.arange(16.0), 0.01)  # RELEASED_CODE sec. 5, step 1
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
