"""The README's code runs, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"<!-- run -->\n```python\n(.*?)```", TEXT, re.DOTALL)


def test_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block after the other in one namespace, as a reader would."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    for code in BLOCKS:
        exec(compile(code, "README.md", "exec"), names)


def test_it_is_short() -> None:
    assert len(TEXT.split()) < 900


def test_every_python_block_is_run() -> None:
    assert len(BLOCKS) == TEXT.count("```python") >= 3


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_badges_say_what_pyproject_says() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    badges = dict(re.findall(r"img\.shields\.io/badge/(\w+)-(.+)-blue\)", TEXT))
    versions = re.findall(r"Python :: (3\.\d+)\"", project)
    assert badges.pop("python") == "_|_".join(versions)
    oldest, before = re.findall(r'"optuna>=([\d.]+),<(\d+)"', project)[0]
    assert badges.pop("optuna") == f"{oldest}_to_{int(before) - 1}"
    (license,) = re.findall(r'^license = "(.+)"', project, re.MULTILINE)
    assert badges.pop("license") == license.replace("-", "--")
    assert not badges
