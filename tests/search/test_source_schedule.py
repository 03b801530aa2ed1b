"""Which sources a search has: those that it is given, or those that suit its space."""

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from optuna_agnet import AGNet, AGNetConfig, spaces
from optuna_agnet.search import (
    CandidateRequest,
    NeighborSource,
    Observations,
    Proposer,
    RandomSource,
    Snapshot,
)
from optuna_agnet.search.candidates import Filter
from optuna_agnet.search.source_schedule import (
    free_numbers,
    generator_suits,
    many_decisions,
    random_starts,
    sources_of,
    use_generator,
)
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.surrogate.targets import RANKS, VALUES

LONG = spaces.Chain([("a", "b", "c")] * 40)
CELLS = [
    spaces.nas_bench_201(),
    spaces.nas_bench_101(),
    spaces.darts(),
    spaces.RecurrentCell(max_nodes=12),
]
BY_DEFAULT = ["generator", "generator", "generator", "neighbors"]


def names(space, **changes):
    return [source.name for source in sources_of(AGNetConfig(**changes), space)]


@pytest.mark.parametrize("space", CELLS, ids=lambda s: s.name)
def test_cells_have_a_generator(space):
    assert not many_decisions(space)
    assert names(space) == BY_DEFAULT


def test_a_space_of_many_decisions_has_mutants():
    assert many_decisions(LONG)
    assert names(LONG) == ["mutants"]


@pytest.mark.parametrize("layers", [16, 17])
def test_networks_and_chains_have_mutants_sooner_than_cells(layers):
    network = spaces.Network(**{f"op_{k}": ("a", "b") for k in range(layers)})
    for space in (spaces.Chain([("a", "b")] * layers), network):
        assert not many_decisions(space)
        assert generator_suits(space) == (layers == 16)
        assert names(space) == (BY_DEFAULT if layers == 16 else ["mutants"])
    assert names(spaces.fbnet()) == ["mutants"]


def test_decisions_that_a_random_architecture_has_are_counted():
    part = spaces.Network(op=("a", "b"), size=(1, 2))
    short, deep = (spaces.Network(blocks=spaces.Repeat(part, 1, most)) for most in (18, 40))
    assert len(short.decisions) == 37
    assert [many_decisions(space) for space in (short, deep)] == [False, True]


def test_what_a_config_names_comes_first():
    assert names(LONG, candidate_sources=("generator", "random")) == ["generator", "random"]
    assert [s.name for s in sources_of(AGNetConfig.paper(), LONG)] == ["generator"]


def columns(decisions, hyperparameters=()):
    """Of a linear model: indicators of all choices but one, and numbers as they are."""
    found = [["x"] if d.ordered else d.choices[1:] for d in decisions]
    found += [
        d.choices[1:] if isinstance(d, CategoricalDistribution) else ["x"] for d in hyperparameters
    ]
    return sum(map(len, found))


FEW = spaces.Network(depth=spaces.ordered(1, 2, 3), act=("relu", "tanh", "gelu"))


MEDIUM = spaces.Network(**{f"width_{k}": spaces.ordered(1, 2, 3) for k in range(11)})


@pytest.mark.parametrize("space", [*CELLS, LONG, FEW, MEDIUM], ids=lambda s: s.name)
@pytest.mark.parametrize("count", [0, 5, 30])
def test_a_random_start_for_each_free_number_and_eight_with_hyperparameters(space, count):
    given = {f"lr_{k}": FloatDistribution(0.0, 1.0) for k in range(count)}
    given["optimizer"] = CategoricalDistribution(("sgd", "adam", "rmsprop"))
    beside = Hyperparameters.of(given)
    assert free_numbers(space, beside) == columns(space.decisions, given.values())
    assert random_starts(AGNetConfig(), space, beside) == 8
    free = columns(space.decisions)
    assert random_starts(AGNetConfig(), space, NONE) == min(max(free, 8), 16)


@pytest.mark.parametrize(
    "changes", [{"n_startup": 3}, {"n_startup": 40}, {"surrogate": "mlp", "acquisition": "mean"}]
)
def test_starts_that_are_given_are_kept(changes):
    given = changes.get("n_startup", 16)
    assert random_starts(AGNetConfig(**changes), FEW, NONE) == given
    assert random_starts(AGNetConfig.paper(), FEW, NONE) == 16


@pytest.mark.parametrize("config", [AGNetConfig(), AGNetConfig(n_startup=3)])
def test_the_model_takes_over_after_the_random_starts(config):
    space = spaces.Network(depth=spaces.ordered(1, 2, 3, 4), width=spaces.ordered(16, 32, 64, 128))
    rows = space.repair(space.enumerate())
    nothing = rows[:0]
    search = Proposer(space, seed=0, config=config)
    starts = config.n_startup or 8

    def source_after(n):
        results = [(row, (float(row.sum()),), {}) for row in rows[:n]]
        known = Observations.of(results, ("maximize",), len(space.decisions))
        return search.propose(Snapshot(known, nothing, nothing, n)).source

    assert source_after(starts - 1) == "startup"
    assert source_after(starts) != "startup"


def test_a_surrogate_that_reads_or_teaches_the_generator_keeps_it():
    config = AGNetConfig(surrogate="xgboost", acquisition="mean")
    assert [s.name for s in sources_of(config, LONG)] == BY_DEFAULT


def test_a_generator_is_made_where_a_source_may_read_it():
    class Own:
        name = "own"

        def candidates(self, request):
            return None

    assert not use_generator([NeighborSource(), RandomSource()])
    assert use_generator([NeighborSource(), Own()])


def test_a_source_that_reads_no_generator_in_vain():
    allowed = Filter(LONG, "graph", frozenset(), {})
    asked = CandidateRequest(None, LONG.sample(1, np.random.default_rng(0)), 1, allowed, None)
    with pytest.raises(ValueError, match="uses_generator"):
        _ = asked.generator


def test_many_decisions_have_values_as_targets_and_cells_have_ranks():
    layers = [spaces.Chain([("conv", "pool", "skip")] * n) for n in (16, 17)]
    targets = [AGNet(s, seed=0).model.surrogate.targets for s in (LONG, layers[1])]
    assert targets == [(VALUES, RANKS)] * 2
    cell = spaces.EdgeCell(nodes=10, ops=("conv", "skip"))  # 45 edges
    assert AGNet(cell, seed=0).model.surrogate.targets == (RANKS, VALUES)
    mutants = AGNetConfig(candidate_sources=("mutants",))  # no generator has to be made
    for space in (*CELLS, layers[0]):
        assert AGNet(space, seed=0, config=mutants).model.surrogate.targets == (RANKS,)


def test_a_search_among_many_decisions_goes_on_from_json():
    def run(search, n):
        asked = []
        for _ in range(n):
            arch = search.ask()
            search.tell(arch, float(str(arch).count("a")))
            asked.append(str(arch))
        return asked

    whole, first = AGNet(LONG, seed=1), AGNet(LONG, seed=1)
    everything, start = run(whole, 26), run(first, 19)
    assert everything == start + run(AGNet.from_state_dict(LONG, first.state_dict()), 7)
