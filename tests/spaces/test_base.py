"""Laws that hold in every space, on presets and on small spaces."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_agnet import spaces
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces import (
    Chain,
    DartsCell,
    EdgeCell,
    Graphs,
    NodeCell,
    RecurrentCell,
    SearchSpace,
    Stack,
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


def test_one_hot_marks_the_choice_of_every_decision():
    space = spaces.NodeCell(max_nodes=4, max_edges=5, ops=("a", "b", "c"))
    x = space.sample(20, np.random.default_rng(0))
    columns = np.split(space.one_hot(x), np.cumsum(space.num_choices)[:-1], axis=1)
    np.testing.assert_array_equal(np.stack([c.argmax(1) for c in columns], 1), x)
    assert all((c.sum(1) == 1).all() for c in columns)
