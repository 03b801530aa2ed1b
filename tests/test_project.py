"""What stands beside the code says the same as the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import optuna_agnet

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_everywhere() -> None:
    version = optuna_agnet.__version__
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    "path",
    [
        "CITATION.cff",
        *(str(p.relative_to(ROOT)) for p in sorted((ROOT / ".github").rglob("*.yml"))),
    ],
)
def test_it_is_yaml(path: str) -> None:
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load((ROOT / path).read_text())


def test_workflows_take_no_more_rights_than_they_say() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text()
        assert re.search(r"^permissions:\n  contents: read$", text, re.MULTILINE), path.name
