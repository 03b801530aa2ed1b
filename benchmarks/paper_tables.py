"""The paper's tables, our runs of the same methods beside them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks import curves
from benchmarks.at_once_table import AT_ONCE
from benchmarks.curves import Results
from benchmarks.markdown import at, feasible_share, markdown, spread, value
from benchmarks.problems import hwnas
from benchmarks.records import Record
from optuna_agnet.core.arrays import FloatArray

PAPER = Path(__file__).parent / "paper"
AT_MOST = 200  # queries of Table 5
_AUTOENCODER = "its graph autoencoder is not rebuilt here"
_SUPERNET = "its supernet is trained on images, not looked up"
PUBLISHED_ONLY = {
    "Arch2vec + RL": _AUTOENCODER,
    "Arch2vec + BO": _AUTOENCODER,
    "NAO": "its encoder, predictor and decoder of token sequences (LSTMs) are not rebuilt here",
    "SGNAS": _SUPERNET,
    "SGNAS + LSO": _SUPERNET,
    "GANAS": "its adversarial generator, trained by reinforcement, is not rebuilt here",
}
"""Why nothing of ours stands beside a method of the paper's tables."""

LimitedRuns: TypeAlias = dict[tuple[str, int], dict[str, list[Record]]]  # by row of Table 5, method


def published(table: int) -> list[dict[str, str]]:
    """Rows of benchmarks/paper/table<n>.csv."""
    with (PAPER / f"table{table}.csv").open() as file:
        return list(csv.DictReader(file))


def with_sd(row: dict[str, str], column: str) -> str:
    deviation = row.get(f"{column}_sd", "")
    text = row.get(column, "")  # Tables 10 and 11 have no test accuracy
    return f"{text} ± {deviation}" if deviation else text


def beside_paper(table: int) -> Iterator[str]:
    """Every row of a table of the paper, and our runs of the same method at the same queries."""
    rows = published(table)
    head = ["paper", "queries", "its validation", "its test", "here", "seeds", "validation", "test"]
    for problem in dict.fromkeys(row["problem"] for row in rows):
        for results in curves.load(problem):
            shown = [
                line for row in rows if row["problem"] == problem for line in beside(row, results)
            ]
            yield from (f"#### Table {table}, {problem} ({results.data})", "")
            yield from markdown([*head, "best test (oracle)"], shown)


def beside(row: dict[str, str], results: Results) -> Iterator[list[str]]:
    paper = [row["method"], row["queries"], with_sd(row, "val"), with_sd(row, "test")]
    if row["method"] == "Optimum":
        yield [
            *paper,
            "the table",
            "",
            "" if np.isnan(results.optimum) else f"{results.optimum:.2f}",
            "",
            "",
        ]
    elif not row["here"]:
        yield [*paper, f"published only: {PUBLISHED_ONLY[row['method']]}", "", "", "", ""]
    for name in row["here"].split():
        wanted, here = int(row["queries"]), results.methods.get(name, [])
        runs = [run for run in here if run.budget >= wanted] or here
        queries = min(wanted, *(run.budget for run in runs)) if runs else wanted
        seeds = f"{len(runs)}" + (f", @{queries}" if queries < wanted else "")
        scores = (value, curves.test_of_best, curves.best_test)
        ours = [spread(at(runs, queries, score), len(runs)) for score in scores]
        yield [*paper, name, seeds if runs else "not run", *ours]
        paper = ["", row["queries"], "", ""]


def limited_runs() -> LimitedRuns:
    """Runs by row of Table 5 and method; those with two objectives have "Joint=1" behind the method's name."""
    found: LimitedRuns = {}
    for device, limits in hwnas.LIMITS.items():
        for limit in limits:
            by_method = found[device, limit] = {}
            for suffix, label in (("", ""), ("-joint", " Joint=1")):
                for results in curves.load(f"hw-{device}-{limit}{suffix}"):
                    for name, runs in results.methods.items():
                        if not name.endswith(AT_ONCE):  # these have a table of their own
                            by_method[name + label] = runs
    return {row: by_method for row, by_method in found.items() if by_method}


def table5() -> Iterator[str]:
    """Best and mean of the seeds and the share of feasible queries, a table each."""
    runs_of = limited_runs()
    methods = sorted({name for by_method in runs_of.values() for name in by_method})
    paper = {(row["device"], int(row["limit"]), row["method"]): row for row in published(5)}
    settings = ("Joint=0", "Joint=1", "Random")
    for title, theirs, ours in (
        ("best of the seeds; * is the exact optimum", paper_best, our_best),
        ("mean of the seeds (and what is missing to the optimum)", paper_mean, our_mean),
        ("share of queries that keep the limit", paper_feasible, our_feasible),
    ):
        rows = []
        for (device, limit), by_method in runs_of.items():
            optimum = next(iter(by_method.values()))[0].optimum or np.nan
            published_optimum = paper[device, limit, "Optimum"]["best"]
            row = [f"{device} {limit} ms", published_optimum]
            row += [
                theirs(paper[device, limit, name], float(published_optimum)) for name in settings
            ]
            row += [f"{optimum:.2f}", *(ours(by_method.get(name, []), optimum) for name in methods)]
            rows.append(row)
        head = ["limit", "optimum, paper", *(f"{name}, paper" for name in settings)]
        ours_by_name = [f"{name} ({seeds(runs_of, name)})" for name in methods]
        if rows:
            yield from (f"#### Table 5: {title}; at most {AT_MOST} queries; in brackets seeds", "")
            yield from markdown([*head, "optimum, here", *ours_by_name], rows)


def paper_best(row: dict[str, str], optimum: float) -> str:
    return row["best"] + "*" * (float(row["best"]) == optimum)


def paper_mean(row: dict[str, str], optimum: float) -> str:
    return f"{row['mean']} ({optimum - float(row['mean']):.1f})"


def paper_feasible(row: dict[str, str], optimum: float) -> str:
    return row["feasible"]


def bests(runs: Sequence[Record]) -> FloatArray:
    """The best (S,) of each run that found a feasible architecture."""
    found = np.array([curves.best(run)[:AT_MOST][-1] for run in runs])
    return np.asarray(found[~np.isnan(found)])


def our_best(runs: Sequence[Record], optimum: float) -> str:
    found = bests(runs)
    if not len(found):
        return "none" if runs else ""
    return f"{found.max():.2f}" + "*" * bool(optimum - found.max() <= curves.TOLERANCE)


def our_mean(runs: Sequence[Record], optimum: float) -> str:
    found = bests(runs)
    if not len(found):
        return "none" if runs else ""
    few = "" if len(found) == len(runs) else f", {len(found)} of {len(runs)} seeds"
    return f"{found.mean():.2f} ({optimum - found.mean():.2f}{few})"


def our_feasible(runs: Sequence[Record], optimum: float) -> str:
    return f"{np.mean([feasible_share(run, AT_MOST) for run in runs]):.2f}" if runs else ""


def seeds(runs_of: LimitedRuns, method: str) -> str:
    """How many runs a method has, from the row that has the fewest to the one that has the most."""
    counts = {len(found[method]) for found in runs_of.values() if method in found}
    return " to ".join(map(str, sorted({min(counts), max(counts)})))


def table5_counts() -> Iterator[str]:
    """In how many rows of Table 5 a method finds the optimum, how close its mean comes, and what keeps the limit."""
    runs_of = limited_runs()
    rows = []
    for name in sorted({name for by_method in runs_of.values() for name in by_method}):
        found = [by_method[name] for by_method in runs_of.values() if name in by_method]
        gaps = [(runs[0].optimum or np.nan) - bests(runs) for runs in found]
        best = [gap.min() if len(gap) else np.nan for gap in gaps]
        mean = [gap.mean() if len(gap) else np.nan for gap in gaps]
        kept = [feasible_share(run, AT_MOST) for runs in found for run in runs]
        rows.append([name, *in_short(seeds(runs_of, name), best, mean, kept)])
    if not rows:
        return
    rows += [[f"{name}, published", *in_short("10", *counts)] for name, *counts in published_gaps()]
    yield from (f"#### Table 5 in short; at most {AT_MOST} queries", "")
    head = ["method", "limits", "seeds", "optimum found by the best seed", "mean within 0.2"]
    yield from markdown([*head, "missing, mean of the limits", "queries that keep the limit"], rows)


def in_short(
    seeds: str, best: Sequence[float], mean: Sequence[float], kept: Sequence[float]
) -> list[str]:
    """Of what is missing to each limit's optimum, by the best seed and by the mean."""
    optima = sum(gap <= curves.TOLERANCE for gap in best)
    close = sum(gap <= 0.2 for gap in mean)
    missing = f"{np.nanmean(mean):.2f}" if np.isfinite(mean).any() else ""
    return [str(len(mean)), seeds, str(optima), str(close), missing, f"{np.mean(kept):.2f}"]


def published_gaps() -> Iterator[tuple[str, list[float], list[float], list[float]]]:
    """What the paper's rows miss, by the best of ten runs and by their mean, and their shares of feasible queries."""
    rows = published(5)
    optimum = {
        (r["device"], r["limit"]): float(r["best"]) for r in rows if r["method"] == "Optimum"
    }
    for name, shown in (("Joint=0", "AG-Net"), ("Joint=1", "AG-Net Joint=1"), ("Random", "random")):
        own = [row for row in rows if row["method"] == name]
        best, mean = (
            [round(optimum[row["device"], row["limit"]] - float(row[column]), 1) for row in own]
            for column in ("best", "mean")
        )
        yield shown, best, mean, [float(row["feasible"]) for row in own]
