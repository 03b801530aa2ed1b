"""A stored search says which arguments it had, and does not go on without them."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import AGNet, AGNetConfig
from optuna_agnet.search.acquisition import ExpectedImprovement
from optuna_agnet.search.candidates import NeighborSource
from optuna_agnet.surrogate.gaussian_process import GaussianProcess

SPACE = spaces.EdgeCell(nodes=3, ops=("a", "b"))
CONFIG = AGNetConfig(n_startup=4)


def count(arch: Architecture) -> float:
    return str(arch).count("a") - 2.0


def results() -> Any:
    search = AGNet(SPACE, generator=Generator(SPACE))
    search.tell(search.ask(), 1.0)
    return search.observations


ARGUMENTS: dict[str, Any] = {
    "known_constraints": {"few": count, "fewer": count},
    "prior_observations": [results()],
    "surrogate": GaussianProcess(SPACE),
    "generator": Generator(SPACE),
    "candidate_sources": [NeighborSource()],
    "acquisition": ExpectedImprovement(),
}


def stored(**arguments: object) -> dict[str, Any]:
    """The state of a search with these arguments, after a round trip through JSON."""
    search = AGNet(SPACE, config=CONFIG, **arguments)  # type: ignore[arg-type]
    state: dict[str, Any] = json.loads(json.dumps(search.state_dict()))
    return state


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_search_does_not_go_on_without_what_it_had(name: str) -> None:
    state = stored(**{name: ARGUMENTS[name]})
    with pytest.raises(ValueError, match=rf"the search had {name} .*state, {name}=\.\.\."):
        AGNet.from_state_dict(SPACE, state)
    AGNet.from_state_dict(SPACE, state, **{name: ARGUMENTS[name]})


def test_known_constraints_are_known_by_name() -> None:
    state = stored(known_constraints=ARGUMENTS["known_constraints"])
    with pytest.raises(ValueError, match=r"\['few', 'fewer'\], and \['fewer'\] is missing"):
        AGNet.from_state_dict(SPACE, state, known_constraints={"few": count})
    more = {**ARGUMENTS["known_constraints"], "fewest": count}
    AGNet.from_state_dict(SPACE, state, known_constraints=more)


def test_prior_observations_are_counted() -> None:
    state = stored(prior_observations=[results(), results()])
    with pytest.raises(ValueError, match="had 2 prior_observations, not 1"):
        AGNet.from_state_dict(SPACE, state, prior_observations=[results()])


def test_a_limit_holds_after_a_restart() -> None:
    limits = {"few": count}
    search = AGNet.from_state_dict(
        SPACE, stored(known_constraints=limits), known_constraints=limits
    )
    assert all(count(arch) <= 0 for arch in search.ask(4))


def test_nothing_given_is_nothing_missed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AGNet.from_state_dict(SPACE, stored())
        AGNet.from_state_dict(SPACE, stored(known_constraints={}, prior_observations=()))


def test_a_state_of_an_earlier_version_is_read() -> None:
    """It does not say what the search had: a warning where nothing is given, none where something is."""
    state = stored(known_constraints=ARGUMENTS["known_constraints"])
    del state["arguments"]
    with pytest.warns(UserWarning, match=r"known_constraints.*if it had, give them again"):
        AGNet.from_state_dict(SPACE, state)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AGNet.from_state_dict(SPACE, state, known_constraints={"few": count})


class Halved:
    """A surrogate without `predict`."""

    def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None: ...
    def condition_on_pending(self, x: IntArray) -> None: ...


@pytest.mark.parametrize(
    ("surrogate", "message"),
    [
        (object(), r"surrogate=<object.*lacks"),
        (Halved(), r"surrogate=<.*Halved.*lacks.*predict"),
        (np.zeros(3), "surrogate=array"),
        (GaussianProcess, "surrogate=GaussianProcess is a class"),
    ],
)
def test_what_is_no_surrogate_is_refused_at_the_door(surrogate: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        AGNet(SPACE, surrogate=surrogate)  # type: ignore[arg-type]
