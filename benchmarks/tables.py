"""Markdown tables from the committed results: ``python -m benchmarks.tables summary``."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from benchmarks import records
from benchmarks.records import Record

QUERIES = (48, 96, 192)


def summary() -> list[str]:
    """NAS-Bench-201 in short, for the repository's README."""
    runs: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for problem in ("nb201-c10", "nb201-c100", "nb201-in16"):
        for record in records.longest(records.read(records.RESULTS / f"{problem}.jsonl")).values():
            runs[problem, record.method].append(record)
    lines = [
        f"| problem (optimum) | method | seeds | {' | '.join(f'@{n}' for n in QUERIES)} | test @192 | "
        "optimum found @48/96/192 | ms an ask @48 / @192 | s a search |",
        "|" + " --- |" * 10,
    ]
    for (problem, method), found in sorted(runs.items()):
        values = np.array([run.values[0] for run in found])
        at = np.array([[int(v[:n].argmax()) for n in QUERIES] for v in values])
        best = np.take_along_axis(values, at, 1)
        seconds = np.array([run.seconds for run in found])
        optimum = found[0].optimum or np.nan
        test = np.array([run.test[k] for run, k in zip(found, at[:, -1], strict=True)])
        cells = [f"{m:.2f} ± {s:.2f}" for m, s in zip(best.mean(0), best.std(0), strict=True)]
        hits = "/".join(str(int(n)) for n in (best >= optimum - 1e-3).sum(0))
        asks = [1e3 * np.median(seconds[:, n - 8 : n]) for n in (48, 192)]
        tested = f"{test.mean():.2f} ± {test.std():.2f}"
        lines.append(
            f"| {problem} ({optimum:.2f}) | {method} | {len(found)} | {' | '.join(cells)} | {tested} |"
            f" {hits} | {asks[0]:.1f} / {asks[1]:.1f} | {seconds.sum(1).mean():.1f} |"
        )
    return lines


if __name__ == "__main__":
    print("\n".join(summary()))
