"""Mutants fit the code that they change, and their verdicts are counted right."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.mutants import MUTANTS, Mutant, run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_its_code_and_its_tests_are_there(mutant: Mutant) -> None:
    mutant.check(ROOT)
    ast.parse(mutant.applied(ROOT))
    assert mutant.new != mutant.old


def test_there_are_at_least_fifty_with_names_of_their_own() -> None:
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS}) >= 50


def test_a_mutant_that_no_longer_fits_is_named(tmp_path: Path) -> None:
    mutant = Mutant("gone", "a.py", "old", "new", "test_a.py")
    (tmp_path / "optuna_agnet").mkdir()
    (tmp_path / "optuna_agnet" / "a.py").write_text("old old")
    with pytest.raises(ValueError, match=r"'gone': a\.py holds 'old' 2 times, not once"):
        mutant.applied(tmp_path)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a function that returns 1; its own root, and mutants' files beside it."""
    for name in ("optuna_agnet", "tests"):
        (tmp_path / name).mkdir()
    (tmp_path / "optuna_agnet" / "__init__.py").touch()
    (tmp_path / "optuna_agnet" / "a.py").write_text("def value():\n    return 1\n")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(run, "TABLE", tmp_path / "README.md")
    monkeypatch.setattr(run, "_COPIED", ("optuna_agnet", "tests"))
    monkeypatch.setattr(run, "MUTANTS", [TWO])
    return tmp_path


TWO = Mutant("two", "a.py", "return 1", "return 2", "test_a.py")


def write_tests(tree: Path, **bodies: str) -> None:
    head = "from optuna_agnet.a import value\n"
    body = "".join(f"def test_{name}():\n    {body}\n" for name, body in bodies.items())
    (tree / "tests" / "test_a.py").write_text(head + body)


@pytest.mark.parametrize(
    ("body", "verdict", "killed_by"),
    [
        ("assert value() == 1", "killed", "test_a.py::test_value"),
        ("assert value() > 0", "survived", ""),
    ],
)
def test_a_test_that_notices_kills(body: str, verdict: str, killed_by: str, tree: Path) -> None:
    write_tests(tree, value=body)
    found = run.judged(TWO, tree)
    assert (found.verdict, found.killed_by) == (verdict, killed_by)
    assert "return 1" in (tree / "optuna_agnet" / "a.py").read_text()
    page = run.table([TWO], {found.mutant: found})
    assert f"{int(verdict == 'killed')} of 1 are killed" in page


def test_a_test_that_fails_anyway_kills_nothing(tree: Path) -> None:
    write_tests(tree, value="assert value() == 3")
    found = run.judged(TWO, tree)
    assert found.verdict == "broken"
    assert found.killed_by == "test_a.py::test_value does not pass without the mutant"


@pytest.mark.parametrize("first", ["second", "gone", "blind"])
def test_the_test_that_noticed_goes_first_and_the_others_where_it_no_longer_does(
    first: str, tree: Path
) -> None:
    exact = "assert value() == 1"
    write_tests(tree, first=exact, second=exact, blind="assert value() > 0")
    found = run.judged(TWO, tree, f"test_a.py::test_{first}")
    noticed = "second" if first == "second" else "first"
    assert (found.verdict, found.killed_by) == ("killed", f"test_a.py::test_{noticed}")


def test_only_a_test_of_the_mutant_goes_first() -> None:
    last = run.Verdict("two", "", "killed", "test_a.py::test_value[1]", 0.0)
    assert run.noticed_by(TWO, last) == last.killed_by
    assert run.noticed_by(replace(TWO, tests="test_b.py"), last) == ""
    assert run.noticed_by(TWO, replace(last, verdict="survived", killed_by="")) == ""
    assert run.noticed_by(TWO, None) == ""


@pytest.mark.parametrize("target", ["test_b.py", "test_a.py::test_nothing"])
def test_a_test_that_is_not_there_is_named_before_any_mutant_is_run(
    target: str, tree: Path
) -> None:
    write_tests(tree, value="assert value() == 1")
    with pytest.raises(ValueError, match=rf"'two': there is no tests/{target}; name the test"):
        run.check([TWO, replace(TWO, tests=target)])


def test_a_run_goes_on_where_it_stopped(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["mutants", *arguments])
        run.main()
        return capsys.readouterr().out

    write_tests(tree, value="assert value() == 1")
    assert said().startswith("killed")
    assert said() == ""
    assert said("--again").startswith("killed")
    write_tests(tree, value="assert value() == 1  # changed")
    assert said("nothing of this name") == ""
    assert "| not run |" in run.TABLE.read_text()
    assert said().startswith("killed")
    assert len(run.RESULTS.read_text().splitlines()) == 1
    assert "1 of 1 are killed" in run.TABLE.read_text()
