"""Constraints: known before an evaluation, and told after it."""

import json
import math
import warnings

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.training import TrainingConfig
from optuna_agnet.search import AGNet, AGNetConfig, SpaceExhausted
from optuna_agnet.search.known_constraints import InvalidConstraint

SPACE = spaces.nas_bench_201()
SMALL = spaces.EdgeCell(nodes=3, ops=("a", "b"))
SHORT_PAPER = AGNetConfig.paper(
    training=TrainingConfig(steps=2, latents=0, weigh_loss=True, alpha=0.9)
)
CONFIGS = pytest.mark.parametrize("config", [AGNetConfig(), SHORT_PAPER], ids=["default", "paper"])


def convs(arch):
    return str(arch).count("nor_conv_3x3")


def value(arch):
    return convs(arch) + 0.3 * str(arch).count("skip_connect")


def cost(arch):
    return 2.0 * convs(arch) + str(arch).count("nor_conv_1x1")


def limit(arch):
    """At most one convolution: 27 % of the cells."""
    return cost(arch) - 2.0


def search(space=SPACE, directions=("maximize",), **arguments):
    return AGNet(space, directions, **{"seed": 0, "generator": Generator(space), **arguments})


@CONFIGS
def test_no_proposal_breaks_a_known_constraint(config):
    asked = []

    def known(arch):
        asked.append(str(arch))
        return limit(arch)

    found = search(
        config=config,
        generator=Generator(SPACE, config.generator),
        known_constraints={"cost": known},
    )
    for _ in range(40):
        arch = found.ask()
        assert limit(arch) <= 0
        found.tell(arch, value(arch))
    assert len(asked) == len(set(asked))  # each architecture once


def test_a_limit_that_hardly_any_architecture_meets_is_climbed_to():
    target = SPACE.architectures(np.full((1, 6), 4))[0]  # one cell of 15,625

    def distance(arch):
        return float((SPACE.choices([arch]) != SPACE.choices([target])).sum())

    found = search(known_constraints={"distance": distance})
    arch = found.ask()
    assert arch == target
    found.tell(arch, 1.0)
    with pytest.raises(SpaceExhausted, match=r"distance.* were within them"):
        found.ask()


def test_a_limit_that_nothing_meets_says_how_much_was_tried_and_how_near_it_came():
    found = search(known_constraints={"cost": lambda arch: cost(arch) + 1})
    with pytest.raises(SpaceExhausted, match=r"\d+ architectures were checked.*cost by 1"):
        found.ask()


def test_a_limit_whose_function_always_fails_is_not_told_to_be_loosened_only():
    found = search(known_constraints={"ms": lambda arch: 1 / 0})
    with (
        pytest.warns(UserWarning, match="ZeroDivisionError"),
        pytest.raises(SpaceExhausted, match=r"breaks ms by inf \(its function raised or returned"),
    ):
        found.ask()


@pytest.mark.parametrize("returned", [True, "4 ms", None, np.zeros(2)])
def test_a_known_constraint_that_gives_no_number_is_an_error_that_names_it(returned):
    found = search(known_constraints={"latency_ms": lambda arch: returned})
    with pytest.raises(InvalidConstraint, match=r"latency_ms.*must return a number"):
        found.ask()


@pytest.mark.parametrize("failure", [math.nan, ZeroDivisionError("1/0")])
def test_a_known_constraint_that_fails_for_some_excludes_them_with_one_warning(failure):
    def known(arch):
        if "avg_pool_3x3" in str(arch):
            if isinstance(failure, Exception):
                raise failure
            return failure
        return -1.0

    found = search(known_constraints={"latency_ms": known})
    with pytest.warns(UserWarning, match="latency_ms") as caught:
        asked = found.ask(30)
    assert len([w for w in caught if "latency_ms" in str(w.message)]) == 1
    assert not any("avg_pool_3x3" in str(arch) for arch in asked)


def test_what_is_no_function_is_refused_at_once():
    with pytest.raises(TypeError, match=r"known_constraints\['ms'\]=4\.0"):
        search(known_constraints={"ms": 4.0})


def test_a_search_does_not_give_up_while_there_is_much_left_within_a_tight_limit():
    found = search(
        config=AGNetConfig(dedup="encoding", n_startup=100),
        known_constraints={"convs": lambda arch: 5 - convs(arch)},
    )
    assert len(set(found.ask(23))) == 23  # of 25
    with pytest.raises(SpaceExhausted, match="were within"):
        found.ask(3)


def test_a_limit_is_climbed_to_as_long_as_it_comes_nearer():
    space = spaces.Chain([("cheap", "b", "c")] * 40)
    found = search(
        space,
        config=AGNetConfig(n_startup=100),
        known_constraints={"cheap": lambda arch: 34 - str(arch).count("cheap")},
    )
    for _ in range(3):
        arch = found.ask()
        assert str(arch).count("cheap") >= 34
        found.tell(arch, 0.0)


def test_what_was_asked_before_a_restart_does_not_change_the_climb():
    known = {"convs": lambda arch: 4 - convs(arch)}

    def asked(restart):
        found, rows = search(known_constraints=known), []
        for number in range(8):
            if number == restart:
                state = json.loads(json.dumps(found.state_dict()))
                found = AGNet.from_state_dict(
                    SPACE, state, generator=Generator(SPACE), known_constraints=known
                )
            rows.append(str(found.ask()))
            found.tell(SPACE.parse(rows[-1]), 0.0)
        return rows

    assert asked(restart=4) == asked(restart=None)


@CONFIGS
def test_told_constraints_are_learned(config):
    found = search(config=config, generator=Generator(SPACE, config.generator))
    feasible = []
    for _ in range(64):
        arch = found.ask()
        feasible.append(limit(arch) <= 0)
        found.tell(arch, value(arch), {"cost": limit(arch)})
    assert limit(found.best[0]) <= 0
    if config.acquisition == "ei":
        assert np.mean(feasible[16:]) > 0.5 > np.mean(feasible[:16])
        assert found.best[1] == (2.5,)  # the optimum: one convolution, five skips


def test_known_and_told_constraints_work_together():
    found = search(known_constraints={"cost": limit})
    for _ in range(30):
        arch = found.ask()
        assert limit(arch) <= 0
        found.tell(arch, value(arch), {"skips": str(arch).count("skip_connect") - 2.0})
    assert str(found.best[0]).count("skip_connect") <= 2


def test_a_start_without_a_feasible_one_warns_and_goes_towards_it():
    found = search()

    def far(arch):
        return 5.0 - convs(arch)  # 25 cells of 15,625

    def step():
        arch = found.ask()
        found.tell(arch, value(arch), {"convs": far(arch)})

    for _ in range(16):
        step()
    with pytest.warns(UserWarning, match=r"none of the 16 .* the nearest breaks convs by"):
        step()
    for _ in range(43):
        step()
    assert far(found.best[0]) <= 0


def test_an_infeasible_architecture_need_not_be_evaluated():
    found = search()
    evaluated = 0
    for _ in range(50):
        arch = found.ask()
        feasible = limit(arch) <= 0
        evaluated += feasible
        found.tell(arch, value(arch) if feasible else None, {"cost": limit(arch)})
    assert evaluated > 20
    assert len(found.observations) == 50
    assert found.best[1] == (max(value(arch) for arch, _ in found.front),)


def test_constraints_may_be_missing_or_differ():
    found = search()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(24):
            arch = found.ask()
            names = [{}, {"a": -1.0}, {"b": 1e9, "a": 0.5}, {"b": -math.inf}][i % 4]
            found.tell(arch, value(arch), names)
    assert found.observations.names == ("a", "b")
    assert found.observations.feasible.sum() == 18


def test_nan_constraints_are_refused():
    found = search()
    with pytest.raises(ValueError, match="'cost': nan"):
        found.tell(found.ask(), 1.0, {"cost": math.nan})


@pytest.mark.parametrize(
    ("constraints", "named"),
    [({1: 0.0}, "1 is no name"), ({"cost": "4 ms"}, "'4 ms'"), ({"cost": None}, "'cost': None")],
)
def test_constraints_that_are_no_numbers_by_name_are_refused_before_they_are_kept(
    constraints, named
):
    found = search()
    arch = found.ask()
    found.tell(arch, 0.5, {"cost": -1.0})
    with pytest.raises(ValueError, match=rf"constraints=.*{named}"):
        found.tell(arch, 1.0, constraints)
    assert len(found.observations) == 1


@CONFIGS
def test_a_constrained_search_of_two_objectives_continues_from_json(config):
    def advance(a_search, n):
        asked = []
        for _ in range(n):
            arch = a_search.ask()
            asked.append(arch)
            a_search.tell(arch, (value(arch), cost(arch)), {"cost": limit(arch) - 2})
        return asked

    arguments = {
        "directions": ("maximize", "minimize"),
        "config": config,
        "generator": Generator(SPACE, config.generator),
    }
    through = advance(search(**arguments), 36)
    first = search(**arguments)
    advance(first, 20)
    state = json.loads(json.dumps(first.state_dict()))
    second = AGNet.from_state_dict(SPACE, state, generator=arguments["generator"])
    assert advance(second, 16) == through[20:]
    assert set(second.front) == naive_front(through)
    assert len(second.front) == len(naive_front(through))


def naive_front(asked):
    """What keeps the limit and is not beaten, of all that was asked."""
    kept = [(arch, (value(arch), cost(arch))) for arch in asked if limit(arch) <= 2]

    def beats(one, other):
        return one[0] >= other[0] and one[1] <= other[1] and one != other

    return {(arch, v) for arch, v in kept if not any(beats(w, v) for _, w in kept)}


def test_the_front_is_searched_not_one_end_of_it():
    found = AGNet(SPACE, ("maximize", "minimize"), seed=0)
    for _ in range(80):
        arch = found.ask()
        found.tell(arch, (value(arch), cost(arch)))
    values = sorted(values for _, values in found.front)
    assert values[0][1] == 0
    assert values[-1][0] == 6
    assert len({c for _, c in values}) >= 5  # of 7 trade-offs
