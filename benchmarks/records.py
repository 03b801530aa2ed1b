"""Finished runs: one JSON line each in benchmarks/results/<problem>.jsonl, with the machine that it ran on."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Record:
    """One run of a method on a problem; entry q of a list belongs to query q. None: failed, or unknown.

    Args:
        data: Version of the problem's data.
        versions: Of the packages that took part.
        directions: As `Problem.directions`; ``reference`` and ``optimum`` too.
        values: A list an objective.
        constraints: A list a constraint, by name; at most 0 is feasible.
        test: Test value of what was evaluated.
        seconds: Of the method alone, ask and tell.
        best: Text of the best architecture (`curves.best_query`); None where there is none, and in older lines.
        machine: As `machine` says, and what else decides it (None before the line is written where that is nothing, and
            in older lines).
    """

    problem: str
    data: str
    method: str
    seed: int
    budget: int
    versions: dict[str, str]
    directions: list[str]
    reference: list[float] | None
    optimum: float | None
    values: list[list[float | None]]
    constraints: dict[str, list[float | None]]
    test: list[float | None]
    seconds: list[float]
    best: str | None = None
    machine: dict[str, Any] | None = field(default=None, compare=False)

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What a run is one of: a longer one with the same key says all that a shorter one says."""
        return self.problem, self.data, self.method, self.seed


def read(path: Path) -> Iterator[Record]:
    """All runs of a file, in order; none where there is no file.

    Raises:
        ValueError: A line is no run; names file and line.
    """
    names = {field.name for field in fields(Record)}
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], start=1):
        try:
            content = json.loads(line)
            if not isinstance(content, dict) or {*content, "best", "machine"} != names:
                raise ValueError("its fields are not those of a run")
            yield Record(**content)
        except ValueError as error:
            raise ValueError(
                f"{path}:{number} is no run ({error}): mend or remove the line"
            ) from None


def longest(records: Iterator[Record]) -> dict[tuple[str, str, str, int], Record]:
    """The longest run of each key, the latest of those equally long."""
    found: dict[tuple[str, str, str, int], Record] = {}
    for record in records:
        if record.key not in found or record.budget >= found[record.key].budget:
            found[record.key] = record
    return found


def append(path: Path, record: Record) -> None:
    """Add a run, whole or not at all; several processes may add to one file.

    Raises:
        OSError: The line can't be written, e.g. on a full disk; the file is as it was.
    """
    append_row(path, asdict(record))


def rows(
    path: Path, again: Callable[[Mapping[str, Any]], bool] = lambda row: False
) -> list[dict[str, Any]]:
    """What an experiment with lines of its own has done so far; what is to be done again leaves the file.

    Args:
        path: Of the lines.
        again: Says it of a line.
    """
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    kept = [(line, row) for line in lines if not again(row := json.loads(line))]
    if len(kept) < len(lines):
        rest = path.with_suffix(".part")
        rest.write_text("".join(line for line, _ in kept))
        rest.replace(path)
    return [row for _, row in kept]


@lru_cache
def machine() -> dict[str, Any]:
    """What decides, beside seed and versions, whether a run can be repeated to the last bit.

    The commit of this code, with a + where tracked files differ from it, None outside a clone; the vector instructions
    of torch's CPU code, which change the last bits of sums; the threads of one operation, which change their order.
    """
    import torch

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(RESULTS.parents[1]), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!benchmarks/results")
        commit = git("rev-parse", "--short=12", "HEAD") + "+" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        commit = None
    return {
        "commit": commit,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line as `append` does, with the machine that this process runs on beside what its ``machine`` says."""
    written = {**row, "machine": {**machine(), **(row.get("machine") or {})}}
    line = json.dumps(written, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        try:
            rest = line
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def experiment(
    name: str,
    jobs: Sequence[Any],
    run: Callable[[Any], dict[str, Any]],
    report: Callable[[Sequence[Mapping[str, Any]]], str],
    *,
    again: bool,
    processes: int = 1,
) -> None:
    """Run the jobs that the lines of an experiment lack, and write its page.

    Args:
        name: Of its two files.
        jobs: Named tuples of fields that their lines have.
        run: From a job to its line.
        report: From all lines to the page.
        again: Whether those that are finished are run again.
        processes: That share the jobs.
    """
    path = RESULTS / f"{name}.jsonl"
    fields_of = jobs[0]._fields if jobs else ()

    def job_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[field] for field in fields_of)

    found = rows(path, lambda row: again and job_of(row) in jobs)
    done = set(map(job_of, found))
    with ProcessPoolExecutor(processes) as pool:
        running = [pool.submit(run, job) for job in jobs if job not in done]
        for future in tqdm(as_completed(running), total=len(running), unit="run"):
            found.append(future.result())
            append_row(path, found[-1])
    text = report(found)
    path.with_suffix(".md").write_text(text)
    print(text)
