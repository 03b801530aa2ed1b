"""Old names work, say so, and lead to the same."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, search, spaces
from optuna_agnet.search import PaperOptions

SPACE = spaces.nas_bench_201()
OLD = {"sources": ("random",), "draws": (64,), "turns": ()}
NEW = {"candidate_sources": ("random",), "samples_per_attempt": (64,), "cell_schedule": ()}


@pytest.mark.parametrize("old", OLD)
def test_a_config_takes_and_gives_old_names(old):
    new = dict(zip(OLD, NEW, strict=True))[old]
    with pytest.warns(DeprecationWarning, match=f"'{old}' is now called '{new}'"):
        config = AGNetConfig(**{old: OLD[old]})
    assert getattr(config, new) == OLD[old]
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(config, old) == OLD[old]


MOVED = {"round_size": 4, "learn_from": 8, "uniform_latents": True, "ranking": "sum"}


@pytest.mark.parametrize("name", MOVED)
def test_a_config_takes_and_gives_options_where_they_were(name):
    with pytest.warns(DeprecationWarning, match=f"'{name}' is now called 'paper_options.{name}'"):
        config = AGNetConfig(**{name: MOVED[name]})
    assert config == AGNetConfig(paper_options=PaperOptions(**{name: MOVED[name]}))
    with pytest.warns(DeprecationWarning, match=f"paper_options.{name}"):
        assert getattr(config, name) == MOVED[name]


def test_a_moved_option_leaves_the_others_as_they_are():
    with pytest.warns(DeprecationWarning, match="round_size"):
        config = replace(AGNetConfig.paper(), round_size=4)
    assert config == AGNetConfig.paper(round_size=4)
    assert config.paper_options.ranking == "sum"


def test_a_field_that_never_was_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no field 'speed'"):
        AGNetConfig().speed  # noqa: B018


def test_both_names_at_once_are_refused():
    with (
        pytest.warns(DeprecationWarning, match="draws"),
        pytest.raises(TypeError, match="the same argument"),
    ):
        AGNetConfig(draws=(64,), samples_per_attempt=(64,))


def test_an_old_state_is_read_without_a_word(recwarn):
    options = PaperOptions(round_size=2, ranking="sum")
    made = AGNet(SPACE, seed=0, config=AGNetConfig(**NEW, paper_options=options))
    made.tell(made.ask(), 1.0)
    state = json.loads(json.dumps(made.state_dict()))
    for old, new in zip(OLD, NEW, strict=True):
        state["config"][old] = state["config"].pop(new)
    state["config"] |= state["config"].pop("paper_options")
    again = AGNet.from_state_dict(SPACE, state)
    assert again.config == made.config
    assert again.ask() == made.ask()
    assert not [w for w in recwarn if w.category is DeprecationWarning]


def test_arguments_and_attributes_of_searches():
    made = AGNet(SPACE, seed=0)
    made.tell(made.ask(), 1.0)
    with pytest.warns(DeprecationWarning, match="observations"):
        told = made.told
    with pytest.warns(DeprecationWarning, match="prior_observations"):
        AGNet(SPACE, sources=[told])
    with pytest.warns(DeprecationWarning, match="independent_sampler"), pytest.raises(TypeError):
        AGNetSampler(SPACE, companion=object())


def test_classes():
    with pytest.warns(DeprecationWarning, match="SearchSpace"):
        assert spaces.CellSpace is spaces.SearchSpace
    with pytest.warns(DeprecationWarning, match="Observations"):
        assert search.Told is search.Observations
    for module in (spaces, search):
        with pytest.raises(AttributeError, match="has no attribute 'Nobody'"):
            module.Nobody  # noqa: B018
