"""The table of searches that evaluate 8 or 16 architectures at once, at equal numbers of trials."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import curves
from benchmarks.curves import Results
from benchmarks.markdown import at, difference, markdown, spread, value
from benchmarks.methods.at_once import SAMPLERS, SIZES

PROBLEMS = ("nb201-c10", "nb201-c100", "nb201-in16", "nb301")
QUERIES = (32, 48, 64, 96)


def rows(results: Results) -> Iterator[list[str]]:
    """Each method one at a time and at once; in brackets the difference to the default one at a time."""
    default = {run.seed: run for run in results.methods.get("agnet", [])}
    for size in (1, *SIZES):
        for name in SAMPLERS:
            runs = results.methods.get(name if size == 1 else f"{name}-ask{size}", [])
            row = [results.problem, str(size), name, str(len(runs))]
            for queries in QUERIES:
                pairs = [(run, default[run.seed]) for run in runs if run.seed in default]
                behind = (
                    difference(pairs, queries) if pairs and (name, size) != ("agnet", 1) else ""
                )
                reached = spread(at(runs, queries, value), len(runs))
                row.append(f"{reached} ({behind})" if behind else reached)
            if runs:
                yield row


def at_once() -> Iterator[str]:
    """One table of all problems that were searched with several at once."""
    loaded = [results for problem in PROBLEMS for results in curves.load(problem)]
    shown = [r for r in loaded if any("-ask" in method for method in r.methods)]
    if not shown:
        return
    yield from (
        "#### Several at once: best after as many trials (in brackets beside the default one at a time, same seeds)",
        "",
    )
    head = ["problem", "at once", "method", "seeds", *(f"@{n}" for n in QUERIES)]
    yield from markdown(head, [row for results in shown for row in rows(results)])
