"""The documentation's code runs, and its pages and links are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
PYTHON = re.compile(r"(<!-- run -->\n)?```python\n(.*?)```", re.DOTALL)


def blocks(page: Path) -> list[tuple[bool, str]]:
    """Whether it is run, and the code, of every Python block."""
    return [(bool(run), code) for run, code in PYTHON.findall(page.read_text())]


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(run for run, _ in blocks(p))], ids=lambda page: page.stem
)
def test_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in one namespace, as a reader would."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "docs"}
    for run, code in blocks(page):
        compiled = compile(code, page.name, "exec")
        if run:
            exec(compiled, names)


def test_most_code_is_run() -> None:
    run = [run for page in PAGES for run, _ in blocks(page)]
    assert sum(run) >= 10
    assert run.count(False) <= 2  # what needs a server


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"^  - .+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", text):
        assert (page.parent / link).exists(), link
    for file in re.findall(r"`((?:examples|benchmarks|integrations)/[\w/.]*)`", text):
        assert (ROOT / file).exists(), file


IN_WHOLE = ("optuna_agnet.visualization",)
"""Modules of which the reference shows every name."""


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_what_code_imports_is_in_the_reference(page: Path) -> None:
    """Only names in docs/api.md are kept from version to version (CONTRIBUTING.md), so no page may ask for another."""
    reference = (ROOT / "docs" / "api.md").read_text()
    imported = r"^from (optuna_agnet[\w.]*) import (.+)$"
    for module, names in re.findall(imported, page.read_text(), re.MULTILINE):
        for name in names.split(", "):
            assert module in IN_WHOLE or re.search(rf"[.`]{name}\b", reference), f"{module}.{name}"
