"""The README's code runs, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"<!-- run -->\n```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_code_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_every_python_block_is_run() -> None:
    assert len(BLOCKS) == TEXT.count("```python") >= 3


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_speed_table_is_the_measured_one() -> None:
    rows = re.findall(r"^\| (?:sampler|\w+Sampler) \|.*$", TEXT, re.MULTILINE)
    assert len(rows) >= 3
    measured = (ROOT / "benchmarks" / "results" / "speed.md").read_text()
    for row in rows:
        assert row in measured, row
