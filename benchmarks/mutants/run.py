"""Runs the tests of every mutant on a copy of the tree: ``make mutants``, or ``python -m benchmarks.mutants.run WORD``.

Verdicts are kept in results.jsonl, so that a run that was cut off goes on where it stopped, and a mutant is run again
only where its code or its tests have changed (or with --again). The test that noticed last time goes first. README.md
is the table of them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis  # noqa: F401 - these four take longer than most tests
import optuna  # noqa: F401
import pandas  # noqa: F401
import pytest
import torch  # noqa: F401

from benchmarks.mutants import MUTANTS, Mutant

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS, TABLE = HERE / "results.jsonl", HERE / "README.md"
_COPIED = ("optuna_agnet", "tests", "benchmarks", "integrations", "examples", "pyproject.toml")
_OWN = ("benchmarks", "optuna_agnet", "tests")
_LIMIT = 900  # seconds; a mutant that never ends is noticed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant: "killed", "survived", or "broken" where its tests say nothing of it.

    Args:
        mutant: Its name.
        digest: As `Mutant.digest` says.
        verdict: One of the three.
        killed_by: The first test that failed; where it is broken, why.
        seconds: All of it.
    """

    mutant: str
    digest: str
    verdict: str
    killed_by: str
    seconds: float


def known() -> dict[str, Verdict]:
    """The last verdict on each mutant, by its name."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {verdict.mutant: verdict for verdict in (Verdict(**json.loads(line)) for line in lines)}


def keep(verdicts: Iterable[Verdict]) -> None:
    """Write them anew, in the order of the mutants; those of mutants that are no more are left out."""
    by_name = {verdict.mutant: verdict for verdict in verdicts}
    rows = [asdict(by_name[mutant.name]) for mutant in MUTANTS if mutant.name in by_name]
    RESULTS.write_text("".join(json.dumps(row) + "\n" for row in rows))


def current(verdicts: dict[str, Verdict]) -> dict[str, Verdict]:
    """Those of today's code and tests, by the mutant's name."""
    digests = {mutant.name: mutant.digest(ROOT) for mutant in MUTANTS}
    return {name: v for name, v in verdicts.items() if v.digest == digests.get(name)}


def copied(folder: Path) -> Path:
    """A copy of what the tests need."""
    ignore = shutil.ignore_patterns("__pycache__", "*.db")
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    return folder


def tested(tree: Path, targets: Sequence[str]) -> tuple[str, str]:
    """Verdict and first failing test of a tree, in a fork of this process: what is slow to import is there already."""
    with tempfile.NamedTemporaryFile("r") as log:
        process = get_context("fork").Process(target=_pytest, args=(tree, targets, log.name))
        process.start()
        process.join(_LIMIT)
        if process.is_alive():
            process.kill()
            process.join()
            return "killed", "time"
        said = log.read()
    verdict = {0: "survived", 1: "killed"}.get(process.exitcode or 0, "broken")
    failed = re.search(r"^(?:FAILED|ERROR) tests/(.*?)(?: - .*)?$", said, re.MULTILINE)
    return verdict, failed[1] if failed else said[-300:] if verdict == "broken" else ""


def _pytest(tree: Path, targets: Sequence[str], log: str) -> None:
    with open(log, "w") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
        sys.stdout = sys.stderr = output
        os.chdir(tree)
        os.environ.update(PYTHONPATH=str(tree), PYTHONDONTWRITEBYTECODE="1")
        os.environ.setdefault("OPTUNA_AGNET_DATA", str(ROOT.parent / "shared" / "benchmarks"))
        sys.dont_write_bytecode = True
        sys.path[:] = [str(tree), *(p for p in sys.path if p not in ("", str(ROOT)))]
        for name in [n for n in sys.modules if n.partition(".")[0] in _OWN]:
            del sys.modules[name]
        options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
        code = int(pytest.main([*options, *targets]))
        output.flush()
    os._exit(code)


def judged(mutant: Mutant, tree: Path, first: str = "") -> Verdict:
    """The verdict on a mutant; the tree is as it was afterwards.

    Args:
        mutant: What is tried.
        tree: A copy of the tree.
        first: The test that should notice at once; all of the mutant's are run only where it doesn't.
    """
    start, file = time.perf_counter(), mutant.source(tree)
    whole = file.read_text()
    file.write_text(mutant.applied(tree))
    try:
        verdict, killed_by = tested(tree, [f"tests/{first}"]) if first else ("survived", "")
        if verdict != "killed":
            verdict, killed_by = tested(tree, mutant.targets)
    finally:
        file.write_text(whole)
    if "::" in killed_by and tested(tree, [f"tests/{killed_by}"])[0] != "survived":
        verdict, killed_by = "broken", f"{killed_by} does not pass without the mutant"
    seconds = round(time.perf_counter() - start, 1)
    return Verdict(mutant.name, mutant.digest(tree), verdict, killed_by, seconds)


def noticed_by(mutant: Mutant, last: Verdict | None) -> str:
    """The test that noticed last time, if it is still one of the mutant's."""
    test = last.killed_by if last is not None and last.verdict == "killed" else ""
    return test if f"tests/{test}".startswith(tuple(mutant.targets)) else ""


def table(mutants: Sequence[Mutant], verdicts: dict[str, Verdict]) -> str:
    """All mutants with their verdicts, by their names, as Markdown."""
    found = [verdicts.get(mutant.name) for mutant in mutants]
    killed = sum(v is not None and v.verdict == "killed" for v in found)
    lines = [
        "# Mutants",
        "",
        "Each is a small change that makes the package wrong. `make mutants` runs the tests that should notice, on a",
        "copy of the tree, and writes this table.",
        "",
        f"{killed} of {len(mutants)} are killed.",
        "",
        "| file | what is wrong | verdict | first test that failed |",
        "| --- | --- | --- | --- |",
    ]
    for mutant, verdict in zip(mutants, found, strict=True):
        said = ("not run", "") if verdict is None else (verdict.verdict, verdict.killed_by)
        test = f"`{said[1].partition('[')[0]}`" if said[0] == "killed" else ""
        lines.append(f"| {mutant.file} | {mutant.name} | {said[0]} | {test} |")
    return "\n".join([*lines, ""])


def check(mutants: Sequence[Mutant]) -> None:
    """All fit the code, before any is run.

    Raises:
        ValueError: Names those that don't.
    """
    wrong = []
    for mutant in mutants:
        try:
            mutant.check(ROOT)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join(wrong))


def judge(left: Sequence[Mutant]) -> None:
    """Try them one by one; each verdict is kept at once."""
    last = known()
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        for mutant in left:
            found = judged(mutant, tree, noticed_by(mutant, last.get(mutant.name)))
            print(f"{found.verdict:<9} {found.seconds:>6} s  {mutant.name}", flush=True)
            if found.verdict == "broken":
                print(found.killed_by, flush=True)
            else:
                with RESULTS.open("a") as file:
                    file.write(json.dumps(asdict(found)) + "\n")


def main() -> None:
    """Run what has no verdict yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "word", nargs="?", default="", help="only mutants whose file or name has it"
    )
    parser.add_argument("--again", action="store_true", help="also those that have a verdict")
    arguments = parser.parse_args()
    chosen = [m for m in MUTANTS if arguments.word in f"{m.file} {m.name}"]
    try:
        check(chosen)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if arguments.again:
        outdated = {m.name for m in chosen}
        keep(replace(v, digest="") if v.mutant in outdated else v for v in known().values())
    done = current(known())
    judge([m for m in chosen if m.name not in done])
    keep(known().values())
    verdicts = current(known())
    TABLE.write_text(table(MUTANTS, verdicts))
    if any(m.name not in verdicts or verdicts[m.name].verdict != "killed" for m in chosen):
        sys.exit(1)


if __name__ == "__main__":
    main()
