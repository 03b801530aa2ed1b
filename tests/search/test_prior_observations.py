"""A warm start: what sources are worth, that results overrule them, and what doesn't fit."""

import json
from dataclasses import replace

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.search import AGNet, AGNetConfig, Proposer
from optuna_agnet.search.observations import Observations

SPACE = spaces.nas_bench_201()
WEIGHTS = np.random.default_rng(0).normal(size=(6, 5))
BEST = WEIGHTS.max(1).sum()


def values(x):
    return WEIGHTS[np.arange(6), x].sum(1)


def told_of(x, y, constraints=None, names=()):
    constraints = np.empty((len(x), 0)) if constraints is None else constraints
    return Observations(x, y[:, None], constraints, names)


def source(sign=1.0, size=150):
    x = np.unique(SPACE.sample(size, np.random.default_rng(1)), axis=0)
    return told_of(x, sign * values(x))


def searched(queries, prior_observations=(), seed=0):
    """The values of a search, in order."""
    search, found = AGNet(SPACE, seed=seed, prior_observations=prior_observations), []
    for _ in range(queries):
        arch = search.ask()
        found.append(values(SPACE.choices([arch]))[0])
        search.tell(arch, found[-1])
    return np.array(found)


def test_the_first_proposals_are_what_the_source_speaks_for():
    first = searched(4, [source()])
    assert first.min() > np.quantile(values(SPACE.enumerate()), 0.98)


def test_two_sources_are_one_prior():
    half = source()
    parts = [
        told_of(half.x[::2], half.y[::2, 0]),
        told_of(half.x[1::2], 7 + 3 * half.y[1::2, 0]),  # only the order counts
    ]
    assert searched(4, parts).min() > np.quantile(values(SPACE.enumerate()), 0.95)


def test_results_overrule_a_source_that_is_wrong():
    misled = searched(40, [source(-1.0)])
    assert misled[:4].mean() < 0  # it is followed at first
    assert misled.max() > np.quantile(values(SPACE.enumerate()), 0.995)


def test_a_resumed_search_goes_on_with_the_same_sources():
    prior_observations = [source()]
    whole = searched(24, prior_observations)
    search = AGNet(SPACE, seed=0, prior_observations=prior_observations)
    for _ in range(20):
        arch = search.ask()
        search.tell(arch, values(SPACE.choices([arch]))[0])
    state = json.loads(json.dumps(search.state_dict()))
    again = AGNet.from_state_dict(SPACE, state, prior_observations=prior_observations)
    for expected in whole[20:]:
        arch = again.ask()
        assert values(SPACE.choices([arch]))[0] == expected
        again.tell(arch, expected)


def test_a_sources_constraints_are_matched_by_name():
    known = source()
    wide = (known.x == 3).sum(1, keepdims=True) - 1.5  # at most one 3x3 convolution
    with_limit = replace(known, constraints=wide, names=("wide",))
    search = AGNet(SPACE, seed=0, prior_observations=[with_limit])
    kept = []
    for _ in range(20):
        arch = search.ask()
        x = SPACE.choices([arch])
        kept.append((x == 3).sum() <= 1)
        search.tell(arch, values(x)[0], {"other": -1.0, "wide": float((x == 3).sum() - 1.5)})
    assert np.mean(kept[4:]) > 0.6  # 66 % of random cells, but few of the good ones


@pytest.mark.parametrize(
    ("prior_observations", "error", "message"),
    [
        (source(), TypeError, "must be a sequence"),
        (["study"], TypeError, r"observations\[0\] is a str"),
        ([source(size=1).head(0)], ValueError, "no results"),
        ([replace(source(), y=np.zeros((len(source()), 2)))], ValueError, "2 objectives"),
        ([replace(source(), x=source().x + 3)], ValueError, "another space"),
        ([replace(source(), x=source().x[:, :5])], ValueError, "another space"),
    ],
    ids=["single", "no results of a search", "empty", "objectives", "choices", "decisions"],
)
def test_a_source_that_does_not_fit(prior_observations, error, message):
    with pytest.raises(error, match=message):
        AGNet(SPACE, prior_observations=prior_observations)


def test_only_the_gaussian_process_learns_from_sources():
    with pytest.raises(ValueError, match="need surrogate='gp', not 'mlp'"):
        AGNet(SPACE, config=AGNetConfig.paper(), prior_observations=[source()])


def test_constraints_of_a_source_count_from_the_first_proposal():
    x = np.unique(SPACE.sample(120, np.random.default_rng(1)), axis=0)
    threes = (x == 3).sum(1)
    limited = told_of(x, threes.astype(float), threes[:, None] - 2.0, ("threes",))
    first = AGNet(SPACE, seed=0, prior_observations=[limited]).ask(8)
    assert max(str(arch).count("nor_conv_3x3") for arch in first) <= 2
    free = AGNet(SPACE, seed=0, prior_observations=[told_of(x, threes.astype(float))]).ask(8)
    assert min(str(arch).count("nor_conv_3x3") for arch in free) > 2


def test_what_is_being_evaluated_ends_no_startup_that_there_is_not(monkeypatch):
    def proposals():
        search = AGNet(SPACE, seed=0, prior_observations=[source()])
        first = search.ask(20)
        for arch in first[:10]:  # 10 have results, 10 have none
            search.tell(arch, values(SPACE.choices([arch]))[0])
        found = search.proposer.propose(search._results.snapshot())
        return found.source, first + search.ask(2)

    name, early = proposals()
    monkeypatch.setattr(Proposer, "_in_startup", lambda self, seen: len(seen.observations) < 16)
    assert proposals() == ("startup", early)
    assert name != "startup"
