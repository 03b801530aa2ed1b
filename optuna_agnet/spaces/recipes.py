"""Recipes of recurrent cells, the text form of NAS-Bench-NLP (Klyuchnikov et al. 2020)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.spaces.recurrent_repair import BLEND, FIRST_NODE, OPERATIONS, STATES, Cells

REST = "blend rest"
"""Label of (1 - g) b, the second part of a blend in the graph of a value."""
Recipe: TypeAlias = dict[str, tuple[str, list[str]]]
"""Choice of its operation and sources of each node, by name."""

_STATE_NAMES = [f"h_new_{j}" for j in range(STATES)]


def read_recipe(text: str) -> Recipe | None:
    """A recipe's nodes, None where the text is none.

    Raises:
        ValueError: A node is not as it should be.
    """
    try:
        return {str(name): read_node(name, spec) for name, spec in json.loads(text).items()}
    except (json.JSONDecodeError, AttributeError):
        return None


def read_node(name: str, spec: Mapping[str, object]) -> tuple[str, list[str]]:
    """A node of a recipe as the choice of its operation, and its sources.

    Raises:
        ValueError: The operation isn't known with that number of sources.
    """
    try:
        op, sources = str(spec["op"]), [str(source) for source in spec["input"]]  # type: ignore[attr-defined]
    except (KeyError, TypeError):
        raise ValueError(f'node \'{name}\' must read {{"op": ..., "input": [...]}}') from None
    for choice, kind in OPERATIONS.items():
        if kind == (op, len(sources)):
            return choice, sources
    known = sorted({f"{kind} of {arity}" for kind, arity in OPERATIONS.values()})
    raise ValueError(
        f"node '{name}' is {op} of {len(sources)}; known are {', '.join(known)} inputs"
    )


def in_order(nodes: Recipe, known: set[str]) -> list[str]:
    """Names in topological order, as given where that is one.

    Raises:
        ValueError: A source doesn't exist, or the recipe has a cycle.
    """
    for name, (_, sources) in nodes.items():
        for source in sources:
            if source not in nodes and source not in known:
                raise ValueError(
                    f"node '{name}' reads '{source}', which is neither a node nor one of {sorted(known)}"
                )
    placed: list[str] = []
    while len(placed) < len(nodes):
        before = len(placed)
        for name, (_, sources) in nodes.items():
            if name not in placed and all(s in placed or s not in nodes for s in sources):
                placed.append(name)
        if len(placed) == before:
            rest = [name for name in nodes if name not in placed]
            raise ValueError(
                f"the recipe has a cycle among {rest}: a node can't read what follows it"
            )
    return placed


def cells_of(nodes: Recipe, max_nodes: int) -> Cells:
    """A recipe as one cell.

    Raises:
        ValueError: There are too many nodes, a state is missing, or as in `in_order`.
    """
    if len(nodes) > max_nodes:
        raise ValueError(f"the recipe has {len(nodes)} nodes; the space has {max_nodes}")
    states = sorted(set(nodes) & set(_STATE_NAMES))
    if states != _STATE_NAMES[: max(1, len(states))]:
        raise ValueError(
            f"the recipe's new states are {states}: h_new_0 is needed, then h_new_1, ..."
        )
    number = {"x": 0, **{f"h_prev_{j}": 1 + j for j in range(len(states))}}
    ops = np.zeros((1, max_nodes), dtype=np.int64)
    inputs, outputs = np.zeros((1, max_nodes, 3), dtype=np.int64), np.full((1, STATES), FIRST_NODE)
    for i, name in enumerate(in_order(nodes, set(number))):
        op, sources = nodes[name]
        ops[0, i] = 1 + list(OPERATIONS).index(op)
        inputs[0, i, : len(sources)] = [number[source] for source in sources]
        number[name] = FIRST_NODE + i
    outputs[0, : len(states)] = [number[name] for name in states]
    return Cells(np.array([len(states)]), ops, inputs, outputs)


def write_recipe(cells: Cells) -> str:
    """The first of some cells as a recipe."""
    ops, inputs = cells.ops[0].tolist(), cells.inputs[0].tolist()
    names = ["x", *(f"h_prev_{j}" for j in range(STATES))]
    names += [f"node_{i}" for i in range(1, len(ops) + 1)]
    for name, node in zip(_STATE_NAMES[: int(cells.states[0])], cells.outputs[0], strict=False):
        names[node] = name
    recipe = {}
    for name, op, sources in zip(names[FIRST_NODE:], ops, inputs, strict=True):
        if op:
            kind, arity = list(OPERATIONS.values())[op - 1]
            recipe[name] = {"op": kind, "input": [names[s] for s in sources[:arity]]}
    return json.dumps(recipe)


def recipe_of(architecture: Architecture) -> Recipe:
    """The recipe of a value's graph; raises ValueError, IndexError or KeyError for a foreign one."""
    labels = architecture.nodes
    into: list[list[int]] = [[] for _ in labels]
    for i, j in architecture.edges:
        into[j].append(i)
    names = {i: label for i, label in enumerate(labels) if label.startswith("h_prev_")}
    names[0] = "x"
    states = {into[i][0]: label for i, label in enumerate(labels) if label in _STATE_NAMES}
    nodes: Recipe = {}
    for i, label in enumerate(labels):
        if label in OPERATIONS:
            sources = _blended(i, into, labels) if label == BLEND else into[i]
            names[i] = states.get(i, f"node {i}")
            spec = {"op": OPERATIONS[label][0], "input": [names[s] for s in sources]}
            nodes[names[i]] = read_node(names[i], spec)
    return nodes


def _blended(node: int, into: list[list[int]], labels: tuple[str, ...]) -> list[int]:
    """Gate, first and second source of a blend."""
    (rest,) = (s for s in into[node] if labels[s] == REST)
    (gate,) = (s for s in into[rest] if s in into[node])
    return [gate, *(s for s in (*into[node], *into[rest]) if s not in (rest, gate))]
