"""Markdown tables from the committed results: ``python -m benchmarks.tables``."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np

from benchmarks.run import RESULTS

QUERIES = (48, 96, 192)


def rows(path: object = RESULTS / "nb201.jsonl") -> list[str]:
    runs = defaultdict(dict)
    for line in path.read_text().splitlines():
        result = json.loads(line)
        runs[result["problem"], result["method"]][result["seed"]] = result
    lines = [
        f"| problem (optimum) | method | seeds | {' | '.join(f'@{n}' for n in QUERIES)} | test @192 | "
        "optimum found @48/96/192 | ms an ask @48 / @192 | s a search |",
        "|" + " --- |" * 10,
    ]
    for (problem, method), by_seed in sorted(runs.items()):
        found = list(by_seed.values())
        values = np.array([run["values"] for run in found])
        best = np.maximum.accumulate(values, 1)[:, [n - 1 for n in QUERIES]]
        seconds = np.array([run["seconds"] for run in found])
        optimum = found[0]["optimum"]
        test = np.array([run["test"]["192"] for run in found])
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
    print("\n".join(rows()))
