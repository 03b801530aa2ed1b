"""Pairs of architectures and hyperparameters: candidates, the proposer, and the ask/tell optimizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from optuna_agnet import AGNet, AGNetConfig, Architecture, spaces
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.search.candidates import Filter, SpaceExhausted
from optuna_agnet.search.known_constraints import Limits
from optuna_agnet.search.observations import Pairs, hopeless
from optuna_agnet.search.pairs import (
    PairFilter,
    Turn,
    improved,
    pair_pool,
    random_pairs,
    turn_of,
    within_limits,
)
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.surrogate.base import Candidates

SPACE = spaces.EdgeCell(nodes=3, ops=("skip", "conv", "pool"))
DISTRIBUTIONS = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "optimizer": CategoricalDistribution(("sgd", "adam")),
}
BOTH = Hyperparameters.of(DISTRIBUTIONS)
SMALL = AGNetConfig(n_startup=6, candidate_sources=("neighbors", "random"), pool_size=64)


def allowed(fixed: tuple[float, float] = (np.nan, np.nan), *taken: Pairs) -> PairFilter:
    free = Filter(SPACE, "encoding", frozenset(), {})
    return PairFilter(BOTH, free, frozenset(), np.array(fixed)).without(*taken)


def some_pairs(n: int) -> Pairs:
    rng = np.random.default_rng(0)
    return Pairs(SPACE.sample(n, rng), BOTH.sample(n, rng))


def value(architecture: Architecture) -> float:
    given = architecture.hyperparameters
    return (
        str(architecture).count("conv")
        - abs(np.log10(given["lr"]) + 2)
        + (given["optimizer"] == "sgd")
    )


def key(architecture: Architecture) -> str:
    return f"{architecture} {json.dumps(dict(architecture.hyperparameters))}"


def test_the_same_architecture_with_other_values_is_another_pair() -> None:
    known = some_pairs(5)
    again = Pairs(known.x, known.z.copy())
    assert len(allowed((np.nan, np.nan), known).new(again).x) == 0
    again.z[2, 1] = 1 - again.z[2, 1]
    found = allowed((np.nan, np.nan), known).new(again)
    np.testing.assert_array_equal(found.x, known.x[[2]])


def test_pairs_that_come_twice_in_a_pool_count_once() -> None:
    known = some_pairs(3)
    twice = Pairs(np.concatenate([known.x, known.x]), np.concatenate([known.z, known.z]))
    assert len(allowed().new(twice).x) == 3


@pytest.mark.parametrize("turn", list(Turn))
def test_each_turn_takes_its_own_architectures(turn: Turn) -> None:
    best, rng = some_pairs(8), np.random.default_rng(1)
    best = Pairs(best.x, np.stack([np.linspace(0.3, 0.4, 8), np.zeros(8)], 1))
    known = {row.tobytes() for row in best.x}
    every = SPACE.enumerate()
    assert every is not None
    new = every[[row.tobytes() not in known for row in every]]
    pool = pair_pool(new, best, turn, allowed((np.nan, np.nan), best), 64, rng)
    assert pool is not None
    assert pool.z is not None
    of_known = np.array([row.tobytes() in known for row in pool.x])
    assert of_known.any() == (turn is not Turn.NEW)
    assert of_known.all() == (turn is Turn.FAR)
    if turn is Turn.FAR:
        assert (BOTH.gaps(pool.z, best.z).max(0).min(1) >= 0.25).all()


@pytest.mark.parametrize("free", [16, 28])
def test_turns_come_in_the_order_that_docs_say(free: int) -> None:
    found = [turn_of(k, free) for k in range(8)]
    assert found == [Turn.NEW, Turn.ANY, Turn.NEW, Turn.FAR] * 2


@pytest.mark.parametrize("free", [1, 9, 15])
def test_where_little_is_free_any_architecture_may_come_at_any_time(free: int) -> None:
    assert {turn_of(k, free) for k in range(8)} == {Turn.ANY}


def repeats(space: spaces.SearchSpace, trials: int = 40) -> int:
    """Known architectures among every second proposal of the model, where hyperparameters alone make a difference."""
    search = AGNet(space, seed=0, config=SMALL, hyperparameters=DISTRIBUTIONS)
    seen, again = set(), 0
    for number in range(trials):
        arch = search.ask()
        again += number >= 6 and number % 2 == 0 and str(arch) in seen
        seen.add(str(arch))
        search.tell(arch, -abs(np.log10(arch.hyperparameters["lr"]) + 2))
    return again


def test_every_second_proposal_is_a_new_cell_but_not_a_new_width() -> None:
    assert repeats(spaces.nas_bench_201()) == 0
    assert repeats(spaces.Network(width=spaces.ordered(*range(1, 101)))) > 2


def test_fixed_hyperparameters_are_kept_everywhere() -> None:
    best, rng, filtered = some_pairs(8), np.random.default_rng(1), allowed((0.25, np.nan))
    pools = [pair_pool(best.x, best, turn, filtered, 64, rng) for turn in Turn]
    pools.append(random_pairs(10, filtered, rng))
    for pool in pools:
        assert pool is not None
        assert pool.z is not None
        assert (pool.z[:, 0] == 0.25).all()
    better = improved(random_pairs(10, filtered, rng), lambda c: np.arange(len(c.x)), filtered, rng)
    assert better.z is not None
    assert (better.z[:, 0] == 0.25).all()


@pytest.mark.parametrize("seed", range(4))
def test_improvement_climbs_to_the_top_of_an_acquisition(seed: int) -> None:
    def height(candidates: Candidates) -> FloatArray:
        assert candidates.z is not None
        return np.abs(candidates.z[:, 0] - 0.37) + (candidates.z[:, 1] != 1)

    def order(candidates: Candidates) -> IntArray:
        return np.argsort(height(candidates))

    rng = np.random.default_rng(seed)
    pool = random_pairs(8, allowed(), rng)
    found = improved(pool.take(order(pool)), order, allowed(), rng)
    assert height(found)[0] < 0.02
    assert height(found)[0] < height(pool).min() / 2
    assert len(found.x) == len(pool.x)


def test_the_last_pair_of_a_grid_is_found_and_then_there_is_none() -> None:
    grid = Hyperparameters.of(
        {"a": IntDistribution(0, 2), "b": CategoricalDistribution(("x", "y"))}
    )
    every = SPACE.enumerate()
    assert every is not None
    z = np.array([[a, b] for a in (0.0, 0.5, 1.0) for b in (0.0, 1.0)])
    all_pairs = Pairs(np.repeat(every, 6, axis=0), np.tile(z, (len(every), 1)))
    free = PairFilter(
        grid, Filter(SPACE, "encoding", frozenset(), {}), frozenset(), np.full(2, np.nan)
    )
    rows = np.arange(len(all_pairs.x))
    left = free.without(all_pairs.take(rows[rows != 17]))
    (row,), found = random_pairs(4, left, np.random.default_rng(0)).x, all_pairs.take(rows[[17]])
    np.testing.assert_array_equal(row, found.x[0])
    with pytest.raises(
        SpaceExhausted, match=r"no new pair of an architecture of EdgeCell.* a, b is"
    ):
        random_pairs(4, free.without(all_pairs), np.random.default_rng(0))


def test_who_has_no_architectures_is_told_of_none() -> None:
    grid, space = Hyperparameters.of({"a": IntDistribution(0, 2)}), NoArchitecture()
    z = np.array([[0.0], [0.5], [1.0]])
    every = Filter(space, "encoding", frozenset(), {})
    taken = PairFilter(grid, every, frozenset(), np.full(1, np.nan)).without(
        Pairs(np.zeros((3, len(space.decisions)), dtype=np.int64), z)
    )
    with pytest.raises(SpaceExhausted, match=r"^no new values of a are left: 3 are taken"):
        random_pairs(4, taken, np.random.default_rng(0))


def test_beyond_the_candidates_within_limits_a_pair_is_new_or_there_is_none() -> None:
    """Three cells keep the limit, none of them among the candidates; each has six pairs."""
    grid = Hyperparameters.of(
        {"a": IntDistribution(0, 2), "b": CategoricalDistribution(("x", "y"))}
    )
    free = Filter(SPACE, "encoding", frozenset(), {})
    nothing = PairFilter(grid, free, frozenset(), np.full(2, np.nan))
    limits = Limits(SPACE, {"kinds": lambda arch: len(set(SPACE.to_params(arch).values())) - 1.0})
    x = np.array([[0, 1, 2], [1, 0, 2]])
    ranked = Candidates(x, None, np.array([[0.5, 1.0], [0.0, 0.0]]))
    taken, found = nothing, []
    for _ in range(18):
        row, z = within_limits(ranked, taken, limits, np.random.default_rng(len(found)))
        pair = Pairs(row[None], z[None])
        assert len(taken.new(pair).x) == 1
        taken = taken.without(pair)
        found.append(row.tolist())
    assert sorted(map(tuple, found)) == [(k, k, k) for k in range(3) for _ in range(6)]
    with pytest.raises(SpaceExhausted, match="within the known constraints"):
        within_limits(ranked, taken, limits, np.random.default_rng(0))


def test_architectures_that_only_fail_are_left_alone() -> None:
    x = np.array([[0, 0, 0]] * 3 + [[1, 0, 0]] * 2 + [[2, 0, 0]] * 3)
    np.testing.assert_array_equal(hopeless(x, x[-1:]), [[0, 0, 0]])


def searched(n: int, **given: Any) -> tuple[AGNet, list[Architecture]]:
    search = AGNet(SPACE, seed=0, config=SMALL, hyperparameters=DISTRIBUTIONS, **given)
    asked = []
    for _ in range(n):
        asked.append(search.ask())
        search.tell(asked[-1], value(asked[-1]))
    return search, asked


def test_ask_gives_architecture_and_values_and_no_pair_twice() -> None:
    search, asked = searched(32)
    assert len(set(map(key, asked))) == 32
    assert len({str(a) for a in asked}) < 32  # 27 architectures
    best, (found,) = search.best
    assert best.hyperparameters["optimizer"] == "sgd"
    assert found > 3.5  # 4 is the optimum


def test_a_state_goes_on_as_the_search_would_have() -> None:
    search, _ = searched(14)
    pending = search.ask()
    again = AGNet.from_state_dict(SPACE, json.loads(json.dumps(search.state_dict())))
    for one in (search, again):
        one.tell(pending, value(pending))
    assert [key(a) for a in search.ask(3)] == [key(a) for a in again.ask(3)]


def test_pending_and_failed_pairs_do_not_come_again() -> None:
    search, asked = searched(10)
    failed = search.ask()
    search.tell(failed, None)
    more = [failed, *search.ask(12)]
    assert len(set(map(key, [*asked, *more]))) == 23


def test_pairs_that_are_being_evaluated_use_a_space_up() -> None:
    space = spaces.Chain([("conv", "pool", "skip")])
    optimizer = {"optimizer": CategoricalDistribution(("sgd", "adam"))}
    search = AGNet(space, seed=0, config=SMALL, hyperparameters=optimizer)
    assert len(set(map(key, search.ask(6)))) == 6
    with pytest.raises(SpaceExhausted):
        search.ask()


def test_a_prior_search_with_the_same_hyperparameters_is_a_start() -> None:
    search, _ = searched(30)
    warm = AGNet(
        SPACE,
        seed=1,
        config=SMALL,
        hyperparameters=DISTRIBUTIONS,
        prior_observations=[search.observations],
    )
    assert value(warm.ask()) > 2.5


def test_a_prior_search_without_hyperparameters_knows_architectures() -> None:
    plain = AGNet(SPACE, seed=0, config=SMALL)
    for _ in range(15):
        architecture = plain.ask()
        plain.tell(architecture, str(architecture).count("conv"))
    warm = AGNet(
        SPACE,
        config=AGNetConfig(candidate_sources=("random",)),
        hyperparameters=DISTRIBUTIONS,
        prior_observations=[plain.observations],
    )
    assert str(warm.ask()).count("conv") == 3


ODD = {
    "many": CategoricalDistribution(tuple(map(str, range(3000)))),
    "huge": IntDistribution(0, 2**62),
    "huge_log": IntDistribution(1, 2**62, log=True),
    "decade": FloatDistribution(0.1, 1.0, log=True),
    "narrow": FloatDistribution(1e-9, 1.0000001e-9, log=True),
    "far": FloatDistribution(-1e300, 1e300),
}


def test_searches_go_on_with_thousands_of_categories_huge_numbers_and_short_ranges() -> None:
    search = AGNet(SPACE, seed=0, config=SMALL, hyperparameters=ODD)
    found = []
    for _ in range(40):
        pair = search.ask()
        given = pair.hyperparameters
        for name, distribution in ODD.items():
            assert distribution._contains(distribution.to_internal_repr(given[name])), name
        search.tell(
            pair, -abs(given["huge"] / 2**61 - 1) - 3 * abs(np.log10(given["decade"]) + 0.5)
        )
        found.append(pair)
    assert len(set(map(key, found))) == 40
    assert search.best[1][0] > -0.15  # random pairs: -0.4
    late = np.log10([pair.hyperparameters["decade"] for pair in found[20:]])
    assert np.median(abs(late + 0.5)) < 0.15  # random ones: 0.25


def test_an_unordered_choice_of_thousands_is_found_again() -> None:
    many = {"many": ODD["many"]}
    search = AGNet(SPACE, seed=0, config=SMALL, hyperparameters=many)
    for number in range(20):
        pair = SPACE.random_architecture(number).with_hyperparameters(many=str(number % 5))
        search.tell(pair, float(number % 5 == 3))
    assert sum(pair.hyperparameters["many"] == "3" for pair in search.ask(8)) >= 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "comes with the hyperparameters"),
        ({"lr": 0.1}, "comes with the hyperparameters"),
        ({"lr": 0.1, "optimizer": "rmsprop"}, "optimizer='rmsprop', which must be one of"),
        ({"lr": "fast", "optimizer": "sgd"}, "lr='fast', which must be between"),
    ],
)
def test_values_that_do_not_fit_are_refused(given: Mapping[str, Any], message: str) -> None:
    search, _ = searched(1)
    architecture = SPACE.random_architecture(0).with_hyperparameters(**given)
    with pytest.raises(ValueError, match=message):
        search.tell(architecture, 1.0)


def test_bad_hyperparameters_are_refused_at_the_door() -> None:
    with pytest.raises(ValueError, match="names of decisions"):
        AGNet(SPACE, hyperparameters={SPACE.decisions[0].name: FloatDistribution(0, 1)})
    with pytest.raises(TypeError, match="by name"):
        AGNet(SPACE, hyperparameters=[FloatDistribution(0, 1)])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="surrogate='gp'"):
        AGNet(SPACE, hyperparameters=DISTRIBUTIONS, config=AGNetConfig.paper())


def test_hyperparameters_are_no_part_of_an_architecture() -> None:
    plain = SPACE.random_architecture(0)
    other = plain.with_hyperparameters(lr=0.1)
    assert other == plain
    assert (str(other), other.key, hash(other)) == (str(plain), plain.key, hash(plain))
    assert plain.hyperparameters == {}
