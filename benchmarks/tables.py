"""Markdown tables from the committed results alone.

``python -m benchmarks.tables`` prints all of them, ``python -m benchmarks.tables "Table 2"`` one; ``--write`` puts them
into benchmarks/README.md. Means and standard deviations (of the population) are over seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import at_once_table, curves, joint, joint_aims, problems, rank_table
from benchmarks.curves import Results
from benchmarks.markdown import at, difference, feasible_share, markdown, spread, value, write
from benchmarks.methods import ablations
from benchmarks.paper_tables import beside_paper, table5, table5_counts
from benchmarks.problems import chains, nb301
from benchmarks.records import Record

README = Path(__file__).parent / "README.md"
QUERIES = (48, 96, 192, 300, 400)
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
            kept = at(runs, last, feasible_share)
            row += [f"{np.mean(kept):.2f}" if kept else ""]
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
        '`agnet-batch16` is the paper\'s round of 16 with one frozen model, not `ask(16)`: see "Several at once".',
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
    """The default search with each surrogate: best so far on the seeds that all have, and seconds an ask."""
    rows = []
    for results in (r for name in IN_README for r in curves.load(name)):
        runs_of = {method: of_seeds(results, method) for method in SURROGATES}
        runs_of = {method: runs for method, runs in runs_of.items() if runs}
        shared = set.intersection(*(set(runs) for runs in runs_of.values())) if runs_of else set()
        for method, by_seed in runs_of.items() if "agnet-gnn" in runs_of else ():
            runs = [by_seed[seed] for seed in sorted(shared)]
            row = [results.problem, SURROGATES[method], str(len(runs))]
            row += [spread(at(runs, n, value), len(runs)) for n in SURROGATES_AT]
            seconds = [np.mean(run.seconds[: SURROGATES_AT[-1]]) for run in runs]
            rows.append([*row, f"{np.mean(seconds):.2f}" if seconds else ""])
    if rows:
        yield from ("#### Surrogates: the default search with each, the same seeds", "")
        head = ["problem", "surrogate", "seeds", *(f"@{n}" for n in SURROGATES_AT), "s an ask"]
        yield from markdown(head, rows)


def of_seeds(results: Results, method: str) -> dict[int, Record]:
    """A method's runs by seed, those that surrogates are compared on."""
    runs = results.methods.get(method, [])
    return {run.seed: run for run in runs if run.seed in SURROGATE_SEEDS}


def scores() -> Iterator[str]:
    """Searches that begin with scores instead of at random: best so far, and beside the default with the same seeds."""
    for results in (r for name in IN_README for r in curves.load(name)):
        found = {n: runs for n, runs in results.methods.items() if n.startswith("agnet+")}
        if not found or "agnet" not in results.methods:
            continue
        default = {run.seed: run for run in results.methods["agnet"]}
        rows = [["agnet", *best_and_gain(list(default.values()), {})]]
        rows += [[n, *best_and_gain(runs, default)] for n, runs in found.items()]
        yield from (f"#### Scores instead of a random start, {results.problem}", "")
        head = ["method", "seeds", *(f"@{n}" for n in SCORES_AT), "optimum by 48"]
        yield from markdown(head, rows)


def best_and_gain(runs: Sequence[Record], default: Mapping[int, Record]) -> list[str]:
    """Seeds, the mean best at each number of queries, how many have the optimum by 48.

    In brackets by how much the mean is more than the default's of the same seeds, and of how many where not of all.
    """
    pairs = [(run, default[run.seed]) for run in runs if run.seed in default]
    cells = [str(len(runs))]
    for n in SCORES_AT:
        known = at(runs, n, value)
        gain = difference(pairs, n)
        some = f"seeds: {len(known)}" if len(known) < len(runs) else ""
        note = "; ".join(filter(None, (gain, some)))
        cells.append(f"{np.mean(known):.2f}{note and f' ({note})'}" if known else "")
    needed = np.array([curves.queries_to_optimum(run) for run in runs if run.budget >= 48])
    found = needed[~np.isnan(needed)]
    return [*cells, f"{int((found <= 48).sum())} of {len(found)}" if len(found) else ""]


def summary() -> Iterator[str]:
    """Searches in short."""
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
    "joint-aims": joint_aims.aims,
    "drawn": joint.drawn,
    "skips": skip_shares,
    "parts": parts,
    "surrogates": surrogates,
    "scores": scores,
    "at-once": at_once_table.at_once,
    "at-once-beside": at_once_table.beside,
    "at-once-rounds": at_once_table.by_rounds,
    "at-once-tried": at_once_table.tried,
    "limits": partial(searches, names("nb201-c100-lat"), search_table),
    "table5": table5,
    "many-decisions": partial(searches, tuple(chains.PROBLEMS), missing_table),
    "fronts": partial(searches, names("pareto-"), front_table),
}


ONE_BY_ONE: dict[str, Callable[[], Iterator[str]]] = {  # 1 to 3 are 8 to 11 without deviations
    **{f"table{n}": partial(beside_paper, n) for n in (1, 2, 3)},
    "summary": summary,
    "table5-short": table5_counts,
}


def everything() -> str:
    return "\n".join(line for table in TABLES.values() for line in table())


def write_all(path: Path = README) -> None:
    """Everything, and what the page says in short, into their places."""
    write(everything(), path, "tables")
    for name in ("summary", "table5-short"):
        write("\n".join(ONE_BY_ONE[name]()), path, f"tables {name}")


def plain_name(text: str) -> str:
    """A table's or figure's name as it is here: "Table 2" is table2."""
    return text.lower().replace(" ", "")


def main() -> None:
    known = {**TABLES, **ONE_BY_ONE}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", type=plain_name, choices=known, help="default: all")
    parser.add_argument("--write", action="store_true", help=f"put all tables into {README}")
    arguments = parser.parse_args()
    try:
        if arguments.write:
            write_all()
        else:
            print("\n".join(known[arguments.name]()) if arguments.name else everything())
    except ValueError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
