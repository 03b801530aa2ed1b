import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from optuna_agnet import spaces
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.training import Trainer, TrainingConfig
from optuna_agnet.search import (
    AGNet,
    AGNetConfig,
    Candidates,
    Observations,
    PaperOptions,
    Proposer,
    Snapshot,
    SpaceExhausted,
)
from optuna_agnet.search.model import training_sizes

NB201 = spaces.nas_bench_201()
SMALL = spaces.EdgeCell(nodes=3, ops=("a", "b"))  # 8 cells
SHORT_PAPER = AGNetConfig.paper(
    training=TrainingConfig(steps=2, latents=0, weigh_loss=True, alpha=0.9)
)


def value(arch):
    return (
        str(arch).count("nor_conv_3x3")
        - 0.5 * str(arch).count("none")
        + 0.01 * (hash_of(arch) % 50)
    )


def hash_of(arch):
    return int(arch.key, 16)


def run(search, n):
    found = []
    for _ in range(n):
        arch = search.ask()
        search.tell(arch, value(arch))
        found.append(arch)
    return found


@pytest.mark.parametrize("config", [AGNetConfig(), SHORT_PAPER], ids=["default", "paper"])
def test_no_architecture_is_proposed_twice(config):
    found = run(AGNet(NB201, seed=1, config=config), 60)
    assert len({arch.key for arch in found}) == 60


@pytest.mark.parametrize("config", [AGNetConfig(), SHORT_PAPER], ids=["default", "paper"])
@pytest.mark.parametrize("stop", [10, 16, 29, 40])
def test_a_search_continued_from_json_equals_one_that_never_stopped(config, stop):
    through = run(AGNet(NB201, seed=3, config=config), 48)
    first = AGNet(NB201, seed=3, config=config)
    run(first, stop)
    second = AGNet.from_state_dict(NB201, json.loads(json.dumps(first.state_dict())))
    assert second.config == config
    assert run(second, 48 - stop) == through[stop:]


def test_minimize_mirrors_maximize():
    up, down = AGNet(NB201, seed=0), AGNet(NB201, ["minimize"], seed=0)
    for _ in range(30):
        arch = up.ask()
        assert down.ask() == arch
        up.tell(arch, value(arch))
        down.tell(arch, -value(arch))
    assert down.best[0] == up.best[0]


def test_it_beats_random_search():
    better = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        drawn = max(value(arch) for arch in NB201.architectures(NB201.sample(60, rng)))
        better += max(value(arch) for arch in run(AGNet(NB201, seed=seed), 60)) > drawn
    assert better >= 2


def test_several_pending_asks_differ():
    search = AGNet(NB201, seed=0)
    run(search, 20)
    batch = search.ask(8)
    assert len({arch.key for arch in batch}) == 8
    for arch in reversed(batch):
        search.tell(arch, value(arch))
    assert len(search.observations) == 28


def known(search, position=0):
    """Its results as one proposal sees them, nothing pending."""
    nothing = np.empty((0, len(search.space.decisions)), dtype=np.int64)
    return Snapshot(search.observations, nothing, nothing, position)


@pytest.mark.parametrize("workers", [8, 16])
def test_the_first_proposals_of_many_workers_are_those_of_one(workers):
    many, at_once = AGNet(NB201, seed=5), []
    while len(at_once) < 16:
        batch = many.ask(workers)
        for arch in batch:
            many.tell(arch, value(arch))
        at_once += batch
    assert at_once == run(AGNet(NB201, seed=5), 16)
    assert len(set(at_once)) == 16


@pytest.mark.parametrize(("workers", "at_random"), [(1, 16), (4, 16), (8, 16), (9, 16), (16, 23)])
def test_workers_that_ask_whenever_they_are_free_begin_few_at_random(workers, at_random):
    search, sources = AGNet(NB201, seed=5), []
    running = []
    while len(sources) < 30:
        if len(running) == workers:
            arch = running.pop(0)
            search.tell(arch, value(arch))
        seen = search._results.snapshot()
        sources.append(search.proposer.propose(seen).source)
        running.append(search.ask())
    assert sources.count("startup") == at_random
    assert "startup" not in sources[at_random:]


def test_told_without_being_asked_is_data():
    search = AGNet(NB201, seed=0)
    for arch in NB201.architectures(NB201.sample(20, np.random.default_rng(0))):
        search.tell(arch, value(arch))
    assert len(search.observations) == 20
    assert search.proposer.propose(known(search)).source == "generator"


def test_a_failed_architecture_is_not_proposed_again():
    search = AGNet(SMALL, seed=0, config=AGNetConfig(dedup="encoding"))
    first = search.ask()
    search.tell(first, None)
    assert first not in [search.ask() for _ in range(7)]


@pytest.mark.parametrize("seed", range(2))
def test_a_search_learns_which_architectures_fail(seed, monkeypatch):
    def failures():
        search, failed = AGNet(NB201, seed=seed, config=AGNetConfig(n_startup=8)), 0
        for _ in range(32):
            arch = search.ask()
            fails = str(arch).count("conv") > 3
            search.tell(arch, None if fails else value(arch))
            failed += fails
        return failed

    learned = failures()
    monkeypatch.setattr(Proposer, "_learns_failures", False)  # it only never proposes them again
    assert learned < failures()


@pytest.mark.parametrize("startup", [4, 16])
def test_a_space_that_runs_out_says_so(startup):
    search = AGNet(SMALL, seed=0, config=AGNetConfig(n_startup=startup, dedup="encoding"))
    assert len({str(arch) for arch in run(search, 8)}) == 8
    with pytest.raises(SpaceExhausted, match="allow_duplicates"):
        search.ask()


def test_asking_for_more_than_are_left_loses_none():
    search = AGNet(SMALL, seed=0, config=AGNetConfig(n_startup=16, dedup="encoding"))
    run(search, 5)
    state = search.state_dict()
    with pytest.raises(SpaceExhausted):
        search.ask(4)
    assert search.state_dict() == state
    assert len({str(arch) for arch in search.ask(3)}) == 3


def test_duplicates_are_allowed_on_request():
    config = AGNetConfig(n_startup=4, allow_duplicates=True)
    assert len(run(AGNet(SMALL, seed=0, config=config), 20)) == 20


def test_isomorphic_cells_count_once_by_default():
    """Of 8 cells: nothing arrives, by the direct edge, by the two others, by all three."""
    space = spaces.EdgeCell(nodes=3, ops=("a", "none"))
    search = AGNet(space, config=AGNetConfig(n_startup=2), generator=Generator(space))
    kinds = (
        "|none~0|+|none~0|none~1|",
        "|none~0|+|a~0|none~1|",
        "|a~0|+|none~0|a~1|",
        "|a~0|+|a~0|a~1|",
    )
    assert {arch.key for arch in run(search, 4)} == {space.parse(text).key for text in kinds}
    with pytest.raises(SpaceExhausted):
        search.ask()
    config = AGNetConfig(n_startup=2, dedup="encoding")
    every = AGNet(space, config=config, generator=Generator(space))
    assert len({str(arch) for arch in run(every, 8)}) == 8


def test_fixed_decisions_are_kept():
    search = AGNet(NB201, seed=0)
    run(search, 24)
    for number in range(8):  # all sources
        proposal = search.proposer.propose(known(search, number), fixed={"op_0_3": "none"})
        assert NB201.row_to_params(proposal.row)["op_0_3"] == "none"


def test_sources_take_turns():
    search = AGNet(NB201, seed=0)
    run(search, 16)
    sources = [search.proposer.propose(known(search, n)).source for n in range(8)]
    assert sources == ["generator", "generator", "generator", "neighbors"] * 2


def made_useless(generator):
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
        generator.add_node[2].bias[1] = 50.0  # "input" everywhere: nothing is valid


def count_edges(search, n):
    for _ in range(n):
        arch = search.ask()
        search.tell(arch, float(len(arch.edges)))


FOUR = AGNetConfig.paper(n_startup=4, round_size=1, retrain_every=8)


def test_a_collapsed_generator_starts_over_and_the_search_goes_on(monkeypatch):
    search = AGNet(spaces.nas_bench_101(), seed=0, config=FOUR)
    monkeypatch.setattr(Trainer, "round", lambda self, data, rng: made_useless(self.generator))
    count_edges(search, 8)
    assert search.model.resets == search.model.version == 1
    monkeypatch.undo()
    count_edges(
        search, 16
    )  # starts over once more, from what still is useless, and trains as usual
    assert search.model.resets == 2
    assert search.model.version == 3


def test_a_generator_that_never_could_is_named_in_a_warning_and_the_search_goes_on():
    space = spaces.nas_bench_101()
    generator = Generator(space, FOUR.generator, seed=0)
    made_useless(generator)
    search = AGNet(space, seed=0, generator=generator, config=FOUR)
    with pytest.warns(
        UserWarning, match=r"NodeCell.* 0 steps of pretraining, 0.0% is valid.*steps="
    ):
        count_edges(search, 8)
    assert search.model.resets == 0


@pytest.mark.parametrize("edges", [(), tuple((i, j) for j in range(7) for i in range(j))], ids=len)
def test_a_value_is_not_filed_under_another_architecture(edges):
    """Repair makes a valid cell of these, and `best` returned it."""
    search = AGNet(spaces.nas_bench_101(), seed=0)
    arch = Architecture(("input", *["maxpool3x3"] * 5, "output"), edges)
    with pytest.raises(ValueError, match="is no valid architecture"):
        search.tell(arch, 1.0)
    assert len(search.observations) == 0


def test_the_best_is_known_to_keep_all_constraints():
    search = AGNet(NB201, seed=0)
    first, second, third = search.ask(3)
    search.tell(first, 9.0)
    assert search.best == (first, (9.0,))  # nobody has spoken of a constraint yet
    search.tell(second, 1.0, {"ms": -1.0})
    search.tell(third, 5.0, {"ms": 1.0})
    with pytest.warns(UserWarning, match=r"1 architectures were told without .*\(ms\)"):
        assert search.best == (second, (1.0,))


EXTREMES = [1e308, -1e308, 0.0, 1.7e308, -1.7e308, 1.0]


@pytest.mark.filterwarnings("error:.*(overflow|invalid)")
@pytest.mark.parametrize(
    "config", [AGNetConfig(n_startup=4), SHORT_PAPER], ids=["default", "paper"]
)
@pytest.mark.parametrize("objectives", [1, 2])
@pytest.mark.parametrize("constrained", [False, True])
def test_values_at_the_end_of_the_floats_are_values(config, objectives, constrained):
    """Infinity minus infinity was at hand wherever values were subtracted."""
    config = replace(config, n_startup=4, retrain_every=4)
    directions = ("maximize", "minimize")[:objectives]
    search = AGNet(NB201, directions, seed=0, config=config)
    for number in range(10):
        values = [EXTREMES[(number + 2 * k) % 6] for k in range(objectives)]
        constraints = {"c": EXTREMES[number % 5] - 1.0} if constrained else {}
        search.tell(search.ask(), values, constraints)


def test_infinite_told_rows_are_ranked_not_fatal():
    x = NB201.sample(20, np.random.default_rng(0))
    y = np.linspace(0, 1, 20)[:, None]
    y[0], y[1] = np.inf, -np.inf
    nothing = np.empty((0, 6), dtype=np.int64)
    snapshot = Snapshot(Observations(x, y, np.empty((20, 0))), nothing, nothing, 20)
    for config in (AGNetConfig(), SHORT_PAPER):
        AGNet(NB201, seed=0, config=config).proposer.propose(snapshot)


def test_rounds_grow_with_the_data():
    sizes = training_sizes(2000, AGNetConfig())
    assert sizes[:3] == [16, 20, 24]
    assert len(sizes) < 80
    assert training_sizes(64, AGNetConfig.paper()) == [16, 32, 48, 64]


def test_global_generators_and_threads_are_left_alone():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    run(AGNet(NB201, seed=0), 26)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert before[2] == torch.get_num_threads()


def test_what_the_training_code_around_has_set_does_not_matter():
    expected = run(AGNet(NB201, seed=0), 20)
    with torch.no_grad():
        assert run(AGNet(NB201, seed=0), 20) == expected
    with torch.inference_mode():
        assert run(AGNet(NB201, seed=0), 20) == expected
    torch.set_default_dtype(torch.float64)
    try:
        assert run(AGNet(NB201, seed=0), 20) == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_seeds_of_numpy_are_seeds():
    state = AGNet(NB201, seed=np.int64(3)).state_dict()
    assert json.loads(json.dumps(state))["seed"] == 3


def test_a_pool_is_that_of_the_results_it_was_made_for():
    """A shared pool of a generator that starts over, here because a constraint turns up, is made anew."""

    def asked(restart):
        search, found = AGNet(NB201, seed=0, config=small_rounds), []
        for number in range(16):
            if number == restart:
                search = AGNet.from_state_dict(NB201, json.loads(json.dumps(search.state_dict())))
            found.append(search.ask())
            search.tell(found[-1], value(found[-1]), {"c": -1.0} if number > 5 else {})
        return found

    small_rounds = AGNetConfig(
        n_startup=4, paper_options=PaperOptions(round_size=8), retrain_every=8
    )
    assert asked(restart=8) == asked(restart=None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AGNet(NB201, seed=-1), "seed=-1"),
        (lambda: AGNet(NB201, seed=0.5), "seed=0.5"),
        (lambda: AGNet(NB201, ["max"]), "max"),
        (lambda: AGNet(NB201, []), "directions"),
        (lambda: AGNet(NB201, generator=Generator(SMALL)), "EdgeCell"),
        (lambda: AGNet(NB201).ask(0), "n=0"),
        (lambda: AGNet(NB201).ask(2.5), "n=2.5"),
        (lambda: AGNet(NB201).tell(NB201.random_architecture(0), float("nan")), "nan"),
        (lambda: AGNet(NB201).tell(NB201.random_architecture(0), float("inf")), "inf"),
        (lambda: AGNet(NB201).tell(NB201.random_architecture(0), (1.0, 2.0)), "2 values"),
        (lambda: AGNet(NB201).tell(SMALL.random_architecture(0), 1.0), "no architecture"),
        (lambda: AGNet(NB201).best, "none of the 0"),
        (lambda: AGNet.from_state_dict(SMALL, AGNet(NB201).state_dict()), "another space"),
        (lambda: AGNet.from_state_dict(NB201, {}), "lacks"),
        (lambda: AGNetConfig(surrogate="forest"), "forest"),
        (
            lambda: AGNetConfig(device="gpu0"),
            "device='gpu0' is not available on any machine.*'cpu'",
        ),
        (lambda: AGNetConfig(n_startup=0), "n_startup=0"),
        (lambda: AGNetConfig(candidate_sources=()), "candidate_sources"),
        (lambda: AGNetConfig(weight_factor=-1), "weight_factor"),
    ],
)
def test_bad_input_names_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_constraints_without_names_are_refused():
    with pytest.raises(TypeError, match=r"constraints=\[0.5\].*latency_ms"):
        AGNet(NB201).tell(NB201.random_architecture(0), 1.0, [0.5])


class Raw:
    """Decisions as they come: not repaired, some of them known."""

    name = "raw"
    uses_generator = False

    def candidates(self, request):
        space = request.allowed.space
        drawn = request.rng.integers(0, space.num_choices, size=(8, len(space.decisions)))
        return Candidates(np.concatenate([request.incumbents[:1], drawn]))


@pytest.mark.parametrize("space", [spaces.nas_bench_101(), SMALL])
def test_what_a_source_of_ones_own_proposes_is_new_and_no_longer_pending_once_told(space):
    search = AGNet(space, seed=0, candidate_sources=[Raw()], config=AGNetConfig(n_startup=2))
    keys = set()
    for _ in range(12 if space is not SMALL else 6):
        arch = search.ask()
        assert arch.key not in keys
        keys.add(arch.key)
        search.tell(arch, len(str(arch)))
        assert search.state_dict()["pending"] == []


TWO_CELLS = spaces.Stack(
    normal=spaces.EdgeCell(nodes=3, ops=("a", "b", "c")),
    reduce=spaces.EdgeCell(nodes=3, ops=("a", "b", "c")),
)
IN_TURNS = AGNetConfig(n_startup=4, cell_schedule=(("normal", 6), ("reduce", 6)))


def two_cells(**arguments):
    return AGNet(
        TWO_CELLS,
        **{"seed": 0, "config": IN_TURNS, "generator": Generator(TWO_CELLS), **arguments},
    )


def counted(search, n):
    asked = []
    for _ in range(n):
        arch = search.ask()
        search.tell(arch, str(arch).count("b"))
        asked.append(TWO_CELLS.choices([arch])[0])
    return np.array(asked)


def test_cells_are_searched_in_turns():
    search = two_cells()
    x = counted(search, 20)
    assert (x[4:10, 3:] == x[4, 3:]).all()  # one random reduction cell
    best = search.observations.y[:10, 0].argmax()
    assert (x[10:16, :3] == x[best, :3]).all()  # the best normal cell
    assert len(np.unique(x[4:10, :3], axis=0)) == len(np.unique(x[10:16, 3:], axis=0)) == 6
    assert (x[16:, :3] != x[best, :3]).any()  # together


def test_a_turn_ends_early_when_nothing_is_left_of_its_cell():
    """27 cells each: the first turn asks for 40 results of the normal cell, with 4 from the start."""
    config = AGNetConfig(n_startup=4, cell_schedule=(("normal", 40), ("reduce", 6)))
    x = counted(two_cells(config=config), 60)
    alone = (x[4:] == x[4])[:, 3:].all(1).argmin()
    assert 20 < alone <= 27
    assert len(np.unique(x, axis=0)) == 60


def test_a_search_in_turns_continues_from_json():
    through = counted(two_cells(), 16)
    first = two_cells()
    counted(first, 8)
    state = json.loads(json.dumps(first.state_dict()))
    second = AGNet.from_state_dict(TWO_CELLS, state, generator=Generator(TWO_CELLS))
    np.testing.assert_array_equal(counted(second, 8), through[8:])


def test_a_turn_without_a_cell_or_results_is_refused():
    for turn, message in ((("reduction", 5), "'reduction' must be"), (("reduce", 0), "at least 1")):
        with pytest.raises(ValueError, match=message):
            two_cells(config=AGNetConfig(cell_schedule=(turn,)))
