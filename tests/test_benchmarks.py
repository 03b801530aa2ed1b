"""The harness on the real table, small; quality against rivals is checked in the slow run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = Path(os.environ.get("OPTUNA_AGNET_DATA", ROOT.parent / "shared" / "benchmarks"))
DATA = FOLDER / "nb201" / "nb201_accuracy.csv.gz"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is missing")


def run(out, *arguments):
    command = [sys.executable, "-m", "benchmarks.run", "--out", str(out), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def best(out, method, queries):
    runs = [json.loads(line) for line in out.read_text().splitlines()]
    return np.array([max(r["values"][0][:queries]) for r in runs if r["method"] == method])


@needs_data
def test_a_run_is_written_once_and_names_are_checked(tmp_path):
    out = tmp_path / "r.jsonl"
    small = ("--problem", "nb201-c100", "--seeds", "0:2", "--budget", "20", "--jobs", "1")
    assert run(out, *small, "--method", "agnet,random").returncode == 0
    assert run(out, *small, "--method", "agnet,random").returncode == 0
    assert len(out.read_text().splitlines()) == 4
    assert "known: agnet" in run(out, "--problem", "nb201-c100", "--method", "magic").stderr
    out.write_text(out.read_text() + '{"torn')
    assert f"{out}:5" in run(out, *small, "--method", "random").stderr


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("problem", ["nb201-c10", "nb201-c100", "nb201-in16"])
def test_the_default_is_ahead_of_tpe_and_random_search_at_96(tmp_path, problem):
    out = tmp_path / "r.jsonl"
    done = run(
        out,
        "--problem",
        problem,
        "--method",
        "agnet,tpe,random",
        "--seeds",
        "200:208",
        "--budget",
        "96",
    )
    assert done.returncode == 0, done.stderr
    means = {method: best(out, method, 96).mean() for method in ("agnet", "tpe", "random")}
    assert means["agnet"] > means["tpe"] > means["random"]


def test_the_readmes_table_is_what_the_committed_results_say():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tables"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() in (ROOT / "README.md").read_text()
