"""Laws that hold in every space, on presets and on small spaces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_agnet import spaces
from optuna_agnet.core.architecture import INPUT, OUTPUT, Architecture
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces import (
    Chain,
    DartsCell,
    EdgeCell,
    Graphs,
    Network,
    NodeCell,
    OneOf,
    RecurrentCell,
    Repeat,
    SearchSpace,
    Stack,
    ordered,
)

SPACES = [
    spaces.nas_bench_201(),
    spaces.nas_bench_101(),
    EdgeCell(nodes=3, ops=("conv", "pool")),
    NodeCell(max_nodes=3, max_edges=2, ops=("conv",)),
    NodeCell(max_nodes=5, max_edges=4, ops=("conv", "pool")),
    spaces.darts(),
    DartsCell(nodes=2, ops=("conv", "pool")),
    Stack(
        a=NodeCell(max_nodes=4, max_edges=4, ops=("conv", "pool")),
        b=EdgeCell(nodes=3, ops=("conv", "none")),
    ),
    spaces.fbnet(),
    Chain(layers=[("conv", "skip"), ("skip", "pool", "conv")]),
    spaces.nas_bench_nlp(),
    RecurrentCell(max_nodes=3),
    EdgeCell(nodes=3, ops=("conv", "none"), edge_ops={(0, 2): ("skip", "none"), (1, 2): ("conv",)}),
    NodeCell(5, 6, ("conv", "pool"), node_ops={1: ("conv",), 3: ("skip", "pool")}, max_in_degree=2),
    NodeCell(max_nodes=6, ops=("conv", "pool"), max_in_degree=1),
    Stack(
        both=Stack(a=DartsCell(1, ("conv", "pool")), b=EdgeCell(nodes=2, ops=("conv", "none"))),
        c=NodeCell(4, 4, ("conv",), node_ops={2: ("pool", "conv")}),
    ),
]
every_space = pytest.mark.parametrize("space", SPACES, ids=repr)
seeds = st.integers(0, 2**32 - 1)


def raw_rows(space: SearchSpace, rng: np.random.Generator, n: int = 64) -> IntArray:
    return rng.integers(0, space.num_choices, size=(n, len(space.decisions)))


def check_proper(space: SearchSpace, rows: IntArray) -> None:
    assert ((rows >= 0) & (rows < space.num_choices)).all()
    assert space.is_valid(rows).all()
    np.testing.assert_array_equal(space.repair(rows), rows)


@every_space
@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_repair_is_total_and_idempotent(space: SearchSpace, seed: int) -> None:
    raw = raw_rows(space, np.random.default_rng(seed))
    check_proper(space, space.repair(raw))
    valid = raw[space.is_valid(raw)]
    np.testing.assert_array_equal(
        space.keys(space.repair(valid)), space.keys(space.repair(space.repair(valid)))
    )


@every_space
@given(seed=seeds, density=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_decode_is_total(space: SearchSpace, seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    types = rng.integers(0, len(space.node_types), size=(64, space.num_nodes))
    edges = rng.random((64, space.num_nodes * (space.num_nodes - 1) // 2)) < density
    rows, valid = space.decode(Graphs(types, edges))
    check_proper(space, rows)
    assert valid.shape == (64,)


@every_space
@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_encode_and_decode_are_inverse(space: SearchSpace, seed: int) -> None:
    rows = space.sample(64, np.random.default_rng(seed))
    check_proper(space, rows)
    graphs = space.encode(rows)
    back, valid = space.decode(graphs)
    assert valid.all()
    np.testing.assert_array_equal(back, rows)
    allowed, fixed = space.allowed_types, space.fixed_edges
    assert allowed[np.arange(space.num_nodes), graphs.types].all()
    assert ((fixed < 0) | (graphs.edges == fixed)).all()


@every_space
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_values_texts_and_parameters_round_trip(space: SearchSpace, seed: int) -> None:
    rows = space.sample(8, np.random.default_rng(seed))
    found = space.architectures(rows)
    np.testing.assert_array_equal(space.choices(found), rows)
    assert [space.parse(str(arch)) for arch in found] == found
    assert [space.from_params(space.to_params(arch)) for arch in found] == found
    assert [arch.key for arch in found] == [f"{int(key):016x}" for key in space.keys(rows)]


@every_space
def test_neighbors_are_one_decision_away(space: SearchSpace) -> None:
    row = space.sample(1, np.random.default_rng(0))
    expected = set()
    for i, k in enumerate(space.num_choices):
        for choice in range(k):
            changed = row.copy()
            changed[0, i] = choice
            if space.is_valid(changed)[0]:
                expected.add(space.repair(changed).tobytes())
    found = [neighbor.tobytes() for neighbor in space.neighbors(row)]
    assert len(found) == len(set(found))
    assert set(found) == expected - {row.tobytes()}


def test_enumerate_lists_small_spaces_only() -> None:
    assert len(SPACES[2].enumerate()) == 8
    assert len(SPACES[3].enumerate()) == 2  # input > output, input > conv > output
    assert spaces.nas_bench_101().enumerate() is None


@every_space
@pytest.mark.parametrize("sampler", [optuna.samplers.RandomSampler, optuna.samplers.TPESampler])
def test_suggest_works_with_any_sampler(space: SearchSpace, sampler: type) -> None:
    def objective(trial: optuna.Trial) -> float:
        arch = space.suggest(trial)
        assert space.from_params(trial.params) == arch
        trial.suggest_float("lr", 0, 1)
        return float(len(arch.edges)) + arch.nodes.count(space.ops[0])

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler(seed=0))
    study.optimize(objective, n_trials=15)
    assert set(space.distributions()) | {"lr"} == set(study.best_params)
    assert all(
        study.trials[0].distributions[name] == d for name, d in space.distributions().items()
    )


def test_from_params_names_what_is_wrong() -> None:
    space = spaces.nas_bench_201()
    params = space.to_params(space.random_architecture(0))
    with pytest.raises(ValueError, match=r"parameter 'op_1_3' of the space EdgeCell.* is missing"):
        space.from_params({name: value for name, value in params.items() if name != "op_1_3"})
    with pytest.raises(
        ValueError, match=r"parameter 'op_0_1' is 'conv9x9'; the space .* knows .*nor_conv_1x1"
    ):
        space.from_params({**params, "op_0_1": "conv9x9"})
    assert space.from_params({**params, "lr": 0.1}) == space.from_params(params)


@pytest.mark.parametrize("make", [lambda ops: EdgeCell(3, ops), lambda ops: NodeCell(4, 3, ops)])
@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ((), "at least one operation name"),
        ("conv", "sequence of at least one"),
        (("conv", ""), "operation '' must be a non-empty string"),
        (("conv", "my conv"), "'my conv' must be"),
        (("conv", "output"), "'output' must be"),
        (("conv", 3), "operation 3 must be"),
        (("conv", "pool", "conv"), r"\['conv'\] are given more than once"),
    ],
)
def test_bad_operations_are_refused(
    make: type[SearchSpace], ops: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(ops)


def test_fingerprint_tells_spaces_apart() -> None:
    different = [
        *SPACES,
        EdgeCell(nodes=3, ops=("pool", "conv")),
        EdgeCell(nodes=4, ops=("conv", "pool")),
        NodeCell(max_nodes=5, max_edges=5, ops=("conv", "pool")),
        NodeCell(max_nodes=6, max_edges=4, ops=("conv", "pool")),
        NodeCell(max_nodes=5, max_edges=4, ops=("pool", "conv")),
    ]
    assert len({space.fingerprint for space in different}) == len(set(different)) == len(different)
    assert EdgeCell(3, ("conv", "pool"), name="other name") == SPACES[2]


def test_what_is_no_architecture_is_named() -> None:
    for thing in ("|conv~0|", {"edge_0_1": "conv"}):
        with pytest.raises(TypeError, match=r"is no Architecture: give one, such as space\.parse"):
            SPACES[2].to_params(thing)  # type: ignore[arg-type]


def test_operations_need_an_order() -> None:
    with pytest.raises(ValueError, match=r"ops=\{'conv'\}"):
        EdgeCell(nodes=3, ops={"conv"})  # type: ignore[arg-type]


@every_space
def test_other_spaces_architectures_are_refused(space: SearchSpace) -> None:
    foreign = EdgeCell(nodes=2, ops=("foreign", "other")).random_architecture(0)
    with pytest.raises(ValueError, match="is no architecture of the space"):
        space.choices([foreign])


Graph = tuple[list[str], set[tuple[int, int]]]


def pairs(nodes: list[str]) -> list[tuple[int, int]]:
    return [(i, j) for j in range(len(nodes)) for i in range(j)]


def moved(edges: set[tuple[int, int]], node: int, by: int) -> set[tuple[int, int]]:
    """The edges after a node was put in or taken out at ``node``."""
    return {(i + by * (i >= node), j + by * (j >= node)) for i, j in edges}


def an_edge_more(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    return nodes, edges | {pairs(nodes)[rng.integers(len(pairs(nodes)))]}


def an_edge_less(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    return nodes, {e for e in edges if e != sorted(edges)[rng.integers(len(edges))]}


def no_edges(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    return nodes, set()


def all_edges(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    return nodes, set(pairs(nodes))


def a_foreign_end(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    found = nodes.copy()
    found[-int(rng.integers(2))] = str(rng.choice(["foreign", INPUT, OUTPUT, nodes[1]]))
    return found, edges


def swapped_ends(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    return [nodes[-1], *nodes[1:-1], nodes[0]], edges


def another_label(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    found = nodes.copy()
    found[rng.integers(len(nodes))] = str(rng.choice(["foreign", *nodes]))
    return found, edges


def swapped_nodes(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    """The graph stays the same where no edge forbids it."""
    at = int(rng.integers(len(nodes) - 1))
    place = {at: at + 1, at + 1: at}
    found = [nodes[place.get(k, k)] for k in range(len(nodes))]
    return found, {tuple(sorted((place.get(i, i), place.get(j, j)))) for i, j in edges}  # type: ignore[misc]


def a_dead_node(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    at = int(rng.integers(1, len(nodes)))
    return [*nodes[:at], str(rng.choice(nodes)), *nodes[at:]], moved(edges, at, 1)


def a_node_less(nodes: list[str], edges: set[tuple[int, int]], rng: np.random.Generator) -> Graph:
    at = int(rng.integers(len(nodes)))
    return [*nodes[:at], *nodes[at + 1 :]], moved({e for e in edges if at not in e}, at, -1)


CHANGES = [
    *(an_edge_more, an_edge_less, no_edges, all_edges, a_foreign_end, swapped_ends),
    *(another_label, swapped_nodes, a_dead_node, a_node_less),
]


def check_kept_or_refused(space: SearchSpace, arch: Architecture) -> None:
    try:
        rows = space.choices([arch])
    except ValueError:
        return
    check_proper(space, rows)
    assert space.architectures(rows)[0] == arch


NETWORKS = [
    Network(act=("relu", "gelu"), width=ordered(16, 32, 64), cell=SPACES[4]),
    Repeat(Network(mixer=OneOf(a=Network(heads=ordered(2, 4)), b=("conv", "pool"))), 1, 3),
]
any_space = pytest.mark.parametrize("space", [*SPACES, *NETWORKS], ids=repr)


@any_space
@given(seed=seeds, changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_choices_say_all_of_an_architecture_or_refuse_it(
    space: SearchSpace, seed: int, changes: list[Callable[..., Graph]]
) -> None:
    rng = np.random.default_rng(seed)
    arch = space.architectures(space.sample(1, rng))[0]
    nodes, edges = list(arch.nodes), set(arch.edges)
    for change in changes:
        if edges and len(nodes) > 2:
            nodes, edges = change(nodes, edges, rng)
    check_kept_or_refused(space, Architecture(tuple(nodes), tuple(edges)))


@any_space
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_one_change_is_kept_or_refused(space: SearchSpace, change: Callable[..., Graph]) -> None:
    rng = np.random.default_rng(0)
    for arch in space.architectures(space.sample(20, rng)):
        if arch.edges:
            nodes, edges = change(list(arch.nodes), set(arch.edges), rng)
            check_kept_or_refused(space, Architecture(tuple(nodes), tuple(edges)))


@every_space
def test_foreign_ends_are_refused(space: SearchSpace) -> None:
    arch = space.random_architecture(0)
    for ends in (("start", OUTPUT), (INPUT, "end"), (OUTPUT, INPUT), (INPUT, INPUT)):
        foreign = Architecture((ends[0], *arch.nodes[1:-1], ends[1]), arch.edges)
        for refuses in (space.to_params, space.canonical):
            with pytest.raises(ValueError, match="is no architecture of the space"):
                refuses(foreign)


@every_space
def test_the_order_of_edges_does_not_matter(space: SearchSpace) -> None:
    arch = space.random_architecture(0)
    turned = Architecture(arch.nodes, arch.edges[::-1])
    np.testing.assert_array_equal(space.choices([turned]), space.choices([arch]))


def test_a_graph_in_another_form_is_refused_with_the_form_of_the_space() -> None:
    space = spaces.nas_bench_101()
    arch = space.parse("input,conv3x3-bn-relu,maxpool3x3,output 0>1 0>2 1>3 2>3")
    turned = Architecture((INPUT, *arch.nodes[2:0:-1], OUTPUT), arch.edges)
    dead = Architecture(
        (INPUT, *arch.nodes[1:3], "maxpool3x3", OUTPUT), (*arch.edges[:2], (1, 4), (2, 4))
    )
    for other in (turned, dead):
        assert space.canonical(other) == arch
        with pytest.raises(
            ValueError, match=r"another form .*'input,maxpool3x3,conv.*space\.canonical"
        ):
            space.choices([other])
    np.testing.assert_array_equal(space.choices([space.canonical(dead)]), space.choices([arch]))


@pytest.mark.parametrize("edges", [(), tuple((i, j) for j in range(7) for i in range(j))], ids=len)
def test_a_graph_that_needs_repair_is_refused(edges: tuple[tuple[int, int], ...]) -> None:
    """21 edges where 9 are allowed, or no way to the output: the repaired cell is another one."""
    space = spaces.nas_bench_101()
    arch = Architecture((INPUT, *["maxpool3x3"] * 5, OUTPUT), edges)
    for refuses in (space.to_params, space.canonical):
        with pytest.raises(ValueError, match="is no valid architecture of the space"):
            refuses(arch)


@every_space
@pytest.mark.parametrize("around", ["{}\n", " {}", "\n{} \t", "{}\r\n"])
def test_blanks_around_a_text_do_not_count(space: SearchSpace, around: str) -> None:
    arch = space.random_architecture(1)
    assert space.parse(around.format(arch)) == arch


def enqueued(params: dict[str, object]) -> optuna.Trial:
    study = optuna.create_study()
    study.enqueue_trial(params)
    return study.ask()


def test_an_enqueued_value_that_the_space_lacks_is_named() -> None:
    with pytest.raises(ValueError, match=r"given 'conv9x9', which is none of \['none'.*to_params"):
        spaces.nas_bench_201().suggest(enqueued({"op_0_1": "conv9x9"}))


def test_another_parameter_of_the_same_name_is_to_be_renamed() -> None:
    space = spaces.nas_bench_201()
    trial = enqueued(space.to_params(space.random_architecture(0)))
    trial.suggest_categorical(
        "op_1_2", ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "x"]
    )
    with pytest.raises(ValueError, match="rename that one"):
        space.suggest(trial)


def test_errors_of_the_sampler_come_without_advice_that_does_not_fit() -> None:
    class Broken(optuna.samplers.RandomSampler):
        def sample_independent(self, *args: object) -> object:
            raise ValueError("my sampler is broken")

    trial = optuna.create_study(sampler=Broken()).ask()
    with pytest.raises(ValueError, match=r"can't be suggested \(my sampler is broken\)$"):
        spaces.nas_bench_201().suggest(trial)


def test_one_hot_marks_the_choice_of_every_decision():
    space = spaces.NodeCell(max_nodes=4, max_edges=5, ops=("a", "b", "c"))
    x = space.sample(20, np.random.default_rng(0))
    columns = np.split(space.one_hot(x), np.cumsum(space.num_choices)[:-1], axis=1)
    np.testing.assert_array_equal(np.stack([c.argmax(1) for c in columns], 1), x)
    assert all((c.sum(1) == 1).all() for c in columns)
