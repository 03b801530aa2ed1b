"""What the tests of sentences share: a number in a text is computed from committed lines and looked for in the page."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import curves
from benchmarks.markdown import at, value
from benchmarks.records import Record

ROOT = Path(__file__).parents[3]
NB201 = ("nb201-c10", "nb201-c100", "nb201-in16")
PAPER = ("agnet-paper", "agnet-paper Joint=1")


@functools.cache
def text(page: str) -> str:
    """With single blanks, so that a sentence may be broken anywhere."""
    return " ".join((ROOT / page).read_text().split())


@functools.cache
def runs(problem: str, method: str) -> Sequence[Record]:
    (found,) = curves.load(problem)
    return found.methods[method]


def says(sentence: str, page: str = "benchmarks/README.md") -> None:
    assert sentence in text(page), f"{page} should say: {sentence}"


def means(problem: str, method: str, queries: int, score=value) -> float:
    return float(np.mean(at(runs(problem, method), queries, score)))
