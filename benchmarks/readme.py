"""The table on the repository's first page, from the committed results: ``python -m benchmarks.readme --write``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import curves
from benchmarks.curves import Results
from benchmarks.markdown import at, markdown, spread, value, write_or_print

README = Path(__file__).parents[1] / "README.md"
PROBLEMS = {
    "nb201-c10": "NAS-Bench-201, CIFAR-10",
    "nb201-c100": "NAS-Bench-201, CIFAR-100",
    "nb201-in16": "NAS-Bench-201, ImageNet16-120",
    "nb101": "NAS-Bench-101",
    "nb301": "DARTS cells",
}
METHODS = {"agnet": "AG-Net", "gp": "GPSampler", "tpe": "TPESampler", "random": "random"}
SHOWN = [("agnet", 48), *((name, 96) for name in METHODS)]


def first_page() -> Iterator[str]:
    """Best validation accuracy after so many trained architectures, one row a problem."""
    head = ["mean ± deviation, %", "best", *(f"{METHODS[name]} @{n}" for name, n in SHOWN)]
    rows = [row for name in PROBLEMS for row in _rows(name)]
    yield from markdown(head, rows)


def _rows(name: str) -> Iterator[list[str]]:
    for results in curves.load(name):
        known = "" if np.isnan(results.optimum) else f"{results.optimum:.2f}"
        yield [PROBLEMS[name], known, *(_cell(results, *shown) for shown in SHOWN)]


def _cell(results: Results, method: str, queries: int) -> str:
    runs = results.methods.get(method, [])
    return spread(at(runs, queries, value), len(runs)) if runs else ""


def main() -> None:
    write_or_print(first_page(), README, "readme", __doc__)


if __name__ == "__main__":
    main()
