"""What tables in Markdown are made of: cells of means over seeds, and the places in files that they are written to."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks import curves
from benchmarks.records import Record
from optuna_agnet.core.arrays import FloatArray

END = "<!-- end -->\n"


def start(command: str) -> str:
    """The line above what the command writes into a file; `END` is below."""
    return f"<!-- python -m benchmarks.{command} --write -->\n"


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


def paired(differences: FloatArray) -> str:
    """Mean of paired differences (N,) and its standard error."""
    error = differences.std(ddof=1) / len(differences) ** 0.5
    return f"{differences.mean():+.2f} ± {error:.2f}"


def difference(
    pairs: Sequence[tuple[Record, Record]],
    queries: int,
    score: Callable[[Record, int], float] = value,
) -> str:
    """Mean and standard error of what the first of each pair has more than the second, where both have something."""
    found = np.array(
        [
            score(one, queries) - score(other, queries)
            for one, other in pairs
            if min(one.budget, other.budget) >= queries
        ]
    )
    known = found[~np.isnan(found)]
    return paired(known) if len(known) > 1 else ""


def write(text: str, path: Path, command: str) -> None:
    """Put the text between the markers of a command in a Markdown file.

    Raises:
        ValueError: The markers are missing.
    """
    before, found, rest = path.read_text().partition(start(command))
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"{path} lacks {start(command)!r} and {END!r}, between which it goes")
    path.write_text(f"{before}{found}\n{text}\n{end}{after}")


def write_or_print(lines: Iterable[str], page: Path, command: str, about: str | None) -> None:
    """What a command does that has one part of a page to say: ``--write`` puts it there, else it is printed."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--write", action="store_true", help=f"put it into {page}")
    arguments, text = parser.parse_args(), "\n".join(lines)
    if arguments.write:
        write(text, page, command)
    else:
        print(text)
