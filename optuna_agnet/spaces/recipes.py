"""Recipes of recurrent cells, the text form of NAS-Bench-NLP (Klyuchnikov et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping

BLEND = "blend"
OPERATIONS = {
    "linear_2": ("linear", 2),
    "linear_3": ("linear", 3),
    BLEND: (BLEND, 3),
    "elementwise_prod": ("elementwise_prod", 2),
    "elementwise_sum": ("elementwise_sum", 2),
    "activation_tanh": ("activation_tanh", 1),
    "activation_sigm": ("activation_sigm", 1),
    "activation_leaky_relu": ("activation_leaky_relu", 1),
}
"""Choices of a node: the recipe's operation and its number of inputs. A linear node takes two or three."""


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


def in_order(nodes: Mapping[str, tuple[str, list[str]]], known: set[str]) -> list[str]:
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
