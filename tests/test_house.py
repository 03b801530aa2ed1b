"""DESIGN.md, section 2: a module imports only from its own room and from rooms above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import optuna_agnet

ROOT = Path(optuna_agnet.__file__).parent
ABOVE: dict[str, set[str]] = {"architecture": set()}
for _room, _last in (
    ("spaces", "architecture"),
    ("generator", "spaces"),
    ("surrogate", "generator"),
    ("search", "surrogate"),
    ("study_state", "search"),
    ("source_studies", "study_state"),
    ("sampler", "source_studies"),
    ("history", "sampler"),
    ("visualization", "history"),
    ("study_report", "visualization"),
):
    ABOVE[_room] = ABOVE[_last] | {_last}
OPTUNA = ("study_state", "source_studies", "sampler", "study_report")
"""Rooms that import it when they are imported."""
ABOVE["modules"] = {"architecture", "spaces"}
ABOVE["hardware"] = {"architecture", "spaces"}
ABOVE["training_free"] = ABOVE["search"] | {"search", "modules"}

FILES = sorted(
    path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts != ("__init__.py",)
)


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


def upward(room: str, source: str) -> list[str]:
    """Imports in a module of the room that the house forbids."""
    names = [
        name.split(".") for name in _imported(ast.parse(source)) if name.startswith("optuna_agnet.")
    ]
    return [
        ".".join(name) for name in names if name[1] in ABOVE and name[1] not in ABOVE[room] | {room}
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_lead_upwards_in_the_house(path: Path) -> None:
    if _room_of(path) in ABOVE:
        assert upward(_room_of(path), path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_optuna_and_torch_stay_in_their_rooms(path: Path) -> None:
    room, found = _room_of(path), set(_on_import(ast.parse(path.read_text()).body))
    if room in ABOVE and room not in OPTUNA:
        assert "optuna" not in found
    if room in ("architecture", "spaces"):
        assert "torch" not in found


def test_an_upward_import_is_noticed() -> None:
    assert (
        upward("spaces", "def f():\n    from optuna_agnet.generator.network import Generator") != []
    )
    assert upward("modules", "from optuna_agnet import search") == ["optuna_agnet.search"]
    assert upward("search", "from optuna_agnet.spaces import CellSpace") == []


def test_spaces_import_neither_torch_nor_optuna() -> None:
    code = "import sys, optuna_agnet.spaces; print({'torch', 'optuna'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
