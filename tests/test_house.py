"""The house: every module is in a room, imports lead upwards, and heavy packages stay where they are needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import optuna_agnet

ROOT = Path(optuna_agnet.__file__).parent
LADDER = ("core", "spaces", "generator", "surrogate", "search", "study", "analysis", "cli")
"""A room imports from those before it."""
BESIDE = {  # rooms beside the ladder, and what they import from
    "torch_settings": set(),
    "modules": {"core", "spaces"},
    "hardware": {"core", "spaces", "torch_settings"},
    "training_free": {"core", "spaces", "modules", "search", "hardware"},
    "visualization": {"analysis"},
    "retry": {"study"},
    "dashboard": {"spaces", "study", "analysis", "visualization"},
}
USES = {  # what a room of the ladder imports from those beside it
    "generator": {"torch_settings"},
    "search": {"torch_settings"},
    "analysis": {"torch_settings"},
    "cli": {"modules", "hardware", "training_free", "torch_settings"},
}
ALLOWED = {room: {*LADDER[:i], *USES.get(room, ())} for i, room in enumerate(LADDER)} | BESIDE
WITH_OPTUNA = {"study", "analysis", "cli", "retry", "visualization", "dashboard"}
WITHOUT_TORCH = {"core", "spaces", "retry"}
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 350, 40
MODULES = sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or "__" not in p.name)


def _room_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def _imported(tree: ast.AST) -> Iterator[str]:
    """Full names of everything imported anywhere below, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _on_import(body: list[ast.stmt]) -> Iterator[str]:
    """Top packages that are imported when the module is, type checking left out."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (name.split(".")[0] for name in _imported(node))
        elif isinstance(node, ast.Try):
            yield from _on_import(node.body)


def _docstring_lines(node: ast.AST) -> int:
    """Lines of the docstring of a module, class or function."""
    if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return 0
    if ast.get_docstring(node, clean=False) is None:
        return 0
    first = node.body[0]
    return first.end_lineno - first.lineno + 1  # type: ignore[operator]


def too_long(source: str) -> list[str]:
    """The file, and functions in it, that have more lines than the house allows; docstrings are not counted."""
    tree = ast.parse(source)
    lines = len(source.splitlines()) - sum(map(_docstring_lines, ast.walk(tree)))
    found = [f"file: {lines} lines"] if lines > MOST_LINES else []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            size = node.end_lineno - node.lineno + 1 - _docstring_lines(node)  # type: ignore[operator]
            if size > MOST_LINES_OF_A_FUNCTION:
                found.append(f"{node.name}: {size} lines")
    return found


def forbidden(room: str, source: str) -> list[str]:
    """Imports in a module of the room that the house forbids.

    What is imported from the package itself hides where it leads; only the last room may do so.
    """
    names = [name for name in _imported(ast.parse(source)) if name.split(".")[0] == "optuna_agnet"]
    allowed = ALLOWED[room] | {room} | (set(optuna_agnet.__all__) if room == LADDER[-1] else set())
    return [name for name in names if name.partition(".")[2].split(".")[0] not in allowed]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_lead_upwards_in_the_house(path: Path) -> None:
    assert _room_of(path) in ALLOWED, "a new room: put it into this file and CONTRIBUTING.md"
    assert forbidden(_room_of(path), path.read_text()) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_optuna_and_torch_stay_in_their_rooms(path: Path) -> None:
    room, found = _room_of(path), set(_on_import(ast.parse(path.read_text()).body))
    if room not in WITH_OPTUNA:
        assert "optuna" not in found
    if room in WITHOUT_TORCH:
        assert "torch" not in found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path: Path) -> None:
    assert too_long(path.read_text()) == []
    assert path.stem not in ("utils", "helpers", "common")


def test_what_is_too_long_is_noticed_and_docstrings_are_not_counted() -> None:
    documented = 'def f(a: int) -> None:\n    """\n' + "    text\n" * 400 + '    """\n'
    assert too_long(documented + "    print()\n" * 39) == []
    assert too_long(documented + "    print()\n" * 40) == ["f: 41 lines"]
    assert too_long("x = 1\n" * 351) == ["file: 351 lines"]


def test_a_forbidden_import_is_noticed() -> None:
    inside = "def f():\n    from optuna_agnet.generator.network import Generator"
    assert forbidden("spaces", inside) == ["optuna_agnet.generator.network.Generator"]
    assert forbidden("modules", "from optuna_agnet import search") == ["optuna_agnet.search"]
    assert forbidden("core", "import optuna_agnet") == ["optuna_agnet"]
    assert forbidden("search", "from optuna_agnet.spaces import SearchSpace") == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("optuna_agnet.search", {"optuna"}),
        ("optuna_agnet.core.ranking", {"optuna", "torch"}),
        ("optuna_agnet.spaces", {"optuna", "torch"}),
        ("optuna_agnet", {"numpy", "optuna", "torch"}),
        ("optuna_agnet.retry", {"numpy", "optuna", "torch"}),
        ("optuna_agnet.study.trials", {"torch"}),
    ],
)
def test_what_a_room_does_without_is_not_loaded(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(sorted({absent!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_contributors_table_names_every_room() -> None:
    guide = (ROOT.parent / "CONTRIBUTING.md").read_text()
    rooms = {f"`{room}/`" if (ROOT / room).is_dir() else f"`{room}.py`" for room in ALLOWED}
    assert [room for room in sorted(rooms) if room not in guide] == []
