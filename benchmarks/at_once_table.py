"""Tables of searches that evaluate several architectures at once: at equal numbers of trials, and of rounds.

``python -m benchmarks.at_once_table --write`` puts the short one into docs/workers.md, `benchmarks.tables` the others
into benchmarks/README.md. What was tried is in results/at_once_tried.jsonl, the best so far after some numbers of
trials a line. Workers are simulated: "rounds" tells all results before the next are asked for, "one by one" has a
worker ask again as soon as its own evaluation has ended, while the others still run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks import curves, records
from benchmarks.curves import Results
from benchmarks.markdown import at, difference, markdown, paired, spread, value, write_or_print
from benchmarks.methods.at_once import DURATIONS, SAMPLERS, SIZES, WORKERS
from benchmarks.records import Record
from optuna_agnet.core.arrays import FloatArray

PAGE = Path(__file__).parents[1] / "docs" / "workers.md"
CELLS = {
    "nb201-c10": "NAS-Bench-201, CIFAR-10",
    "nb201-c100": "NAS-Bench-201, CIFAR-100",
    "nb201-in16": "NAS-Bench-201, ImageNet16-120",
    "nb301": "DARTS cells",
}
BESIDE = (  # limits, a front, and both
    "nb201-c100-lat5",
    "hw-edgegpu-4",
    "pareto-edgegpu-latency-in16",
    "hw-edgegpu-4-joint",
)
QUERIES = (32, 48, 64, 96)
LOST_AT = (48, 64)
ROUNDS = (4, 6, 12)
TRIED_AT = (24, 32, 48, 64)
THEN = "the default of then"
KINDS = {
    **{(str(size), "equal"): f"-ask{size}" for size in SIZES},
    **{(str(WORKERS), kind): f"-workers{WORKERS}-{kind}" for kind in DURATIONS},
}
"""How many at once, and how long their evaluations take, to how a method's name ends."""
AT_ONCE = tuple(KINDS.values())


def score(run: Record, queries: int) -> float:
    """The best so far; of a front its hypervolume in percent of the exact one's."""
    if run.reference is None:
        return value(run, queries)
    return 100 * curves.front_share(run, queries)


def rows(results: Results) -> Iterator[list[str]]:
    """Each method one at a time and at once; in brackets the difference to the default one at a time."""
    default = {run.seed: run for run in results.methods.get("agnet", [])}
    for (size, durations), ending in {("1", ""): "", **KINDS}.items():
        for name in SAMPLERS:
            runs = results.methods.get(name + ending, [])
            row = [results.problem, size, durations, name, str(len(runs))]
            pairs = [(run, default[run.seed]) for run in runs if run.seed in default]
            for queries in QUERIES:
                reached = spread(at(runs, queries, score), len(runs))
                behind = difference(pairs, queries, score) if name + ending != "agnet" else ""
                row.append(f"{reached} ({behind})" if behind else reached)
            if runs:
                yield row


def at_once() -> Iterator[str]:
    """One table of all problems that were searched with several at once."""
    loaded = [results for problem in (*CELLS, *BESIDE) for results in curves.load(problem)]
    shown = [r for r in loaded if any(method.endswith(AT_ONCE) for method in r.methods)]
    if not shown:
        return
    yield from (
        "#### Several at once: best after as many trials (in brackets beside the default one at a time, same seeds)",
        "",
        "Equal durations are rounds. Otherwise each worker asks again as soon as its own evaluation has ended, which"
        " takes 0.5 to 1.5, drawn at random, or 0.5 and the share of convolutions. `nb201-c100-lat5` and"
        " `hw-edgegpu-4` have a limit that is learned; `pareto-*`: hypervolume in percent of the exact front's;"
        " `hw-edgegpu-4-joint` has both, shown is the most accurate within the limit.",
        "",
    )
    head = ["problem", "at once", "durations", "method", "seeds", *(f"@{n}" for n in QUERIES)]
    yield from markdown(head, [row for results in shown for row in rows(results)])


def beside() -> Iterator[str]:
    """What the default has more or less than the others that were asked for as many, with the same seeds."""
    rows = []
    for results in (found for problem in (*CELLS, *BESIDE) for found in curves.load(problem)):
        for ((size, durations), ending), name in product(KINDS.items(), SAMPLERS):
            ours = {run.seed: run for run in results.methods.get("agnet" + ending, [])}
            theirs = results.methods.get(name + ending, []) if name != "agnet" else []
            pairs = [(ours[run.seed], run) for run in theirs if run.seed in ours]
            gains = [difference(pairs, queries, score) for queries in QUERIES]
            if any(gains):
                rows.append([results.problem, size, durations, name, str(len(pairs)), *gains])
    if rows:
        yield from (
            "#### Several at once: the default, less others asked for as many, same seeds",
            "",
        )
        head = ["problem", "at once", "durations", "less", "seeds", *(f"@{n}" for n in QUERIES)]
        yield from markdown(head, rows)


def by_rounds() -> Iterator[str]:
    """What more at once bring in the same time: one row a number of rounds, one column a number at once."""
    rows = []
    for results in (found for problem in CELLS for found in curves.load(problem)):
        for rounds, name in product(ROUNDS, SAMPLERS):
            row = [results.problem, str(rounds), name]
            for size, ending in ((1, ""), *((size, f"-ask{size}") for size in SIZES)):
                reached = at(results.methods.get(name + ending, []), rounds * size, value)
                row.append(spread(reached, len(reached)))
            rows.append(row)
    if not rows:
        return
    yield from (
        "#### Several at once: best after as many rounds, each as long as one evaluation",
        "",
    )
    yield from markdown(["problem", "rounds", "method", "1", *map(str, SIZES)], rows)


def lost() -> Iterator[str]:
    """What several at once have more or less than one at a time, after as many trials with the same seeds."""
    kinds = [kind for kind in KINDS if kind[1] != "convolutions"]
    rows = []
    for results in (found for problem in CELLS for found in curves.load(problem)):
        default = {run.seed: run for run in results.methods["agnet"]}
        row = [CELLS[results.problem]]
        for queries, kind in product(LOST_AT, kinds):
            runs = results.methods["agnet" + KINDS[kind]]
            row.append(difference([(run, default[run.seed]) for run in runs], queries))
        rows.append(row)
    names = [size if kind == "equal" else f"{size}, none waits" for size, kind in kinds]
    head = [f"{name} @{queries}" for queries, name in product(LOST_AT, names)]
    yield from markdown(["points, ± standard error", *head], rows)


def tried() -> Iterator[str]:
    """What was tried for several at once, beside the default of then; that beside one at a time. Paired by seed."""
    best: dict[tuple[str, str, str, str, str], dict[int, FloatArray]] = defaultdict(dict)
    for row in records.rows(records.RESULTS / "at_once_tried.jsonl"):
        key = row["problem"], row["candidates"], str(row["at_once"]), row["workers"], row["tried"]
        best[key][row["seed"]] = np.array([row["best"][str(n)] for n in TRIED_AT])
    lines = []
    for (problem, candidates, size, workers, name), found in best.items():
        if size == "1":
            continue
        beside = (size, workers) if name != THEN else ("1", "rounds")
        other = best.get((problem, candidates, *beside, THEN), {})
        both = sorted(found.keys() & other.keys())
        if len(both) > 1:
            gains = np.array([found[seed] - other[seed] for seed in both])
            row = [problem, candidates, size, workers, name, str(len(both))]
            lines.append([*row, *(paired(column) for column in gains.T)])
    if lines:
        yield from (
            f"#### Tried for several at once: less {THEN}, and {THEN} less one at a time, same seeds",
            "",
        )
        head = ["problem", "candidates", "at once", "workers", "tried", "seeds"]
        yield from markdown([*head, *(f"@{n}" for n in TRIED_AT)], lines)


def main() -> None:
    write_or_print(lost(), PAGE, "at_once_table", __doc__)


if __name__ == "__main__":
    main()
