import json
import resource
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from benchmarks import records


def test_what_is_appended_is_read_back(tmp_path, record):
    path = tmp_path / "results" / "r.jsonl"
    runs = [record(), record(seed=1, values=[[None, 1.0, 2.0, 3.0]], constraints={"a": [0.5] * 4})]
    for run in runs:
        records.append(path, run)
    assert list(records.read(path)) == runs
    assert list(records.read(tmp_path / "none.jsonl")) == []


def test_a_line_says_what_it_ran_on(tmp_path, record):
    path = tmp_path / "r.jsonl"
    records.append(path, record())
    records.append_row(tmp_path / "rows.jsonl", {"seed": 0})
    (run,), (row,) = records.read(path), records.rows(tmp_path / "rows.jsonl")
    assert run.machine == row["machine"] == records.machine()
    assert records.machine()["cpu"] == torch.backends.cpu.get_cpu_capability()
    assert records.machine()["threads"] == torch.get_num_threads()
    head = ["git", "-C", str(records.RESULTS), "rev-parse", "HEAD"]
    known = subprocess.run(head, capture_output=True, text=True, check=False).stdout
    assert known.startswith((records.machine()["commit"] or "").rstrip("+"))


def test_lines_without_a_machine_are_read(tmp_path, record):
    path = tmp_path / "r.jsonl"
    records.append(path, record())
    line = json.loads(path.read_text())
    del line["machine"]
    path.write_text(json.dumps(line) + "\n")
    assert [run.machine for run in records.read(path)] == [None]


def test_a_full_disk_leaves_no_half_line(tmp_path, record):
    path = tmp_path / "r.jsonl"
    records.append(path, record())
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            records.append(path, record(seed=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    records.append(path, record(seed=1))
    assert [run.seed for run in records.read(path)] == [0, 1]


def test_several_writers_keep_lines_whole(tmp_path, record):
    path = tmp_path / "r.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: records.append(path, record(seed=seed)), range(100)))
    assert sorted(run.seed for run in records.read(path)) == list(range(100))


def test_lines_without_the_best_architecture_are_read(tmp_path, record):
    path = tmp_path / "r.jsonl"
    records.append(path, record(best="a cell"))
    path.write_text(path.read_text() + path.read_text().replace(',"best":"a cell"', ""))
    assert [run.best for run in records.read(path)] == ["a cell", None]


@pytest.mark.parametrize("line", ['{"torn', "[]", "null", '{"problem": "nb101"}', ""])
def test_a_line_that_is_no_run_is_named(tmp_path, record, line):
    path = tmp_path / "r.jsonl"
    records.append(path, record())
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=rf"{path}:2 is no run"):
        list(records.read(path))


def test_the_longest_run_of_a_seed_speaks_for_it(record):
    runs = [record(), record(budget=8), record(budget=2), record(seed=1), record(data="other")]
    found = records.longest(iter(runs))
    assert sorted((run.data, run.seed, run.budget) for run in found.values()) == [
        ("made up", 0, 8),
        ("made up", 1, 4),
        ("other", 0, 4),
    ]


def test_an_experiments_own_lines_are_kept_but_for_those_that_are_asked_for_again(tmp_path):
    path = tmp_path / "speed.jsonl"
    assert records.rows(path) == []
    for row in ({"seed": 0}, {"seed": 1}):
        records.append_row(path, row)
    assert [row["seed"] for row in records.rows(path)] == [0, 1]
    assert [row["seed"] for row in records.rows(path, lambda row: row["seed"] == 1)] == [0]
    assert [row["seed"] for row in records.rows(path)] == [0]
