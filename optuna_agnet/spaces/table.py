"""A space as a short table, which notebooks show."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from optuna_agnet.core.html import html_value
from optuna_agnet.spaces.decision import Decision

if TYPE_CHECKING:
    from optuna_agnet.spaces.base import SearchSpace

_ROWS = 12
_CHOICES = 10


def space_table(space: SearchSpace) -> str:
    """Decisions and their choices as HTML; neighbours with the same choices share a row.

    Example:
        >>> from optuna_agnet import spaces
        >>> "op_0_1 ... op_2_3 (6)" in space_table(spaces.nas_bench_201())
        True
    """
    rows = list(_rows(space.decisions))
    if len(rows) > _ROWS:
        rows = [*rows[:_ROWS], (f"and {len(rows) - _ROWS} more", "")]
    title = (
        f"{space.name}: {len(space.decisions)} decisions, {space.num_combinations:,} combinations"
    )
    return html_value(title, rows, ("decision", "choices"))


def _rows(decisions: tuple[Decision, ...]) -> Iterator[tuple[str, str]]:
    for (choices, ordered), group in groupby(decisions, lambda d: (d.choices, d.ordered)):
        names = [decision.name for decision in group]
        name = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]} ({len(names)})"
        shown = (" < " if ordered else ", ").join(map(str, choices[:_CHOICES]))
        yield name, shown + (f", ... ({len(choices)})" if len(choices) > _CHOICES else "")
