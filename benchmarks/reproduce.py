"""The paper's tables and figures by name: ``python -m benchmarks.reproduce table2``.

It says which runs are missing and how long they should take, runs them and shows the table; without a name it lists
what there is. Runs are those of the committed results: seeds 0 to 9, the queries that the paper gives.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import figures, records, tables
from benchmarks.markdown import markdown, write
from benchmarks.methods import METHODS
from benchmarks.paper_tables import AT_MOST, published
from benchmarks.problems import hwnas
from benchmarks.run import Job, missing, pace, run_all

README = Path(__file__).parent / "README.md"
SEEDS = 10
LONGEST = 192  # queries of a figure that the paper gives none for

Runs = Iterable[tuple[str, str, int]]  # problem, method, queries


@dataclass(frozen=True)
class Item:
    """A table or figure of the paper.

    Args:
        title: What it is about.
        runs: The runs that it is made of; None where nothing of it is run here.
        shown: Names of our tables or figures that show it.
        where: What there is in the place of runs, for who looks for it.
    """

    title: str
    runs: Callable[[], Runs] | None = None
    shown: tuple[str, ...] = ()
    where: str = ""


def beside(*numbers: int) -> Iterator[tuple[str, str, int]]:
    """Our methods beside the paper's, with as many queries."""
    for table in numbers:
        for row in published(table):
            yield from ((row["problem"], name, int(row["queries"])) for name in row["here"].split())


def limits() -> Iterator[tuple[str, str, int]]:
    """Both settings of Table 5, with the default and the paper's algorithm, and random search."""
    for device, of_device in hwnas.LIMITS.items():
        for limit in of_device:
            yield f"hw-{device}-{limit}", "random", AT_MOST
            for name in ("agnet", "agnet-paper"):
                yield from (
                    (f"hw-{device}-{limit}{joint}", name, AT_MOST) for joint in ("", "-joint")
                )


def alone(problem: str, method: str = "agnet") -> Iterator[tuple[str, str, int]]:
    yield problem, method, LONGEST


def predictors() -> Iterator[tuple[str, str, int]]:
    yield from (("nb101", name, LONGEST) for name in sorted(figures.STRONG & set(METHODS)))


CELLS = {5: "nb101", 6: "nb201-in16", 7: "nb301", 8: "nbnlp"}
ITEMS = {
    "table1": Item("NAS-Bench-101", partial(beside, 1), ("table1",)),
    "table2": Item("NAS-Bench-201", partial(beside, 2), ("table2",)),
    "table3": Item("NAS-Bench-301 and NAS-Bench-NLP", partial(beside, 3), ("table3",)),
    "table4": Item(
        "ImageNet",
        where="not on ImageNet; on digits: `python -m benchmarks.table4`; on your images:"
        " `examples/training_free_turns.py`, `examples/darts_to_training.py`",
    ),
    "table5": Item("HW-NAS-Bench, 20 limits", limits, ("table5-short", "table5")),
    "table6": Item(
        "without weighted retraining or backpropagation", partial(beside, 6), ("table6",)
    ),
    "table7": Item("searches in the latent space", partial(beside, 7), ("table7",)),
    "table8": Item("Table 1 with deviations", partial(beside, 8), ("table8",)),
    "table9": Item("Table 2 with deviations", partial(beside, 9), ("table9",)),
    "table10": Item("Table 3, NAS-Bench-301", partial(beside, 10), ("table10",)),
    "table11": Item("Table 3, NAS-Bench-NLP", partial(beside, 11), ("table11",)),
    "table12": Item(
        "the generator's samples",
        where="`optuna-agnet generator-report nas_bench_101` and other spaces",
    ),
    "table13": Item("the generator's settings", where="`AGNetConfig.paper()`"),
    "table14": Item("the surrogate's settings", where="`AGNetConfig.paper()`"),
    "table15": Item(
        "both surrogates' settings under limits",
        where="`AGNetConfig.paper(training=TrainingConfig.paper_hardware())`",
    ),
    "figure1": Item(
        "the generator's samples during a search", partial(alone, "nb101"), ("figure1",)
    ),
    "figure2": Item("the generator's training", where="a drawing of the method: docs/how.md"),
    "figure3": Item("value over queries", partial(beside, 8, 9, 10, 11), ("figure3",)),
    "figure4": Item(
        "accuracy and feasible queries under limits", limits, ("figure4-left-11", "figure4-right")
    ),
    **{
        f"figure{n}": Item(f"a cell of {name}", partial(alone, name), (f"figure{n}",))
        for n, name in CELLS.items()
    },
    "figure9": Item("strong predictors on NAS-Bench-101", predictors, ("figure9",)),
    "figure10": Item("Table 7 over queries", partial(beside, 7), ("figure10",)),
    "figure11": Item("Figure 4 on other devices", limits, ("figure4-left-11",)),
    "figure12": Item("value over queries under limits", limits, ("figure12",)),
    "figure13": Item("the latent space in a search", partial(alone, "nb201-in16"), ("figure13",)),
}


def jobs(runs: Runs) -> list[Job]:
    """Each run once, as long as the longest that is asked for."""
    longest: dict[tuple[str, str], int] = {}
    for problem, method, queries in runs:
        longest[problem, method] = max(queries, longest.get((problem, method), 0))
    return [
        Job(problem, method, seed, queries)
        for (problem, method), queries in longest.items()
        for seed in range(SEEDS)
    ]


def path_of(problem: str) -> Path:
    return records.RESULTS / f"{problem}.jsonl"


def forecast(open_jobs: Sequence[Job], processes: int) -> str:
    """How many runs are missing, and how long they should take, from the committed runs of the same methods."""
    if not open_jobs:
        return "No run is missing."
    stored = (r for path in sorted(records.RESULTS.glob("*.jsonl")) for r in runs_in(path))
    expected = list(map(pace(stored), open_jobs))
    known = [seconds for seconds in expected if not math.isinf(seconds)]
    text = f"{len(open_jobs)} runs are missing"
    if known:
        text += f"; {processes} at a time they should take {duration(sum(known) / processes)}"
    if len(known) < len(expected):
        text += f"; how long {len(expected) - len(known)} of them take is not known"
    return f"{text}."


def runs_in(path: Path) -> Iterator[records.Record]:
    """The file's runs; none where its lines are of another kind, as those of `benchmarks.scaling` are."""
    try:
        yield from records.read(path)
    except ValueError:
        return


def duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{math.ceil(seconds / 60)} min"


def show(item: Item) -> None:
    for name in item.shown:
        if name in figures.FIGURES:
            print(figures.save(figures.FIGURES[name](), name, figures.FOLDER))
        else:
            print("\n".join({**tables.TABLES, **tables.ONE_BY_ONE}[name]()))


def spoken(name: str) -> str:
    """table2 is "Table 2"."""
    return re.sub(r"(\d+)", r" \1", name.capitalize())


def index() -> str:
    """All tables and figures of the paper, and what shows them here."""
    rows = []
    for name, item in ITEMS.items():
        command = f"`python -m benchmarks.reproduce {name}`" if item.runs else item.where
        rows.append([spoken(name), item.title, command])
    return "\n".join(markdown(["in the paper", "about", "here"], rows))


def reproduce(item: Item, processes: int, dry_run: bool) -> None:
    """Run what is missing and show it.

    Raises:
        ValueError: Data are missing, or there is nothing to run.
        RuntimeError: A run failed.
    """
    if item.runs is None:
        raise ValueError(f"{item.title}: {item.where}")
    open_jobs = missing(jobs(item.runs()), path_of, again=False)
    print(forecast(open_jobs, processes), flush=True)
    if dry_run:
        return
    failed = run_all(open_jobs, processes, path_of) if open_jobs else 0
    if failed:
        raise RuntimeError(f"{failed} of {len(open_jobs)} runs failed")
    show(item)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", type=tables.plain_name, choices=ITEMS, metavar="NAME")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="only say what is missing")
    parser.add_argument("--write", action="store_true", help=f"put the list into {README}")
    arguments = parser.parse_args()
    if arguments.write:
        write(index(), README, "reproduce")
    elif arguments.name is None:
        print(index())
    else:
        try:
            reproduce(ITEMS[arguments.name], arguments.jobs, arguments.dry_run)
        except (ValueError, OSError, RuntimeError) as error:
            raise SystemExit(str(error)) from None
        except KeyboardInterrupt:
            raise SystemExit("interrupted: the same command goes on from here") from None


if __name__ == "__main__":
    main()
