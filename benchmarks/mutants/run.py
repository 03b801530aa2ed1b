"""Runs the tests of every mutant on a copy of the tree: ``make mutants``, or ``python -m benchmarks.mutants.run WORD``.

Verdicts are kept in results.jsonl, so that a run that was cut off goes on where it stopped, and a mutant is run again
only where its code or its tests have changed. README.md is the table of them.
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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
    """What became of a mutant: "killed", "survived", or "broken" where the tests could not even be run."""

    mutant: str
    digest: str
    verdict: str
    killed_by: str
    seconds: float


def known() -> dict[str, Verdict]:
    """Verdicts so far, by the mutant's digest."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {verdict.digest: verdict for verdict in (Verdict(**json.loads(line)) for line in lines)}


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


def judged(mutant: Mutant, tree: Path) -> Verdict:
    """The verdict on a mutant; the tree is as it was afterwards."""
    start, file = time.perf_counter(), mutant.source(tree)
    whole = file.read_text()
    file.write_text(mutant.applied(tree))
    try:
        verdict, killed_by = tested(tree, mutant.targets)
    finally:
        file.write_text(whole)
    seconds = round(time.perf_counter() - start, 1)
    return Verdict(mutant.name, mutant.digest(tree), verdict, killed_by, seconds)


def table(mutants: Sequence[Mutant], verdicts: dict[str, Verdict]) -> str:
    """All mutants with their verdicts, as Markdown."""
    found = [verdicts.get(mutant.digest(ROOT)) for mutant in mutants]
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


def wrongly_killed(verdicts: Sequence[Verdict], tree: Path) -> list[Verdict]:
    """Verdicts by a test that fails on the unchanged tree as well."""
    by = {v.digest: v.killed_by.partition("[")[0] for v in verdicts if "::" in v.killed_by}
    killers, failing = sorted(set(by.values())), list[str]()
    while killers:
        said, first = tested(tree, [f"tests/{killer}" for killer in killers])
        if said == "survived":
            break
        failing.append(first.partition("[")[0])
        if failing[-1] not in killers:
            raise RuntimeError(f"the tests can't be run on the unchanged tree: {first}")
        killers.remove(failing[-1])
    return [v for v in verdicts if by.get(v.digest) in failing]


def main() -> None:
    """Run what has no verdict yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "word", nargs="?", default="", help="only mutants whose file or name has it"
    )
    word = parser.parse_args().word
    verdicts, new = known(), list[Verdict]()
    left = [m for m in MUTANTS if m.digest(ROOT) not in verdicts and word in f"{m.file} {m.name}"]
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        for mutant in left:
            new.append(judged(mutant, tree))
            with RESULTS.open("a") as file:
                file.write(json.dumps(asdict(new[-1])) + "\n")
            print(f"{new[-1].verdict:<9} {new[-1].seconds:>6} s  {mutant.name}", flush=True)
        wrong = wrongly_killed(new, tree)
    verdicts = {k: v for k, v in known().items() if v not in wrong}
    current = [verdicts[d] for d in (m.digest(ROOT) for m in MUTANTS) if d in verdicts]
    RESULTS.write_text("".join(json.dumps(asdict(v)) + "\n" for v in current))
    TABLE.write_text(table(MUTANTS, {v.digest: v for v in current}))
    for verdict in wrong:
        print(f"{verdict.killed_by} fails without a mutant: no verdict on '{verdict.mutant}'")
    if wrong or any(v.verdict != "killed" for v in current):
        sys.exit(1)


if __name__ == "__main__":
    main()
