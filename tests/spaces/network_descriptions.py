"""Random nested spaces as plain descriptions, and naive twins of what a space does with them.

A description is a tuple: ("choice", values), ("ordered", values), ("cell", space), ("net", parts), ("one", parts) or
("repeat", part, least, most). The twins read descriptions and plain values alone, nothing of the product.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from optuna_agnet.spaces import (
    Chain,
    EdgeCell,
    Network,
    NodeCell,
    OneOf,
    Repeat,
    SearchSpace,
    Stack,
    ordered,
)

Description = tuple[Any, ...]

MOST_DECISIONS = 40
CELLS = (
    EdgeCell(nodes=3, ops=("conv", "none")),
    Chain(layers=[("conv", "skip"), ("skip", "pool", "conv")]),
    NodeCell(max_nodes=4, max_edges=4, ops=("conv", "pool")),
    Stack(a=EdgeCell(nodes=2, ops=("conv", "none")), b=NodeCell(3, 2, ops=("conv",))),
    Stack(
        a=Stack(b=EdgeCell(nodes=2, ops=("conv", "none"))),
        c=NodeCell(4, 4, ("conv",), node_ops={2: ("pool", "conv")}, max_in_degree=1),
    ),
)
CHOICES = (("relu", "gelu"), (True, False), ("a=b", "none", "input", "x.y"), (3, "same", 0.5), (1,))
ORDERED = ((16, 32, 64, 512), (0.0, 0.1, 0.5), (2, 3), (-4, 0, 1), (7,))


def _leaf(cells: bool) -> st.SearchStrategy[Description]:
    leaves = [
        st.sampled_from(CHOICES).map(lambda values: ("choice", values)),
        st.sampled_from(ORDERED).map(lambda values: ("ordered", values)),
    ]
    if cells:
        leaves.append(st.sampled_from(CELLS).map(lambda space: ("cell", space)))
    return st.one_of(leaves)


@st.composite
def _part(draw: st.DrawFn, depth: int, cells: bool) -> Description:
    kinds = ["leaf", "net", "one", "repeat"] if depth else ["leaf"]
    kind = draw(st.sampled_from(kinds))
    if kind == "leaf":
        return draw(_leaf(cells))
    below = _part(depth=depth - 1, cells=cells)
    if kind == "repeat":
        least = draw(st.integers(0, 2))
        return ("repeat", draw(below), least, draw(st.integers(max(least, 1), 3)))
    names = draw(st.lists(st.sampled_from("abcd"), min_size=kind == "one", max_size=3, unique=True))
    return (kind, {name: draw(below) for name in names})


def descriptions(cells: bool = True, most: int = MOST_DECISIONS) -> st.SearchStrategy[Description]:
    """Networks nested to a depth of four, with 1 to ``most`` decisions."""
    roots = _part(depth=4, cells=cells).filter(lambda d: d[0] in ("net", "one", "repeat"))
    return roots.filter(lambda d: 1 <= num_decisions(d) <= most)


def build(description: Description) -> Any:
    kind, *rest = description
    if kind == "choice":
        return rest[0]
    if kind == "ordered":
        return ordered(*rest[0])
    if kind == "cell":
        return rest[0]
    if kind == "repeat":
        return Repeat(build(rest[0]), *rest[1:])
    parts = {name: build(part) for name, part in rest[0].items()}
    return Network(**parts) if kind == "net" else OneOf(**parts)


def num_decisions(description: Description) -> int:
    kind, *rest = description
    if kind in ("choice", "ordered"):
        return 1
    if kind == "cell":
        return len(rest[0].decisions)
    if kind == "repeat":
        return 1 + rest[2] * num_decisions(rest[0])
    return (kind == "one") + sum(map(num_decisions, rest[0].values()))


def count(description: Description) -> int:
    kind, *rest = description
    if kind in ("choice", "ordered"):
        return len(rest[0])
    if kind == "cell":
        return len(rest[0].enumerate())
    if kind == "repeat":
        return sum(count(rest[0]) ** n for n in range(rest[1], rest[2] + 1))
    counts = [count(part) for part in rest[0].values()]
    return math.prod(counts) if kind == "net" else sum(counts)


def every_value(description: Description) -> Iterator[Any]:
    """All plain values."""
    kind, *rest = description
    if kind in ("choice", "ordered"):
        yield from rest[0]
    elif kind == "cell":
        yield from map(str, rest[0].architectures(rest[0].enumerate()))
    elif kind == "repeat":
        for n in range(rest[1], rest[2] + 1):
            yield from map(list, itertools.product(*[list(every_value(rest[0]))] * n))
    elif kind == "one":
        for name, part in rest[0].items():
            yield from ({name: value} for value in every_value(part))
    else:
        parts = [list(every_value(part)) for part in rest[0].values()]
        for values in itertools.product(*parts):
            yield dict(zip(rest[0], values, strict=True))


def random_value(description: Description, rng: random.Random) -> Any:
    kind, *rest = description
    if kind in ("choice", "ordered"):
        return rng.choice(rest[0])
    if kind == "cell":
        return str(rest[0].random_architecture(rng.randrange(2**30)))
    if kind == "repeat":
        return [random_value(rest[0], rng) for _ in range(rng.randint(rest[1], rest[2]))]
    names = list(rest[0]) if kind == "net" else [rng.choice(list(rest[0]))]
    return {name: random_value(rest[0][name], rng) for name in names}


def params(description: Description, value: Any, name: str = "") -> dict[str, Any]:
    """The parameters of a plain value, by name."""
    kind, *rest = description
    if kind in ("choice", "ordered"):
        return {name or "alternative": value}
    if kind == "cell":
        own = rest[0].to_params(rest[0].parse(value))
        return {_joined(name, n): choice for n, choice in own.items()}
    if kind == "repeat":
        found = {_joined(name, "depth"): len(value)}
        for j, block in enumerate(value):
            found.update(params(rest[0], block, _joined(name, str(j))))
        return found
    found = {name or "alternative": next(iter(value))} if kind == "one" else {}
    for part, below in value.items():
        found.update(params(rest[0][part], below, _joined(name, part)))
    return found


def num_variants(description: Description, dependent: bool = False) -> int:
    """Most choices that a decision below a OneOf or a Repeat has: so many ways to begin a new part are tried."""
    kind, *rest = description
    if kind in ("choice", "ordered"):
        return len(rest[0]) if dependent else 1
    if kind == "repeat":
        own = rest[2] - rest[1] + 1 if dependent else 1
        return max(own, num_variants(rest[0], True))
    below = [num_variants(part, dependent or kind == "one") for part in rest[0].values()]
    return max([len(rest[0]) if kind == "one" and dependent else 1, *below])


def new_value(description: Description, variant: int) -> Any:
    """What a new part begins with: of all choices the one whose turn it is, and blocks that are alike."""
    kind, *rest = description
    if kind in ("choice", "ordered"):
        return rest[0][variant % len(rest[0])]
    if kind == "repeat":
        depth = rest[1] + variant % (rest[2] - rest[1] + 1)
        return [new_value(rest[0], variant) for _ in range(depth)]
    names = list(rest[0]) if kind == "net" else [list(rest[0])[variant % len(rest[0])]]
    return {name: new_value(rest[0][name], variant) for name in names}


def neighbors(description: Description, value: Any, variants: int) -> Iterator[tuple[Any, int]]:
    """All values that one change makes of a value, without cells, and how many steps each is away."""
    kind, *rest = description
    if kind in ("choice", "ordered"):
        at = [(type(choice), choice) for choice in rest[0]].index((type(value), value))
        for k in {*range(len(rest[0]))} - {at}:
            yield rest[0][k], abs(k - at) if kind == "ordered" else 1
        return
    if kind == "repeat":
        yield from _other_depths(*rest, value, variants)
    if kind == "one":
        yield from _other_alternatives(rest[0], value, variants)
    below = enumerate(value) if kind == "repeat" else value.items()
    for place, own in below:
        part = rest[0] if kind == "repeat" else rest[0][place]
        for other, steps in neighbors(part, own, variants):
            changed = value.copy()
            changed[place] = other
            yield changed, steps


def _other_alternatives(
    parts: dict[str, Description], value: dict[str, Any], variants: int
) -> Iterator[tuple[Any, int]]:
    for name in parts.keys() - value.keys():
        for variant in range(variants):
            yield {name: new_value(parts[name], variant)}, 1


def _other_depths(
    part: Description, least: int, most: int, blocks: list[Any], variants: int
) -> Iterator[tuple[Any, int]]:
    for depth in set(range(least, most + 1)) - {len(blocks)}:
        for variant in range(variants):
            last = blocks[-1] if blocks else new_value(part, variant)
            more = [last] * (depth - len(blocks))
            yield [*blocks[:depth], *more], abs(depth - len(blocks))


def cells_in(
    description: Description, found: dict[str, Any], name: str = ""
) -> Iterator[tuple[SearchSpace, dict[str, Any]]]:
    """The cells that exist, each with the parameters of its own decisions."""
    kind, *rest = description
    if kind == "cell":
        start = f"{name}." if name else ""
        own = {n.removeprefix(start): c for n, c in found.items() if n.startswith(start)}
        yield rest[0], {d.name: own[d.name] for d in rest[0].decisions}
    elif kind == "repeat":
        for j in range(found[_joined(name, "depth")]):
            yield from cells_in(rest[0], found, _joined(name, str(j)))
    elif kind in ("net", "one"):
        for part in rest[0] if kind == "net" else [found[name or "alternative"]]:
            yield from cells_in(rest[0][part], found, _joined(name, part))


def _joined(*names: str) -> str:
    return ".".join(n for n in names if n)


def gower(space: SearchSpace, a: dict[str, Any], b: dict[str, Any]) -> float:
    """Mean distance of two architectures' parameters over all decisions of their space."""
    total = 0.0
    for decision in space.decisions:
        x, y = a.get(decision.name), b.get(decision.name)
        if x is None or y is None:
            total += (x is None) != (y is None)
        elif decision.ordered:
            low, high = decision.choices[0], decision.choices[-1]
            if low > 0 and high / low > 4:
                x, y, low, high = map(math.log, (x, y, low, high))
            total += abs(x - y) / (high - low) if high > low else 0
        else:
            total += not (x == y and isinstance(x, bool) == isinstance(y, bool))
    return total / len(space.decisions)
