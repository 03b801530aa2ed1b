"""Scores that cost no evaluation: computed once, kept in pieces, believed as far as results bear them out."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution

from optuna_agnet import AGNet, AGNetConfig, Architecture, spaces
from optuna_agnet.search import scores as module
from optuna_agnet.search.scores import (
    PIECE,
    PIECES,
    ScoreTable,
    architectures_of,
    evaluate,
    piece_key,
    read_table,
)
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.surrogate import gaussian_process
from optuna_agnet.surrogate.base import Candidates

SPACE = spaces.nas_bench_201()
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def convs(architecture: Architecture) -> float:
    return float(str(architecture).count("nor_conv_3x3"))


def value(architecture: Architecture) -> float:
    """Best with five convolutions and a skip."""
    text = str(architecture)
    return convs(architecture) + 1.5 * min(text.count("skip_connect"), 1) - 2 * text.count("none")


def best_of(search: AGNet, asks: int) -> float:
    best = -math.inf
    for _ in range(asks):
        architecture = search.ask()
        found = value(architecture)
        search.tell(architecture, found)
        best = max(best, found)
    return best


# -- the table -----------------------------------------------------------------------------------------------------


def test_the_page_has_the_numbers_of_the_code() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "scores.md").read_text().split())
    assert f"for up to {PIECES * PIECE} random architectures" in page
    assert f"`score_time_limit_s` seconds ({module.SCORE_TIME_LIMIT_S:g})" in page
    assert f"After each of the first {gaussian_process._WARY} results" in page
    assert PIECES == 4
    assert "under the score's name, in four pieces" in page


def test_every_process_takes_the_same_different_architectures() -> None:
    x = architectures_of(SPACE)
    assert x.shape == (PIECES * PIECE, 6)
    assert (x == architectures_of(spaces.nas_bench_201())).all()
    assert len(np.unique(SPACE.keys(x))) == len(x)


def test_a_space_smaller_than_the_sample_is_taken_whole() -> None:
    space = spaces.EdgeCell(nodes=3, ops=("none", "skip_connect", "nor_conv_3x3"))
    x, everything = architectures_of(space), space.enumerate()
    assert everything is not None
    assert sorted(space.keys(x).tolist()) == sorted(set(space.keys(everything).tolist()))
    table = evaluate(space, {"convs": convs}, {}, time_limit_s=60)
    assert table.values.shape == (len(x), 1)
    assert not np.isnan(table.values).any()


def test_what_is_stored_is_not_computed_again() -> None:
    calls: list[Architecture] = []

    def counted(architecture: Architecture) -> float:
        calls.append(architecture)
        return convs(architecture)

    store: dict[str, Sequence[float | None]] = {}
    first = evaluate(SPACE, {"counted": counted}, store, time_limit_s=60)
    assert len(calls) == len(first.x)
    del store[piece_key("counted", 2)]
    store = json.loads(json.dumps(store))
    both = {"counted": counted, "convs": convs}
    again = evaluate(SPACE, both, store, time_limit_s=60, order=(3, 2, 1, 0))
    assert len(calls) == len(first.x) + PIECE
    assert (again.values == first.values).all()
    assert first.values[:, 0].tolist() == [convs(a) for a in SPACE.architectures(first.x)]


@pytest.mark.parametrize("number", [-1.23456789012e-300, 1e308, math.inf, -math.inf, 1 / 3])
def test_pieces_fit_into_a_storage_attribute(number: float) -> None:
    store: dict[str, Sequence[float | None]] = {}
    evaluate(SPACE, {"number": lambda _: number}, store, time_limit_s=60)
    assert len(store) == PIECES
    for values in store.values():
        text = json.dumps(values, allow_nan=False)
        assert len(text) < 2045
        assert json.loads(text) == values


def test_a_worker_without_time_takes_nothing_from_what_another_stored_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    store: dict[str, Sequence[float | None]] = {}
    whole = evaluate(SPACE, {"convs": convs}, {}, time_limit_s=math.inf)

    def while_another_is_quicker(architecture: Architecture) -> float:
        store[piece_key("convs", 0)] = whole.values[:PIECE, 0].tolist()
        return convs(architecture)

    with pytest.warns(UserWarning, match="score_time_limit_s"):
        table = evaluate(SPACE, {"convs": while_another_is_quicker}, store, time_limit_s=5)
    assert table.values[:PIECE].tolist() == whole.values[:PIECE].tolist()
    assert np.isnan(table.values[PIECE:]).all()


def test_failures_are_left_out_and_named_once() -> None:
    def moody(architecture: Architecture) -> float:
        count = convs(architecture)
        if count == 0:
            raise RuntimeError("out of memory")
        return math.nan if count == 1 else count

    with pytest.warns(UserWarning, match=r"'moody' (raised RuntimeError|returned NaN)") as caught:
        table = evaluate(SPACE, {"moody": moody}, {}, time_limit_s=60)
    assert len(caught) == 1
    count = np.array([convs(a) for a in SPACE.architectures(table.x)])
    assert (np.isnan(table.values[:, 0]) == (count < 2)).all()
    assert (table.values[count >= 2, 0] == count[count >= 2]).all()


@pytest.mark.parametrize("answer", ["many", None, True, [1.0], torch.tensor(1.0)])
def test_what_is_no_number_is_left_out(answer: object) -> None:
    with pytest.warns(UserWarning, match="instead of a number such as a float"):
        table = evaluate(SPACE, {"odd": lambda _: answer}, {}, time_limit_s=60)  # type: ignore[dict-item, return-value]
    assert np.isnan(table.values).all()


def test_time_that_is_up_leaves_the_rest_unknown_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    store: dict[str, Sequence[float | None]] = {}
    said = "score_time_limit_s=100 was over before 156 of 256 architectures were scored"
    with pytest.warns(UserWarning, match=said):
        table = evaluate(SPACE, {"convs": convs}, store, time_limit_s=100, order=(1, 2, 3, 0))
    # the limit is read once an architecture: a hundred of them, from the second piece on
    assert np.flatnonzero(~np.isnan(table.values[:, 0])).tolist() == list(range(64, 164))
    with monkeypatch.context() as patch:
        patch.setattr(module.time, "monotonic", lambda: 0.0)
        again = evaluate(SPACE, {"convs": convs}, store, time_limit_s=100)
    assert np.array_equal(again.values, table.values, equal_nan=True)


def test_scores_that_tell_nothing_are_named_and_left_out() -> None:
    x = architectures_of(SPACE)
    columns = np.full((len(x), 3), np.nan)
    columns[:, 0], columns[:10, 1], columns[:16, 2] = 7.0, np.arange(10), np.arange(16)
    table = ScoreTable(x, columns, ("constant", "rare", "known"))
    with pytest.warns(UserWarning, match="goes on without it") as caught:
        table.warn_of_useless()
    assert table.only(table.telling).names == ("known",)
    texts = sorted(str(warning.message) for warning in caught)
    assert "'constant' gave the same number" in texts[0]
    assert "'rare' gave numbers for 10 of 256 architectures, fewer than 16" in texts[1]


def test_nothing_is_known_of_names_that_were_never_stored() -> None:
    assert np.isnan(read_table(SPACE, ("a",), {}).values).all()


# -- the search ----------------------------------------------------------------------------------------------------

SEEDS = range(4)


@pytest.mark.parametrize(
    "score",
    [convs, lambda a: -convs(a), lambda a: math.exp(50 * convs(a)), lambda a: convs(a) * 1e-12],
    ids=["right", "negated", "on a huge scale", "on a tiny scale"],
)
def test_a_score_that_says_something_finds_the_best_part_at_once(
    score: Callable[[Architecture], float],
) -> None:
    found = [best_of(AGNet(SPACE, seed=seed, scores={"score": score}), 16) for seed in SEEDS]
    random = [best_of(AGNet(SPACE, seed=seed), 16) for seed in SEEDS]
    assert np.mean(found) > np.mean(random) + 1


CONTRADICTING: dict[str, Callable[[Architecture], float]] = {
    "convs": convs,
    "negated": lambda a: -convs(a),
}


def length(architecture: Architecture) -> float:
    return float(len(str(architecture)))


def test_a_score_and_its_negation_cancel_until_results_tell() -> None:
    for seed in SEEDS:
        third = AGNet(SPACE, seed=seed, scores={"length": length})
        three = AGNet(SPACE, seed=seed, scores={**CONTRADICTING, "length": length})
        assert third.ask() == three.ask()


def test_what_contradicts_itself_keeps_a_third_score_from_nothing() -> None:
    scores = {**CONTRADICTING, "length": length}
    found = [best_of(AGNet(SPACE, seed=seed, scores=scores), 16) for seed in SEEDS]
    random = [best_of(AGNet(SPACE, seed=seed), 16) for seed in SEEDS]
    assert np.mean(found) > np.mean(random) + 1


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_interpolated_rises_with_the_score(sign: int) -> None:
    x = architectures_of(SPACE)
    values = np.array([[sign * convs(a)] for a in SPACE.architectures(x)], dtype=np.float64)
    (process,) = ScoreTable(x[::2], values[::2], ("score",)).interpolated(SPACE)
    said, _ = process.predict(Candidates(x[1::2]))
    assert np.corrcoef(said[:, 0], values[1::2, 0])[0, 1] > 0.5


def test_only_the_order_of_a_score_counts() -> None:
    plain = AGNet(SPACE, seed=0, scores={"score": convs})
    scaled = AGNet(SPACE, seed=0, scores={"score": lambda a: math.exp(convs(a)) - 1e6})
    for _ in range(6):
        one, two = plain.ask(), scaled.ask()
        assert one == two
        plain.tell(one, value(one))
        scaled.tell(two, value(two))


def test_weights_say_which_score_is_followed_and_which_way() -> None:
    rng = np.random.default_rng(0)
    search = AGNet(
        SPACE,
        seed=0,
        scores={"wrong": lambda a: -value(a), "noise": lambda _: rng.standard_normal()},
    )
    best_of(search, 20)
    ((wrong, noise),) = search.proposer.score_weights(search.observations)
    assert wrong < -0.2
    assert abs(noise) < abs(wrong) / 2


def test_scores_that_tell_nothing_change_nothing() -> None:
    useless = AGNet(SPACE, seed=3, scores={"constant": lambda _: 1.0})
    plain = AGNet(SPACE, seed=3)
    with pytest.warns(UserWarning, match="'constant' gave the same number"):
        first = useless.ask()
    assert [first, *useless.ask(5)] == plain.ask(6)


def test_scores_that_are_not_borne_out_leave_the_start_to_chance() -> None:
    # all that the score speaks for is as good as what it speaks against: the third proposal is random again
    misled = AGNet(SPACE, seed=3, scores={"convs": convs})
    for _ in range(2):
        misled.tell(misled.ask(), 0.0)
    plain = AGNet(SPACE, seed=3)
    plain.ask(2)
    assert misled.ask() == plain.ask()


def test_the_second_proposal_is_what_the_scores_speak_against() -> None:
    for seed in SEEDS:
        high, low = AGNet(SPACE, seed=seed, scores={"convs": convs}).ask(2)
        assert convs(high) >= 4
        assert convs(low) == 0


@pytest.mark.parametrize("directions", [("maximize", "minimize"), ("minimize", "maximize")])
def test_with_several_objectives_larger_is_taken_for_better_in_the_first(
    directions: tuple[str, ...],
) -> None:
    high, low = AGNet(SPACE, directions, seed=0, scores={"convs": convs}).ask(2)
    assert convs(high) >= 4
    assert convs(low) == 0


def test_a_warm_start_begins_with_what_the_study_knows_not_with_the_scores() -> None:
    known = AGNet(SPACE, seed=0)
    for architecture in SPACE.architectures(SPACE.sample(60, np.random.default_rng(0))):
        known.tell(architecture, value(architecture))
    scores = {"negated": lambda a: -value(a)}
    given = [known.observations]
    first = AGNet(SPACE, seed=0, scores=scores, prior_observations=given).ask()
    assert value(first) >= 5


def test_a_search_goes_on_from_its_state_without_computing_scores_again() -> None:
    search = AGNet(SPACE, seed=0, scores={"convs": convs})
    best_of(search, 3)
    state = json.loads(json.dumps(search.state_dict()))

    def never(_: Architecture) -> float:
        raise AssertionError

    again = AGNet.from_state_dict(SPACE, state, scores={"convs": never})
    assert again.ask() == search.ask()


def test_scores_beside_constraints_objectives_warm_starts_and_pending() -> None:
    def told(search: AGNet, asks: int) -> AGNet:
        pending = search.ask(2)
        for _ in range(asks):
            architecture = search.ask()
            limit = {"convs": convs(architecture) - 4}
            search.tell(architecture, (value(architecture), -convs(architecture)), limit)
        assert len(pending) == 2
        return search

    directions = ("maximize", "minimize")
    scores = {"convs": convs, "negated": lambda a: -convs(a)}
    first = told(AGNet(SPACE, directions, seed=0, scores=scores), 6)
    second = AGNet(
        SPACE, directions, seed=1, scores=scores, prior_observations=[first.observations]
    )
    told(second, 10)
    assert second.observations.feasible.any()
    assert second.proposer.score_weights(second.observations).shape == (3, 2)
    within = AGNet(
        SPACE, seed=0, scores=scores, known_constraints={"convs": lambda a: convs(a) - 2}
    )
    assert all(convs(architecture) <= 2 for architecture in within.ask(6))


# -- beside hyperparameters ----------------------------------------------------------------------------------------

BESIDE = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "optimizer": CategoricalDistribution(("sgd", "adam")),
}


def pair_value(pair: Architecture) -> float:
    """As good as the architecture, less what a wrong learning rate or optimizer costs."""
    given = pair.hyperparameters
    far = abs(math.log10(given["lr"]) + 2)
    return value(pair) - 1.5 * far - 2.0 * (given["optimizer"] == "adam")


def pair_search(seed: int, scores: dict[str, Callable[[Architecture], float]]) -> AGNet:
    config = AGNetConfig(n_startup=6, candidate_sources=("neighbors", "random"), pool_size=128)
    return AGNet(SPACE, seed=seed, config=config, scores=scores, hyperparameters=BESIDE)


def searched(search: AGNet, asks: int) -> list[Architecture]:
    asked = []
    for _ in range(asks):
        asked.append(search.ask())
        search.tell(asked[-1], pair_value(asked[-1]))
    return asked


def pair_text(pair: Architecture) -> str:
    return f"{pair} {sorted(pair.hyperparameters.items())}"


def test_a_score_helps_a_search_of_pairs_from_its_start() -> None:
    scores = {"convs": convs}
    found, without = (
        [max(map(pair_value, searched(pair_search(seed, given), 12))) for seed in SEEDS]
        for given in (scores, {})
    )
    assert np.mean(found) > np.mean(without) + 1


def test_a_score_of_architectures_is_followed_whatever_the_hyperparameters_cost() -> None:
    rng = np.random.default_rng(0)
    weights = []
    for score in (value, lambda a: -value(a), lambda _: rng.standard_normal()):
        search = pair_search(0, {"score": score})
        for x in SPACE.architectures(SPACE.sample(40, np.random.default_rng(1))):
            lr, optimizer = float(10 ** rng.uniform(-4, 0)), rng.choice(("sgd", "adam"))
            pair = x.with_hyperparameters(lr=lr, optimizer=str(optimizer))
            search.tell(pair, pair_value(pair))
        weights.append(float(search.proposer.score_weights(search.observations)[0, 0]))
    right, negated, noise = weights
    assert right > 0.2
    assert negated < -0.2
    assert abs(noise) < 0.1


def test_with_scores_no_pair_comes_twice_and_a_state_goes_on() -> None:
    search = pair_search(0, {"convs": convs})
    told = set(map(pair_text, searched(search, 12)))
    assert len(told) == 12
    state = json.loads(json.dumps(search.state_dict()))

    def never(_: Architecture) -> float:
        raise AssertionError

    again = AGNet.from_state_dict(SPACE, state, scores={"convs": never})
    pending = search.ask(2)
    assert [pair_text(pair) for pair in again.ask(2)] == [pair_text(pair) for pair in pending]
    assert not told & {pair_text(pair) for pair in pending}


def test_only_the_order_of_a_score_counts_beside_hyperparameters() -> None:
    plain = searched(pair_search(0, {"score": convs}), 12)
    scaled = searched(pair_search(0, {"score": lambda a: math.exp(convs(a)) - 1e6}), 12)
    assert list(map(pair_text, plain)) == list(map(pair_text, scaled))


def test_useless_scores_change_nothing_beside_hyperparameters() -> None:
    plain = searched(pair_search(2, {}), 12)
    with pytest.warns(UserWarning, match="'constant' gave the same number"):
        useless = searched(pair_search(2, {"constant": lambda _: 1.0}), 12)
    assert list(map(pair_text, plain)) == list(map(pair_text, useless))


@pytest.mark.parametrize("scores", [["convs"], convs, {"convs": 3}, {3: convs}])
def test_what_is_no_score_is_refused(scores: object) -> None:
    with pytest.raises(TypeError, match="scores"):
        AGNet(SPACE, scores=scores)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        {"config": AGNetConfig.paper()},
        {"config": AGNetConfig(surrogate="xgboost", acquisition="mean")},
        {"surrogate": gaussian_process.GaussianProcess(SPACE)},
    ],
    ids=["the paper's", "XGBoost", "one's own"],
)
def test_scores_need_the_default_surrogate(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="scores need surrogate='gp'"):
        AGNet(SPACE, scores={"convs": convs}, **given)


def test_scores_need_architectures_to_compare() -> None:
    alone = {"lr": FloatDistribution(1e-4, 1.0, log=True)}
    AGNet(NoArchitecture(), hyperparameters=alone)
    with pytest.raises(ValueError, match=r"only one: give the space .* leave out the scores"):
        AGNet(NoArchitecture(), hyperparameters=alone, scores={"convs": convs})


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, None, "10"])
def test_a_time_limit_is_a_positive_number(limit: float) -> None:
    with pytest.raises(ValueError, match=f"score_time_limit_s={limit!r} must be a positive number"):
        AGNet(SPACE, scores={"convs": convs}, score_time_limit_s=limit)
