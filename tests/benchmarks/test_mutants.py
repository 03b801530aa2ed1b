"""Mutants fit the code that they change, and their verdicts are counted right."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.mutants import MUTANTS, Mutant, run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_its_code_and_its_tests_are_there(mutant: Mutant) -> None:
    ast.parse(mutant.applied(ROOT))
    assert mutant.new != mutant.old
    for target in mutant.targets:
        file, _, test = target.partition("::")
        assert f"def {test}" in (ROOT / file).read_text()


def test_there_are_at_least_fifty_with_names_of_their_own() -> None:
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS}) >= 50


def test_a_mutant_that_no_longer_fits_is_named(tmp_path: Path) -> None:
    mutant = Mutant("gone", "a.py", "old", "new", "test_a.py")
    (tmp_path / "optuna_agnet").mkdir()
    (tmp_path / "optuna_agnet" / "a.py").write_text("old old")
    with pytest.raises(ValueError, match=r"'gone': a\.py holds 'old' 2 times, not once"):
        mutant.applied(tmp_path)


@pytest.mark.parametrize(
    ("body", "verdict", "killed_by"),
    [
        ("assert value() == 1", "killed", "test_a.py::test_value"),
        ("assert value() > 0", "survived", ""),
    ],
)
def test_a_test_that_notices_kills(
    body: str, verdict: str, killed_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, tests = tmp_path / "optuna_agnet", tmp_path / "tests"
    package.mkdir()
    tests.mkdir()
    (package / "__init__.py").touch()
    (package / "a.py").write_text("def value():\n    return 1\n")
    (tests / "test_a.py").write_text(
        f"from optuna_agnet.a import value\ndef test_value():\n    {body}\n"
    )
    monkeypatch.setattr(run, "ROOT", tmp_path)
    mutant = Mutant("two", "a.py", "return 1", "return 2", "test_a.py")
    found = run.judged(mutant, tmp_path)
    assert (found.verdict, found.killed_by) == (verdict, killed_by)
    assert "return 1" in (package / "a.py").read_text()
    assert run.tested(tmp_path, mutant.targets) == ("survived", "")
    page = run.table([mutant], {found.digest: found})
    assert f"{int(verdict == 'killed')} of 1 are killed" in page


def test_a_test_that_fails_anyway_kills_nothing(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    body = "def test_{0}():\n    assert {1}\n"
    (tmp_path / "tests" / "test_a.py").write_text(body.format("bad", 0) + body.format("good", 1))
    bad, good = (
        run.Verdict(name, name, "killed", f"test_a.py::test_{name}", 0.0)
        for name in ("bad", "good")
    )
    assert run.wrongly_killed([bad, good], tmp_path) == [bad]
    assert run.wrongly_killed([good], tmp_path) == []
