"""What a run of `.ci/run` says of tests that were skipped, and that missing data fail where they are expected."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TESTS = """
import pytest

def test_data():
    pytest.skip("/data/table.csv is missing: set OPTUNA_AGNET_DATA to the folder")

@pytest.fixture
def table():
    pytest.skip("/data/other.csv is missing: set OPTUNA_AGNET_DATA to the folder")

def test_table(table): ...

def test_gpu():
    pytest.skip("needs a GPU")
"""


@pytest.mark.parametrize(
    ("ci", "there", "outcome"),
    [
        ("true", True, "1 failed, 1 skipped, 1 error"),
        ("true", False, "3 skipped"),
        ("", True, "3 skipped"),
    ],
)
def test_data_that_are_missing_from_the_data_folder_fail_in_ci(
    ci: str, there: bool, outcome: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").touch()
    folder = tmp_path if there else tmp_path / "missing"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "OPTUNA_AGNET_DATA": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"= {outcome} in" in done.stdout
    assert ("which CI=true does not let pass" in done.stdout) == ("failed" in outcome)


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("3 passed in 0.01s\n", "nothing skipped"),
        (
            "SKIPPED [1] tests/a.py:3: needs a GPU\nrest\nSKIPPED [2] tests/b.py: needs x: y\n"
            "SKIPPED [3] tests/c/d.py:9: needs a GPU\n",
            "6 skipped: 4 needs a GPU; 2 needs x: y",
        ),
    ],
)
def test_skipped_tests_are_told_in_one_line_by_reason(log: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(log)
    said = subprocess.run(
        [ROOT / ".ci" / "skipped", file], capture_output=True, text=True, check=True
    )
    assert said.stdout == line + "\n"
