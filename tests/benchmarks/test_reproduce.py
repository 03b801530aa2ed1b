"""Every table and figure of the paper has a name, what is missing is run once, and a forecast comes first."""

import re
from dataclasses import replace

import pytest

from benchmarks import problems, records, reproduce
from benchmarks.methods import METHODS
from benchmarks.reproduce import ITEMS
from benchmarks.run import Job


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    return tmp_path


def test_all_the_papers_tables_and_figures_are_there():
    assert set(ITEMS) == {f"table{n}" for n in range(1, 16)} | {f"figure{n}" for n in range(1, 14)}
    for item in ITEMS.values():
        assert (item.runs is None) == bool(item.where)
        assert (item.runs is None) == (not item.shown)


@pytest.mark.parametrize("name", [name for name, item in ITEMS.items() if item.runs])
def test_what_it_runs_exists(name):
    jobs = reproduce.jobs(ITEMS[name].runs())
    assert len(jobs) == len({job[:3] for job in jobs})
    for job in jobs:
        assert job.problem in problems.PROBLEMS
        assert job.method in METHODS
        assert job.budget >= 96


def test_a_run_is_as_long_as_the_longest_that_the_table_needs():
    jobs = reproduce.jobs([("nb101", "random", 96), ("nb101", "random", 192)])
    assert jobs == [Job("nb101", "random", seed, 192) for seed in range(10)]
    budgets = {
        (job.problem, job.method): job.budget for job in reproduce.jobs(ITEMS["table2"].runs())
    }
    assert budgets["nb201-c10", "agnet-paper"] == 400  # the paper gives 96, 192 and 400


def test_the_forecast_takes_the_pace_of_stored_runs(results, record):
    """Of the problem itself where there are some, else of the method's other problems."""
    here = replace(record(), method="tpe", seconds=[30.0] * 4)
    records.append(results / "nb201-c100.jsonl", here)
    records.append(results / "nb101.jsonl", replace(here, problem="nb101", seconds=[90.0] * 4))
    (results / "scaling.jsonl").write_text('{"of another": "kind"}\n')
    jobs = [Job(problem, "tpe", 1, 10) for problem in ("nb201-c100", "nb101", "nb301")]
    assert reproduce.forecast(jobs[:1], 1).endswith("1 at a time they should take 5 min.")
    # 300 + 900 + 600 seconds
    assert "3 runs are missing; 2 at a time they should take 15 min." in reproduce.forecast(jobs, 2)
    unknown = [*jobs, Job("nb101", "gp", 0, 10)]
    assert reproduce.forecast(unknown, 2).endswith("; how long 1 of them take is not known.")
    assert reproduce.forecast([], 2) == "No run is missing."


def test_only_what_is_missing_is_run_and_the_table_shown(results, long_record, monkeypatch, capsys):
    data = problems.load("nb201-c100").data
    item = replace(ITEMS["table2"], runs=lambda: [("nb201-c100", "random", 96)], shown=("table2",))
    for seed in range(9):
        records.append(results / "nb201-c100.jsonl", long_record(seed, data=data))
    ran = []

    def run_all(jobs, processes, path_of):
        ran.extend(jobs)
        for job in jobs:
            records.append(path_of(job.problem), long_record(job.seed, data=data))
        return 0

    monkeypatch.setattr(reproduce, "run_all", run_all)
    reproduce.reproduce(item, 2, dry_run=True)
    assert ran == []
    assert capsys.readouterr().out.startswith("1 runs are missing; 2 at a time")
    reproduce.reproduce(item, 2, dry_run=False)
    assert ran == [Job("nb201-c100", "random", 9, 96)]
    assert re.search(r"\| random \| 10 \|", capsys.readouterr().out)
    reproduce.reproduce(item, 2, dry_run=False)
    assert len(ran) == 1


def test_what_is_not_run_says_where_it_is(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["reproduce", "Table 13"])
    with pytest.raises(SystemExit, match=r"AGNetConfig\.paper\(\)"):
        reproduce.main()
