"""Laws of network spaces over random nested ones, each batched operation beside a naive twin."""

from __future__ import annotations

import json
import random
from typing import Any

import network_descriptions as naive
import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces import Graphs, Network, OneOf, Repeat, SearchSpace, ordered

seeds = st.integers(0, 2**32 - 1)
laws = settings(max_examples=60, deadline=None)


def rows_of(space: SearchSpace, seed: int, n: int = 24) -> IntArray:
    return space.sample(n, np.random.default_rng(seed))


def raw_rows(space: SearchSpace, seed: int, n: int = 24) -> IntArray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, space.num_choices, size=(n, len(space.decisions)))


@given(description=naive.descriptions(), seed=seeds)
@laws
def test_values_become_rows_texts_and_parameters_and_back(
    description: naive.Description, seed: int
) -> None:
    space, rng = naive.build(description), random.Random(seed)
    for _ in range(5):
        value = naive.random_value(description, rng)
        arch = space.from_values(value)
        assert space.values(arch) == value
        assert json.loads(str(arch)) == value
        assert space.parse(str(arch)) == arch
        assert space.to_params(arch) == naive.params(description, value)
        assert space.from_params(space.to_params(arch)) == arch
        row = space.choices([arch])
        np.testing.assert_array_equal(space.repair(row), row)
        assert space.architectures(row) == [arch]
        assert f"{int(space.keys(row)[0]):016x}" == arch.key


@given(description=naive.descriptions(most=14))
@laws
def test_all_architectures_are_counted_and_listed(description: naive.Description) -> None:
    space = naive.build(description)
    assert space.num_architectures == naive.count(description)
    if naive.count(description) > 2000:
        return
    every = space.enumerate()
    assert len(every) == naive.count(description)
    texts = [json.dumps(v, ensure_ascii=False) for v in naive.every_value(description)]
    assert sorted(map(str, space.architectures(every))) == sorted(texts)


@given(description=naive.descriptions(), seed=seeds)
@laws
def test_what_exists_is_what_the_trial_has(description: naive.Description, seed: int) -> None:
    space = naive.build(description)
    rows = rows_of(space, seed)
    names = np.array([decision.name for decision in space.decisions])
    for row, active, arch in zip(rows, space.active(rows), space.architectures(rows), strict=True):
        params = naive.params(description, space.values(arch))
        assert set(names[active]) == set(params)
        assert not row[~active].any()
        np.testing.assert_array_equal(space.params_to_row(params), row)
        noisy = {**dict.fromkeys(names, "what is not there is not read"), **params}
        np.testing.assert_array_equal(space.params_to_row(noisy), row)
        for name in params:
            assert not space.is_complete({n: v for n, v in params.items() if n != name})


@given(description=naive.descriptions(), seed=seeds)
@laws
def test_repair_is_total_and_idempotent(description: naive.Description, seed: int) -> None:
    space = naive.build(description)
    raw = raw_rows(space, seed)
    repaired = space.repair(raw)
    np.testing.assert_array_equal(space.repair(repaired), repaired)
    assert space.is_valid(repaired).all()
    np.testing.assert_array_equal(space.choices(space.architectures(repaired)), repaired)
    plain = space.is_valid(raw) & ~np.array([_has_cell(description)] * len(raw))
    for row, kept, fits in zip(raw, repaired, plain, strict=True):
        if fits:  # without cells, only what does not exist is changed
            active = space.active(row[None])[0]
            np.testing.assert_array_equal(np.where(active, row, 0), kept)


@given(description=naive.descriptions(), seed=seeds)
@laws
def test_valid_rows_are_those_whose_cells_are_valid(
    description: naive.Description, seed: int
) -> None:
    space = naive.build(description)
    raw = raw_rows(space, seed)
    for row, valid, kept in zip(raw, space.is_valid(raw), space.repair(raw), strict=True):
        found = space.row_to_params(row)
        cells = list(naive.cells_in(description, found))
        rows = [cell.params_to_row(own)[None] for cell, own in cells]
        assert valid == all(cell.is_valid(x)[0] for (cell, _), x in zip(cells, rows, strict=True))
        repaired = [
            cell.row_to_params(cell.repair(x)[0]) for (cell, _), x in zip(cells, rows, strict=True)
        ]
        after = list(naive.cells_in(description, space.row_to_params(kept)))
        assert [own for _, own in after] == repaired


@given(description=naive.descriptions(), seed=seeds, density=st.floats(0, 1))
@laws
def test_any_graph_is_read_as_an_architecture(
    description: naive.Description, seed: int, density: float
) -> None:
    space, rng = naive.build(description), np.random.default_rng(seed)
    types = rng.integers(0, len(space.node_types), size=(16, space.num_nodes))
    edges = rng.random((16, space.num_nodes * (space.num_nodes - 1) // 2)) < density
    rows, valid = space.decode(Graphs(types, edges))
    assert valid.shape == (16,)
    assert ((rows >= 0) & (rows < space.num_choices)).all()
    np.testing.assert_array_equal(space.choices(space.architectures(rows)), rows)


@given(description=naive.descriptions(), seed=seeds)
@laws
def test_graphs_and_rows_are_inverse(description: naive.Description, seed: int) -> None:
    space = naive.build(description)
    rows = rows_of(space, seed)
    graphs = space.encode(rows)
    back, valid = space.decode(graphs)
    assert valid.all()
    np.testing.assert_array_equal(back, rows)
    allowed, fixed = space.allowed_types, space.fixed_edges
    assert allowed[np.arange(space.num_nodes), graphs.types].all()
    assert ((fixed < 0) | (graphs.edges == fixed)).all()


@given(description=naive.descriptions(cells=False), seed=seeds)
@laws
def test_any_allowed_types_are_a_valid_graph(description: naive.Description, seed: int) -> None:
    """So all of a generator's samples are valid, whatever it has learned."""
    space, rng = naive.build(description), np.random.default_rng(seed)
    graphs = space.encode(rows_of(space, seed))
    luck = rng.random((len(graphs.types), *space.allowed_types.shape))
    types = np.where(space.allowed_types, luck, -1).argmax(2)
    rows, valid = space.decode(graphs._replace(types=types))
    assert valid.all()
    np.testing.assert_array_equal(space.repair(rows), rows)


@given(description=naive.descriptions(cells=False), seed=seeds)
@laws
def test_different_architectures_have_different_keys(
    description: naive.Description, seed: int
) -> None:
    space = naive.build(description)
    rows = np.unique(rows_of(space, seed, 60), axis=0)
    assert len(set(space.keys(rows).tolist())) == len(rows)
    assert not space.has_isomorphic


@given(description=naive.descriptions(), seed=seeds)
@laws
def test_features_are_gowers_distance(description: naive.Description, seed: int) -> None:
    space = naive.build(description)
    rows = rows_of(space, seed, 6)
    features = space.features(rows)
    params = [space.row_to_params(row) for row in rows]
    expected = [[naive.gower(space, a, b) for b in params] for a in params]
    found = 1 - features @ features.T / len(space.decisions)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@given(description=naive.descriptions(cells=False), seed=seeds)
@laws
def test_neighbors_differ_in_one_decision(description: naive.Description, seed: int) -> None:
    """In one of those that exist in both; and each choice of each decision is reached."""
    space = naive.build(description)
    row = rows_of(space, seed, 1)
    found = space.neighbors(row)
    assert len(np.unique(found, axis=0)) == len(found)
    np.testing.assert_array_equal(space.repair(found), found)
    own = space.row_to_params(row[0])
    reached, steps = set(), []
    for params in map(space.row_to_params, found):
        changed = [n for n in own.keys() & params.keys() if own[n] != params[n]]
        assert len(changed) == 1
        reached.add((changed[0], str(params[changed[0]])))
        decision = next(d for d in space.decisions if d.name == changed[0])
        one, other = decision.index(own[changed[0]]), decision.index(params[changed[0]])
        steps.append(abs(one - other) if decision.ordered else 1)
    assert steps == sorted(steps)
    expected = {
        (d.name, str(c))
        for d in space.decisions
        if d.name in own
        for c in d.choices
        if c != own[d.name] or isinstance(c, bool) != isinstance(own[d.name], bool)
    }
    assert reached == expected


@given(description=naive.descriptions(cells=False), seed=seeds)
@laws
def test_neighbors_of_several_rows_are_those_of_a_naive_twin(
    description: naive.Description, seed: int
) -> None:
    """Of all plain values that one change makes, each once and with the fewest steps; depths and alternatives too."""
    space = naive.build(description)
    rows = rows_of(space, seed, 3)
    expected: dict[str, int] = {}
    variants = naive.num_variants(description)
    values = [space.values(arch) for arch in space.architectures(rows)]
    for value in values:
        for other, steps in naive.neighbors(description, value, variants):
            text = json.dumps(other, ensure_ascii=False)
            expected[text] = min(steps, expected.get(text, steps))
    for value in values:
        expected.pop(json.dumps(value, ensure_ascii=False), None)
    found, steps = space.neighbors_and_steps(rows)
    assert dict(zip(map(str, space.architectures(found)), steps.tolist(), strict=True)) == expected
    assert len(found) == len(expected)
    np.testing.assert_array_equal(steps, np.sort(steps))
    np.testing.assert_array_equal(space.neighbors(rows), found)


@given(description=naive.descriptions(most=20), seed=seeds)
@laws
def test_neighbors_in_what_nothing_depends_on_are_those_of_a_naive_twin(
    description: naive.Description, seed: int
) -> None:
    """One choice after the other is taken in the parameters; cells are repaired."""
    space = naive.build(description)
    row = rows_of(space, seed, 1)
    own = space.row_to_params(row[0])
    opening = {space.decisions[d.parent].name for d in space.decisions if d.parent is not None}
    expected = set()
    for decision in space.decisions:
        for choice in decision.choices if decision.name in own.keys() - opening else ():
            changed = space.params_to_row({**own, decision.name: choice})[None]
            if space.is_valid(changed)[0]:
                expected.add(space.repair(changed).tobytes())
    found = set()
    for neighbor in space.neighbors(row):
        params = space.row_to_params(neighbor)
        if all(params.get(name) == own[name] for name in opening & own.keys()):
            found.add(neighbor.tobytes())
    assert found == expected - {row.tobytes()}


@given(description=naive.descriptions(), seed=seeds)
@laws
def test_neighbors_are_architectures_and_never_the_row_itself(
    description: naive.Description, seed: int
) -> None:
    space = naive.build(description)
    rows = rows_of(space, seed, 3)
    found = space.neighbors(rows)
    np.testing.assert_array_equal(space.choices(space.architectures(found)), found)
    assert {row.tobytes() for row in rows}.isdisjoint(row.tobytes() for row in found)


@given(description=naive.descriptions(), seed=seeds)
@laws
def test_filling_keeps_what_exists_and_sets_the_rest(
    description: naive.Description, seed: int
) -> None:
    space = naive.build(description)
    rows = rows_of(space, seed)
    filled = space.filled(rows)
    assert ((filled >= 0) & (filled < space.num_choices)).all()
    np.testing.assert_array_equal(space.repair(filled), rows)


@given(description=naive.descriptions(), seed=seeds)
@laws
def test_assigned_decisions_are_as_given_where_they_exist(
    description: naive.Description, seed: int
) -> None:
    space = naive.build(description)
    target = space.row_to_params(rows_of(space, seed + 1, 1)[0])
    assigned = space.repair(space.assign(rows_of(space, seed), target))
    assert all(space.row_to_params(row) == target for row in assigned)


@given(description=naive.descriptions(cells=False, most=20), seed=seeds)
@settings(max_examples=10, deadline=None)
def test_suggest_asks_for_what_exists_and_for_nothing_else(
    description: naive.Description, seed: int
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = naive.build(description)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed % 2**32))
    for _ in range(5):
        trial = study.ask()
        arch = space.suggest(trial)
        assert trial.params == space.to_params(arch)
        study.tell(trial, 0.0)


def test_samples_are_uniform_from_the_top_down() -> None:
    space = Network(blocks=Repeat(ordered(1, 2, 3, 4), 0, 3), kind=OneOf(a=("x", "y"), b=Network()))
    rows = space.sample(6000, np.random.default_rng(0))
    depths = np.bincount(rows[:, 0], minlength=4) / 6000
    np.testing.assert_allclose(depths, 0.25, atol=0.03)
    kinds = rows[:, [d.name for d in space.decisions].index("kind")]
    np.testing.assert_allclose(np.bincount(kinds) / 6000, 0.5, atol=0.03)


def test_a_deeper_network_begins_with_copies_of_its_last_block() -> None:
    block = Network(
        kernel=ordered(3, 5, 7), mixer=OneOf(a=Network(heads=ordered(1, 2)), c=Network())
    )
    space = Network(blocks=Repeat(block, 1, 4))
    first = {"kernel": 3, "mixer": {"c": {}}}
    last = {"kernel": 7, "mixer": {"a": {"heads": 2}}}
    row = space.choices([space.from_values({"blocks": [first, last]})])
    found = [space.values(a)["blocks"] for a in space.architectures(space.neighbors(row))]
    assert [value for value in found if len(value) != 2] == [
        [first],
        [first, last, last],
        [first, last, last, last],
    ]


def test_another_alternative_is_tried_with_all_its_choices() -> None:
    space = Network(
        mixer=OneOf(
            a=Network(heads=ordered(2, 4, 8)), c=Network(kernel=ordered(3, 5), bias=(True,))
        )
    )
    row = space.choices([space.from_values({"mixer": {"c": {"kernel": 3, "bias": True}}})])
    found = [space.values(a)["mixer"] for a in space.architectures(space.neighbors(row))]
    assert [v for v in found if "a" in v] == [{"a": {"heads": h}} for h in (2, 4, 8)]


def test_a_first_block_is_tried_with_all_its_choices() -> None:
    space = Network(widths=Repeat(ordered(16, 32, 64), 0, 2))
    row = space.choices([space.from_values({"widths": []})])
    found = [space.values(a)["widths"] for a in space.architectures(space.neighbors(row))]
    assert found == [[16], [32], [64], [16, 16], [32, 32], [64, 64]]


def test_the_graph_is_the_tree_of_what_exists() -> None:
    block = Network(mixer=OneOf(a=Network(heads=ordered(2, 4)), c=Network()))
    space = Network(width=ordered(8, 16), blocks=Repeat(block, 1, 3))
    arch = space.from_values(
        {"width": 16, "blocks": [{"mixer": {"c": {}}}, {"mixer": {"a": {"heads": 4}}}]}
    )
    assert arch.nodes == (
        "input",
        "width=16",
        "blocks.depth=2",
        "blocks.mixer=c",
        "blocks.mixer=a",
        "blocks.mixer.a.heads=4",
        "output",
    )
    between = [(i, j) for i, j in arch.edges if j != 6]
    assert between == [(0, 1), (0, 2), (2, 3), (3, 4), (4, 5)]


SPACE = Network(
    width=ordered(16, 32),
    blocks=Repeat(Network(op=OneOf(conv=ordered(3, 5), skip=Network())), 1, 2),
)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 16}, r"^the value is .*; it must be a dict of \['width', 'blocks'\]"),
        (
            {"width": 17, "blocks": [{"op": {"skip": {}}}]},
            r"^width is 17; it can be \[16, 32\]",
        ),
        ({"width": True, "blocks": [{"op": {"skip": {}}}]}, "width is True"),
        ({"width": 16, "blocks": []}, r"^blocks is \[\]; it must be a list of 1 to 2 blocks"),
        ({"width": 16, "blocks": "ab"}, "it must be a list of 1 to 2 blocks"),
        ({"width": 16, "blocks": [{"op": {"pool": {}}}]}, r"blocks\.0\.op is .*one of \['conv'"),
        (
            {"width": 16, "blocks": [{"op": {"skip": {}, "conv": 3}}]},
            r"dict of one of \['conv', 'skip'\]",
        ),
        ({"width": 16, "blocks": [{"op": {"conv": 4}}]}, r"blocks\.0\.op\.conv is 4"),
        ([], "it must be a dict"),
    ],
)
def test_values_that_do_not_fit_say_where(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPACE.from_values(values)
    with pytest.raises(ValueError, match=message):
        SPACE.parse(json.dumps(values))


def test_a_text_that_is_no_json_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match=r"is no JSON .* reads '\{\"width\": "):
        SPACE.parse("width=16")


def test_what_is_no_graph_of_the_space_is_refused() -> None:
    arch = SPACE.from_values({"width": 16, "blocks": [{"op": {"conv": 3}}]})
    for edges in (arch.edges[:-1], (*arch.edges, (1, 2))):
        with pytest.raises(ValueError, match="is no architecture of the space"):
            SPACE.choices([type(arch)(arch.nodes, tuple(edges))])
    with pytest.raises(ValueError, match="is no architecture of the space"):
        SPACE.choices([type(arch)((*arch.nodes[:-1], "blocks.op=skip", "output"), arch.edges)])


def test_cells_keep_their_isomorphisms() -> None:
    cell = naive.CELLS[0]
    space = Network(cell=cell, width=ordered(1, 2))
    assert space.has_isomorphic
    rows = space.enumerate()
    assert len(set(space.keys(rows).tolist())) == 2 * len(set(cell.keys(cell.enumerate()).tolist()))


def _has_cell(description: naive.Description) -> bool:
    kind, *rest = description
    if kind == "repeat":
        return _has_cell(rest[0])
    return kind == "cell" or (kind in ("net", "one") and any(map(_has_cell, rest[0].values())))
