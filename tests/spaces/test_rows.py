"""Rows of decisions, compared with decisions that are taken one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_agnet.spaces import Network, OneOf, SearchSpace, nas_bench_201, ordered
from optuna_agnet.spaces.base import Decision
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.spaces.rows import Rows

NESTED = Network(
    width=ordered(16, 32, 64),
    body=OneOf(mlp=Network(act=("relu", "gelu"), skip=(True, False)), none=Network()),
    dtype=(1, "one", 2.0),
)
SPACES = [NESTED, nas_bench_201()]


def naive(space: SearchSpace, params: dict[str, object]) -> tuple[list[int], list[bool]]:
    """A row and what is missing in it, decision by decision."""
    row, missing, exists = [], [], []
    for decision in space.decisions:
        parent = decision.parent
        exists.append(parent is None or (exists[parent] and row[parent] in decision.when))
        chosen = [
            k
            for k, choice in enumerate(decision.choices)
            if decision.name in params
            and isinstance(choice, bool) == isinstance(params[decision.name], bool)
            and choice == params[decision.name]
        ]
        row.append(chosen[0] if chosen and exists[-1] else 0)
        missing.append(exists[-1] and not chosen)
    return row, missing


def some_params(space: SearchSpace, rng: np.random.Generator) -> dict[str, object]:
    """Parameters of which some are missing, foreign, of numpy's types, or can't be hashed."""
    found: dict[str, object] = {"learning rate": 0.1}
    for decision in space.decisions:
        odd = [None, "foreign", 1, True, 1.0, [1], float("nan"), np.int64(32)]
        kind = rng.integers(8)
        if kind == 0:
            found[decision.name] = odd[rng.integers(len(odd))]
        elif kind > 1:
            found[decision.name] = decision.choices[rng.integers(len(decision.choices))]
    return found


@pytest.mark.parametrize("space", SPACES, ids=["network", "cell"])
def test_rows_of_many_parameters_are_those_of_each(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    params = [some_params(space, rng) for _ in range(300)]
    rows, missing = space.params_to_rows(params)
    expected = [naive(space, given) for given in params]
    assert rows.tolist() == [row for row, _ in expected]
    assert missing.tolist() == [lacks for _, lacks in expected]
    assert [space.is_complete(given) for given in params] == (~missing.any(1)).tolist()
    assert 0 < missing.any(1).sum() < 300


@pytest.mark.parametrize("space", SPACES, ids=["network", "cell"])
def test_what_architectures_write_is_read_back(space: SearchSpace) -> None:
    x = space.sample(50, np.random.default_rng(1))
    rows, missing = space.params_to_rows(space.row_to_params(row) for row in x)
    assert np.array_equal(space.repair(rows), x)
    assert not missing.any()


def test_no_parameters_are_no_rows() -> None:
    for space in (*SPACES, NoArchitecture()):
        rows, missing = space.params_to_rows([])
        assert rows.shape == missing.shape == (0, len(space.decisions))


def test_an_architecture_has_no_distance_from_itself_even_where_there_is_none() -> None:
    for space in (*SPACES, NoArchitecture()):
        features = space.features(space.sample(5, np.random.default_rng(0)))
        own = (features**2).sum(1)
        np.testing.assert_allclose(own, len(space.decisions), atol=1e-5)
        assert features.shape[1] == len(space.feature_decisions)


def test_true_is_not_one_and_of_equal_choices_the_first_counts() -> None:
    rows = Rows([Decision("a", (1, True, 1.0, "1"))])
    found, missing = rows.params_to_rows([{"a": 1}, {"a": True}, {"a": 1.0}, {"a": "1"}, {"a": 0}])
    assert found[:, 0].tolist() == [0, 1, 0, 3, 0]
    assert missing[:, 0].tolist() == [False] * 4 + [True]


def test_known_choices_are_those_that_the_space_has() -> None:
    params = {"width": 32, "body": "foreign", "lr": 0.1, "dtype": 2}
    assert NESTED.known_choices(params) == {"width": 32, "dtype": 2.0}
