"""Which operations each place of a cell may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces.checks import check_operations

_Place = TypeVar("_Place")
_Ordered = TypeVar("_Ordered", int, tuple[int, int])


def operations_by_place(
    places: Sequence[_Place],
    ops: Sequence[str],
    own: Mapping[_Place, Sequence[str]] | None,
    argument: str,
) -> list[tuple[str, ...]]:
    """The operations of each place: its own, or else those of all.

    Args:
        places: Edges or nodes of the cell.
        ops: Operations of the places that have none of their own; may be missing where all have.
        own: Operations of some places.
        argument: What the user calls ``own``.

    Raises:
        TypeError: ``own`` is no mapping.
        ValueError: It names a place that the cell lacks, or operations are not as they should be.

    Example:
        >>> operations_by_place([1, 2], ("conv", "pool"), {2: ("skip",)}, "node_ops")
        [('conv', 'pool'), ('skip',)]
    """
    given = {} if own is None else own
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{argument}={own!r} must be a dict, such as {{{places[0]!r}: ('conv', 'skip')}}"
        )
    unknown = [place for place in given if place not in places]
    if unknown:
        raise ValueError(f"{argument} names {unknown}; the cell has {list(places)}")
    if len(given) == len(places) and not ops:
        return [check_operations(given[place]) for place in places]
    others = check_operations(ops)
    return [check_operations(given[place]) if place in given else others for place in places]


def in_order(own: Mapping[_Ordered, Sequence[str]] | None) -> dict[_Ordered, tuple[str, ...]]:
    """The operations of single places, by place: a space is the same however they are written.

    Example:
        >>> in_order({2: ["skip"], 1: ("conv",)})
        {1: ('conv',), 2: ('skip',)}
    """
    return {place: tuple(ops) for place, ops in sorted((own or {}).items())}


def all_operations(by_place: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Each operation once."""
    return tuple(dict.fromkeys(op for ops in by_place for op in ops))


def operation_table(by_place: Sequence[Sequence[str]]) -> IntArray:
    """(P, K): numbers in `all_operations` of the choices of each place; -1 behind the last one."""
    number = {op: k for k, op in enumerate(all_operations(by_place))}
    table = np.full((len(by_place), max(map(len, by_place))), -1)
    for row, ops in zip(table, by_place, strict=True):
        row[: len(ops)] = [number[op] for op in ops]
    return table
