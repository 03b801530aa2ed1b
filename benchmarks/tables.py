"""Markdown tables from the committed results alone.

``python -m benchmarks.tables`` prints all of them, ``python -m benchmarks.tables NAME`` one; ``--write`` puts them into
benchmarks/README.md. Means and standard deviations (of the population) are over seeds.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import curves, problems, rank_table
from benchmarks.curves import Results
from benchmarks.methods import ablations
from benchmarks.problems import chains, hwnas, nb301
from benchmarks.records import Record
from optuna_agnet.core.arrays import FloatArray

PAPER = Path(__file__).parent / "paper"
README = Path(__file__).parent / "README.md"
START, END = "<!-- python -m benchmarks.tables --write -->\n", "<!-- end -->\n"
QUERIES = (48, 96, 192, 300, 400)
AT_MOST = 200  # Table 5
TABULAR = tuple(name for name in problems.PROBLEMS if name.startswith("nb") and "lat" not in name)
IN_SHORT = (
    "agnet",
    "agnet-paper",
    "agnet-paper-turns",
    "local-search",
    "regularized-evolution",
    "tpe",
    "random",
)
PARTS = tuple(f"agnet-{name}" for name in ablations.CHANGES)
PARTS_AT = (48, 96, 192)
SURROGATES = {
    "agnet": "Gaussian process",
    "agnet-gnn": "graph neural networks",
    "agnet-xgb": "XGBoost",
    "agnet-mlp": "MLP",
}
SURROGATES_AT = (48, 96)
SURROGATE_SEEDS = range(5)
MISSING_AT = (32, 48, 96, 192)
SCORES_AT = (8, 16, 20, 24, 48, 96)
IN_README = ("nb201-c10", "nb201-c100", "nb201-in16", "nb101", "nb301")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table without the columns that are empty in every row."""
    filled = [k for k in range(len(head)) if any(row[k] for row in rows)]
    lines = [f"| {' | '.join(row[k] for k in filled)} |" for row in (head, *rows)]
    return [lines[0], "|" + " --- |" * len(filled), *lines[1:], ""]


def spread(values: Sequence[float], seeds: int) -> str:
    """Mean and deviation of what is known; in brackets how many that is, where it is not every seed."""
    known = np.array([value for value in values if not np.isnan(value)])
    if not len(known):
        return ""
    text = f"{known.mean():.2f} ± {known.std():.2f}"
    return text if len(known) == seeds else f"{text} ({len(known)})"


def at(runs: Sequence[Record], queries: int, score: Callable[[Record, int], float]) -> list[float]:
    """The score of each run that is long enough."""
    return [score(run, queries) for run in runs if run.budget >= queries]


def value(run: Record, queries: int) -> float:
    return float(curves.best(run)[queries - 1])


def feasible_share(run: Record, queries: int) -> float:
    return float(curves.feasible(run)[:queries].mean())


def to_optimum(runs: Sequence[Record]) -> str:
    """Median queries to the optimum, and in how many seeds it was found."""
    needed = np.array([curves.queries_to_optimum(run) for run in runs])
    if np.isnan(needed).any():
        return ""
    middle = np.median(needed)
    longest = max(run.budget for run in runs)
    median = f"> {longest}" if np.isinf(middle) else f"{middle:.0f}"
    return f"{median} ({int(np.isfinite(needed).sum())}/{len(needed)})"


def per_ask(runs: Sequence[Record]) -> str:
    """Mean milliseconds a query that the method itself took, first 192 queries."""
    return f"{1e3 * np.mean([np.mean(run.seconds[:192]) for run in runs]):.1f}"


# -- one problem: every method -------------------------------------------------------------------------------------


def search_table(results: Results) -> list[str]:
    """Best feasible value by queries, what it is on the test set, and what it cost."""
    runs_of = results.methods
    reached = [
        n for n in QUERIES if any(run.budget >= n for runs in runs_of.values() for run in runs)
    ]
    last = max(n for n in reached if n <= 192)
    constrained = bool(next(iter(runs_of.values()))[0].constraints)
    head = ["method", "seeds", *(f"@{n}" for n in reached)]
    head += [f"regret @{last}", "feasible"] if constrained else []
    head += [f"test @{last}", f"best test @{last} (oracle)", "queries to the optimum", "ms an ask"]
    rows = []
    for name, runs in runs_of.items():
        row = [name, str(len(runs))]
        row += [spread(at(runs, n, value), len(runs)) for n in reached]
        if constrained:
            regret = results.optimum - np.array(at(runs, last, value))
            row += [spread(regret.tolist(), len(runs))]
            row += [f"{np.mean(at(runs, last, feasible_share)):.2f}"]
        row += [
            spread(at(runs, last, score), len(runs))
            for score in (curves.test_of_best, curves.best_test)
        ]
        rows.append([*row, to_optimum(runs), per_ask(runs)])
    return markdown(head, rows)


def front_table(results: Results) -> list[str]:
    """Hypervolume as a percentage of the exact front's."""
    rows = []
    for name, runs in results.methods.items():
        shares = [[100 * share for share in at(runs, n, curves.front_share)] for n in (48, 96, 192)]
        rows.append([name, str(len(runs)), *(spread(s, len(runs)) for s in shares), per_ask(runs)])
    return markdown(["method", "seeds", "@48", "@96", "@192", "ms an ask"], rows)


def searches(names: Sequence[str], table: Callable[[Results], list[str]]) -> Iterator[str]:
    """A table a problem and version of its data."""
    for name in names:
        for results in curves.load(name):
            yield from (f"#### {name}{optimum_of(results)} ({results.data})", "", *table(results))


def missing_table(results: Results) -> list[str]:
    """What is missing of the way from the median random architecture to the optimum, beside local search."""
    reference = results.methods.get("local-search", [])
    rows = []
    for name, runs in results.methods.items():
        found = [[100 - v for v in at(runs, n, value)] for n in MISSING_AT]
        shares = [share_of(runs, reference, n) for n in MISSING_AT]
        rows.append(
            [name, str(len(runs)), *(spread(f, len(runs)) for f in found), *shares, per_ask(runs)]
        )
    head = [f"missing @{n}, %" for n in MISSING_AT] + [f"share @{n}" for n in MISSING_AT]
    return markdown(["method", "seeds", *head, "ms an ask"], rows)


def share_of(runs: Sequence[Record], reference: Sequence[Record], queries: int) -> str:
    """The mean of what is missing in units of that of other runs, on the seeds that both have."""
    ours, theirs = (
        {run.seed: 100 - value(run, queries) for run in some if run.budget >= queries}
        for some in (runs, reference)
    )
    both = ours.keys() & theirs.keys()
    return f"{sum(ours[s] for s in both) / sum(theirs[s] for s in both):.2f}" if both else ""


def skip_shares() -> Iterator[str]:
    """Share of skip connections in the best cells of nb301, whose surrogate over-rates them; a seventh is chance."""
    for results in curves.load("nb301"):
        rows = []
        for name, runs in results.methods.items():
            kept = [run for run in runs if run.best is not None]
            shares = [100 * skips(str(run.best)) for run in kept]
            final = [value(run, run.budget) for run in kept]
            row = [name, str(len(kept)), spread(final, len(kept)), spread(shares, len(kept))]
            rows += [row] if kept else []
        if rows:
            yield from (f"#### Skip connections in the best cells, nb301 ({results.data})", "")
            yield from markdown(["method", "seeds", "best", "skips, % of the operations"], rows)


def skips(genotype: str) -> float:
    return nb301.skip_share(nb301.SPACE.choices([nb301.SPACE.parse(genotype)]))


def optimum_of(results: Results) -> str:
    reference = next(iter(results.methods.values()))[0].reference
    if np.isnan(results.optimum):
        return ""
    if reference is None:
        return f", optimum {results.optimum:.2f}"
    point = ", ".join(f"{value:.4g}" for value in reference)
    return f", hypervolume of the exact front {results.optimum:.2f} from ({point})"


# -- the paper's tables, ours beside them ----------------------------------------------------------------------------


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
        yield [*paper, "published only", "", "", "", ""]
    for name in row["here"].split():
        runs = [run for run in results.methods.get(name, []) if run.budget >= int(row["queries"])]
        scores = (value, curves.test_of_best, curves.best_test)
        ours = [spread(at(runs, int(row["queries"]), score), len(runs)) for score in scores]
        yield [*paper, name, str(len(runs) or "not run"), *ours]
        paper = ["", row["queries"], "", ""]


# -- Table 5: limits on six devices ----------------------------------------------------------------------------------


def limited_runs() -> dict[tuple[str, int], dict[str, list[Record]]]:
    """Runs by row of Table 5 and method; those with two objectives have "Joint=1" behind the method's name."""
    found: dict[tuple[str, int], dict[str, list[Record]]] = {}
    for device, limits in hwnas.LIMITS.items():
        for limit in limits:
            by_method = found[device, limit] = {}
            for suffix, label in (("", ""), ("-joint", " Joint=1")):
                for results in curves.load(f"hw-{device}-{limit}{suffix}"):
                    for name, runs in results.methods.items():
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
        if rows:
            yield from (f"#### Table 5: {title}; at most {AT_MOST} queries", "")
            yield from markdown([*head, "optimum, here", *methods], rows)


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


def table5_counts() -> Iterator[str]:
    """In how many rows of Table 5 a method finds the optimum, and how close its mean comes."""
    runs_of = limited_runs()
    rows = []
    for name in sorted({name for by_method in runs_of.values() for name in by_method}):
        gaps = [
            (by_method[name][0].optimum or np.nan) - bests(by_method[name])
            for by_method in runs_of.values()
            if name in by_method
        ]
        found = sum(bool(len(gap)) and gap.min() <= curves.TOLERANCE for gap in gaps)
        close = sum(bool(len(gap)) and gap.mean() <= 0.2 for gap in gaps)
        seeds = min(len(by_method[name]) for by_method in runs_of.values() if name in by_method)
        rows.append([name, str(len(gaps)), str(seeds), str(found), str(close)])
    if rows:
        yield from (f"#### Table 5 in short; at most {AT_MOST} queries", "")
        head = ["method", "limits", "seeds", "optimum found by the best seed", "mean within 0.2"]
        yield from markdown(head, rows)


# -- what the parts of the default are worth -------------------------------------------------------------------------


def parts() -> Iterator[str]:
    """Variants of the default against it, on the same seeds: mean difference and its standard error."""
    shown = [results for name in IN_README for results in curves.load(name)]
    shown = [results for results in shown if "agnet" in results.methods]
    found = [name for name in PARTS if any(name in results.methods for results in shown)]
    if not found:
        return
    yield from (
        "#### Parts of the default: variant minus default, same seeds, ± standard error",
        "",
    )
    head = ["variant", "problem", "seeds", *(f"@{n}" for n in PARTS_AT)]
    rows = []
    for name in found:
        for results in (r for r in shown if name in r.methods):
            default = {run.seed: run for run in results.methods["agnet"]}
            pairs = [
                (run, default[run.seed]) for run in results.methods[name] if run.seed in default
            ]
            row = [name, results.problem, str(len(pairs))]
            rows.append([*row, *(difference(pairs, queries) for queries in PARTS_AT)])
    yield from markdown(head, rows)


def surrogates() -> Iterator[str]:
    """The default search with each surrogate: best so far on the seeds that all of them have, and seconds an ask."""
    rows = []
    for results in (r for name in IN_README for r in curves.load(name)):
        if "agnet-gnn" not in results.methods:
            continue
        for method, surrogate in SURROGATES.items():
            runs = [r for r in results.methods.get(method, []) if r.seed in SURROGATE_SEEDS]
            if not runs:
                continue
            row = [results.problem, surrogate, str(len(runs))]
            row += [spread(at(runs, n, value), len(runs)) for n in SURROGATES_AT]
            seconds = np.mean([np.mean(run.seconds[: SURROGATES_AT[-1]]) for run in runs])
            rows.append([*row, f"{seconds:.2f}"])
    if rows:
        yield from ("#### Surrogates: the default search with each, the same seeds", "")
        head = ["problem", "surrogate", "seeds", *(f"@{n}" for n in SURROGATES_AT), "s an ask"]
        yield from markdown(head, rows)


def scores() -> Iterator[str]:
    """Searches that begin with scores instead of at random: best so far, and beside the default with the same seeds."""
    for results in (r for name in IN_README for r in curves.load(name)):
        found = {n: runs for n, runs in results.methods.items() if n.startswith("agnet+")}
        if not found or "agnet" not in results.methods:
            continue
        default = {run.seed: run for run in results.methods["agnet"]}
        rows = [["agnet", str(len(default)), *best_and_gain(list(default.values()), {})]]
        rows += [[n, str(len(runs)), *best_and_gain(runs, default)] for n, runs in found.items()]
        yield from (f"#### Scores instead of a random start, {results.problem}", "")
        yield from markdown(["method", "seeds", *(f"@{n}" for n in SCORES_AT)], rows)


def best_and_gain(runs: Sequence[Record], default: Mapping[int, Record]) -> list[str]:
    """At each number of queries the mean best, and in brackets by how much that is more than the default's."""
    pairs = [(run, default[run.seed]) for run in runs if run.seed in default]
    cells = []
    for n in SCORES_AT:
        known = at(runs, n, value)
        gain = difference(pairs, n) if pairs else ""
        cells.append(f"{np.mean(known):.2f}{gain and f' ({gain})'}" if known else "")
    return cells


def difference(pairs: Sequence[tuple[Record, Record]], queries: int) -> str:
    """Mean and standard error of what the first of each pair has more than the second."""
    found = [
        value(one, queries) - value(other, queries)
        for one, other in pairs
        if min(one.budget, other.budget) >= queries
    ]
    return paired(np.array(found)) if len(found) > 1 else ""


def paired(differences: FloatArray) -> str:
    """Mean of paired differences (N,) and its standard error."""
    error = differences.std(ddof=1) / len(differences) ** 0.5
    return f"{differences.mean():+.2f} ± {error:.2f}"


# -- the repository's README -----------------------------------------------------------------------------------------


def summary() -> Iterator[str]:
    """Searches in short, for the repository's README."""
    queries = (48, 96, 192)
    head = ["problem (optimum)", "method", "seeds", *(f"@{n}" for n in queries)]
    head += ["optimum found @48/96/192", "s a search"]
    rows = []
    for results in (r for name in IN_README for r in curves.load(name)):
        known = "" if np.isnan(results.optimum) else f" ({results.optimum:.2f})"
        for name in (name for name in IN_SHORT if name in results.methods):
            runs = results.methods[name]
            needed = np.array([curves.queries_to_optimum(run) for run in runs])
            row = [f"{results.problem}{known}", name, str(len(runs))]
            row += [spread(at(runs, n, value), len(runs)) for n in queries]
            row += ["/".join(str(int((needed <= n).sum())) for n in queries) if known else ""]
            seconds = np.mean([np.sum(run.seconds[:192]) for run in runs])
            rows.append([*row, f"{seconds:.1f}"])
    yield from markdown(head, rows)


def names(prefix: str) -> list[str]:
    return [name for name in problems.PROBLEMS if name.startswith(prefix)]


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "searches": partial(searches, TABULAR, search_table),
    **{f"table{n}": partial(beside_paper, n) for n in (8, 9, 6, 7, 10, 11)},
    "fcnet": rank_table.ranks,
    "skips": skip_shares,
    "parts": parts,
    "surrogates": surrogates,
    "scores": scores,
    "limits": partial(searches, names("nb201-c100-lat"), search_table),
    "table5-short": table5_counts,
    "table5": table5,
    "many-decisions": partial(searches, tuple(chains.PROBLEMS), missing_table),
    "fronts": partial(searches, names("pareto-"), front_table),
}


def everything() -> str:
    return "\n".join(line for table in TABLES.values() for line in table())


def write(text: str, path: Path = README) -> None:
    """Put the tables between the markers of a Markdown file.

    Raises:
        ValueError: The markers are missing.
    """
    before, start, rest = path.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"{path} lacks the lines {START!r} and {END!r} that the tables go between")
    path.write_text(f"{before}{start}\n{text}\n{end}{after}")


def main() -> None:
    known = {**TABLES, "summary": summary}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", choices=known, help="default: all but summary")
    parser.add_argument("--write", action="store_true", help=f"put all tables into {README}")
    arguments = parser.parse_args()
    try:
        if arguments.write:
            write(everything())
        else:
            print("\n".join(known[arguments.name]()) if arguments.name else everything())
    except ValueError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
