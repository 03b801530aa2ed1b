"""Real search problems, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

from benchmarks.problems import nb201
from benchmarks.problems.base import Outcomes, Problem, data_file

PROBLEMS: dict[str, Callable[[], Problem]] = {
    **{f"nb201-{dataset}": partial(nb201.load, dataset) for dataset in nb201.DATASETS},
}


@lru_cache
def load(name: str) -> Problem:
    """The problem of that name.

    Raises:
        ValueError: There is none.
        FileNotFoundError: Its data is missing.
    """
    if name not in PROBLEMS:
        raise ValueError(f"unknown problem '{name}'; known: {', '.join(PROBLEMS)}")
    return PROBLEMS[name]()


__all__ = ["PROBLEMS", "Outcomes", "Problem", "data_file", "load"]
