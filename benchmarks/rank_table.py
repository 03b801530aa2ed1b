"""The table of FCNet: the rank among all 62,208 configurations of the best one found, median over seeds.

The same space without order is a row of its own. The results are rounded, and so is the table that they are ranked in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import curves
from benchmarks.problems import fcnet
from benchmarks.records import Record
from benchmarks.run import rounded

QUERIES = (16, 32, 64, 96)


def rows(dataset: str) -> Iterator[list[str]]:
    """Method, seeds, median rank and geometric mean of the loss by queries, milliseconds an ask."""
    table = np.sort([rounded(loss) for loss in fcnet.losses(dataset).ravel()])
    for problem, suffix in ((f"fcnet-{dataset}", ""), (f"fcnet-{dataset}-unordered", ", no order")):
        for results in curves.load(problem):
            for method, runs in results.methods.items():
                row = [dataset, method + suffix, str(len(runs))]
                row += [cell(runs, queries, table) for queries in QUERIES]
                yield [*row, f"{1e3 * np.mean([np.mean(run.seconds) for run in runs]):.1f}"]


def cell(runs: Sequence[Record], queries: int, table: np.ndarray) -> str:
    """Median rank and geometric mean of the loss after so many queries."""
    best = np.array([curves.best(run)[queries - 1] for run in runs])
    rank = np.median(1 + np.searchsorted(table, best))
    return f"{rank:.0f} ({np.exp(np.log(best).mean()):.3g})"


def ranks() -> Iterator[str]:
    """All four data sets as one table."""
    found = [row for dataset in fcnet.DATASETS for row in rows(dataset)]
    if not found:
        return
    head = ["data", "method", "seeds", *(f"@{n}" for n in QUERIES), "ms an ask"]
    yield from ("#### fcnet: median rank of the best of 62,208 (geometric mean of its loss)", "")
    yield from (f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *found))
    yield ""
