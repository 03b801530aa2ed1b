"""Recurrent cells: the recipes of NAS-Bench-NLP, keys against exact isomorphism, repair, and what is refused."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import os
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from optuna_agnet import spaces
from optuna_agnet.spaces import RecurrentCell

NLP = spaces.nas_bench_nlp()
RNN = '{"i": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["i"]}}'


def as_graph(text: str) -> nx.DiGraph:
    """A recipe as it stands, with the place of each source where that matters."""
    graph = nx.DiGraph()
    for name, node in json.loads(text).items():
        graph.add_node(
            name, op=node["op"] + (name if name.startswith("h_new_") and name[6:].isdigit() else "")
        )
        for place, source in enumerate(node["input"]):
            if source == "x" or source.startswith("h_prev"):
                graph.add_node(source, op=source)
            graph.add_edge(source, name, role=place if node["op"] == "blend" else 0)
    return graph


def isomorphic(one: str, other: str) -> bool:
    nodes = nx.algorithms.isomorphism.categorical_node_match("op", None)
    edges = nx.algorithms.isomorphism.categorical_edge_match("role", None)
    return nx.is_isomorphic(as_graph(one), as_graph(other), nodes, edges)


@pytest.fixture(scope="module")
def recipes() -> list[str]:
    """The recipes of the 345 runs on WikiText-2."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "benchmarks"
    path = Path(os.environ.get("OPTUNA_AGNET_DATA", default)) / "nbnlp" / "nbnlp_wikitext2.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is missing: set OPTUNA_AGNET_DATA to the folder of the benchmarks")
    with gzip.open(path, "rt") as lines:
        return [row["recepie"] for row in csv.DictReader(lines)]


def test_real_recipes_round_trip(recipes: list[str]) -> None:
    assert len(recipes) == 345
    different = sorted(set(recipes))
    cells = [NLP.parse(recipe) for recipe in different]
    for recipe, cell in zip(different, cells, strict=True):
        assert isomorphic(recipe, str(cell))
        assert NLP.parse(str(cell)) == cell
    rows = NLP.choices(cells)
    np.testing.assert_array_equal(NLP.repair(rows), rows)
    back, valid = NLP.decode(NLP.encode(rows))
    assert valid.all()
    np.testing.assert_array_equal(back, rows)


def test_keys_and_rows_of_real_recipes_agree_with_exact_isomorphism(recipes: list[str]) -> None:
    cells = {recipe: NLP.parse(recipe) for recipe in set(recipes)}
    by_key: dict[str, list[str]] = {}
    for recipe, cell in cells.items():
        by_key.setdefault(cell.key, []).append(recipe)
    assert len(by_key) == len(set(cells.values())) == 265
    for same in by_key.values():
        assert all(isomorphic(same[0], other) for other in same[1:])
    first = [same[0] for same in by_key.values()]
    by_size: dict[tuple[int, int], list[str]] = {}
    for recipe in first:
        graph = as_graph(recipe)
        by_size.setdefault((len(graph), graph.number_of_edges()), []).append(recipe)
    for alike in by_size.values():
        assert not any(isomorphic(a, b) for a, b in itertools.combinations(alike, 2))


def test_renamed_and_reordered_recipes_are_the_same_cell() -> None:
    rng = np.random.default_rng(0)
    for cell in NLP.architectures(NLP.sample(50, rng)):
        recipe = json.loads(str(cell))
        names = {
            name: name if name.startswith("h_new") else f"other_{i}"
            for i, name in enumerate(recipe)
        }
        moved = {}
        for name in rng.permutation(list(recipe)).tolist():
            sources = [names.get(source, source) for source in recipe[name]["input"]]
            if recipe[name]["op"] != "blend":
                rng.shuffle(sources)
            moved[names[name]] = {"op": recipe[name]["op"], "input": sources}
        assert NLP.parse(json.dumps(moved)) == cell


def test_the_sources_of_a_blend_have_an_order() -> None:
    def blend(*sources: str) -> str:
        return json.dumps(
            {
                "a": {"op": "linear", "input": ["x", "h_prev_0"]},
                "b": {"op": "activation_tanh", "input": ["a"]},
                "h_new_0": {"op": "blend", "input": sources},
            }
        )

    cells = [NLP.parse(blend(*order)) for order in itertools.permutations(["a", "b", "h_prev_0"])]
    assert len({cell.key for cell in cells}) == len(set(cells)) == 6
    assert cells[0].nodes.count("blend rest") == 1


def test_the_subset_of_twelve_nodes() -> None:
    small = spaces.nas_bench_nlp(12)
    assert small.parse(RNN).key == NLP.parse(RNN).key
    assert small.fingerprint != NLP.fingerprint
    cells = small.architectures(small.sample(200, np.random.default_rng(0)))
    sizes = [len(json.loads(str(cell))) for cell in cells]
    assert max(sizes) <= 12
    assert len(set(sizes)) > 6


def test_sampled_cells_use_everything() -> None:
    for cell in NLP.architectures(NLP.sample(100, np.random.default_rng(1))):
        recipe = json.loads(str(cell))
        read = {source for node in recipe.values() for source in node["input"]}
        states = sum(name.startswith("h_new_") for name in recipe)
        assert {"x", *(f"h_prev_{j}" for j in range(states))} <= read
        assert all(name in read or name.startswith("h_new_") for name in recipe)
        assert all(node["op"] == "linear" or "x" not in node["input"] for node in recipe.values())


def params(**given: str) -> dict[str, str]:
    """Decisions in a space of three nodes, all first choices unless given."""
    space = RecurrentCell(max_nodes=3)
    return {d.name: str(d.choices[0]) for d in space.decisions} | given


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # No node at all: a linear one.
        ({}, '{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}'),
        # tanh can't read x: it reads the next source. Then nothing reads x, so it becomes linear.
        (
            {"node_1_op": "activation_tanh"},
            '{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}',
        ),
        # A sum lacks a second source: linear.
        (
            {
                "node_1_op": "elementwise_sum",
                "node_2_op": "activation_tanh",
                "node_2_input_0": "node_1",
                "state_0": "node_2",
            },
            RNN.replace('"i"', '"node_1"'),
        ),
        # The second state's previous value is not read: it goes.
        (
            {
                "states": "2",
                "node_1_op": "linear_2",
                "node_1_input_1": "h_prev_0",
                "node_2_op": "activation_tanh",
                "node_2_input_0": "node_1",
                "state_0": "node_2",
                "state_1": "node_1",
            },
            RNN.replace('"i"', '"node_1"'),
        ),
    ],
)
def test_repair_does_what_is_documented(given: dict[str, str], expected: str) -> None:
    assert str(RecurrentCell(max_nodes=3).from_params(params(**given))) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no recipe; one reads"),
        ("[1]", "is no recipe; one reads"),
        ('{"h_new_0": 3}', "node 'h_new_0' must read"),
        ('{"h_new_0": {"op": "conv", "input": ["x"]}}', "node 'h_new_0' is conv of 1; known are"),
        (
            '{"h_new_0": {"op": "linear", "input": ["x"]}}',
            "is linear of 1; known are .*linear of 2",
        ),
        (
            '{"h_new_0": {"op": "linear", "input": ["x", "y"]}}',
            "reads 'y', which is neither a node",
        ),
        ('{"h_new_0": {"op": "linear", "input": ["x", "h_prev_1"]}}', "reads 'h_prev_1', which is"),
        ('{"h_new_0": {"op": "linear", "input": ["x", "x"]}}', "is no cell of .* sources differ"),
        ('{"h_new_0": {"op": "activation_tanh", "input": ["h_prev_0"]}}', "must be read"),
        (RNN.replace("h_new_0", "h"), r"new states are \[\]: h_new_0 is needed"),
        (RNN.replace("h_new_0", "h_new_1"), r"new states are \['h_new_1'\]"),
        (
            '{"a": {"op": "linear", "input": ["x", "b"]}, "b": {"op": "activation_tanh", "input": ["a"]},'
            ' "h_new_0": {"op": "linear", "input": ["b", "h_prev_0"]}}',
            r"has a cycle among \['a', 'b', 'h_new_0'\]",
        ),
    ],
)
def test_bad_recipes_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NLP.parse(text)


def test_recipes_with_too_many_nodes_are_refused() -> None:
    chain = {"node_0": {"op": "linear", "input": ["x", "h_prev_0"]}}
    for i in range(1, 25):
        name = "h_new_0" if i == 24 else f"node_{i}"
        chain[name] = {"op": "activation_tanh", "input": [f"node_{i - 1}"]}
    with pytest.raises(ValueError, match=r"has 25 nodes; the space has 24"):
        NLP.parse(json.dumps(chain))
    assert len(json.loads(str(RecurrentCell(25).parse(json.dumps(chain))))) == 25


def test_too_small_spaces_are_refused() -> None:
    with pytest.raises(ValueError, match="max_nodes=2 must be an integer of at least 3"):
        RecurrentCell(max_nodes=2)
