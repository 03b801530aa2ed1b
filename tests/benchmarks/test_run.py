"""The harness: what is told, written and not run again; quality against rivals is checked in the slow run."""

import dataclasses
import subprocess
import sys

import numpy as np
import optuna
import pytest

from benchmarks import curves, methods, problems, records, run
from benchmarks.methods.base import SamplerSearch, begin
from benchmarks.problems.base import Outcomes, Problem
from optuna_agnet import spaces

ROOT = records.RESULTS.parents[1]


def command(out, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.run", "--out", str(out), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def evaluate(rows):
    """Two objectives and a limit; the cell with operation 0 everywhere was not measured."""
    accuracy = rows.sum(1).astype(float)
    latency = np.where((rows == 0).all(1), np.nan, (rows == 3).sum(1))
    return Outcomes(np.stack([accuracy, latency], 1), (latency - 2)[:, None], accuracy / 2)


TOY = Problem(
    "toy",
    spaces.nas_bench_201(),
    evaluate,
    "made up",
    directions=("maximize", "minimize"),
    constraint_names=("latency",),
)


class Scripted:
    """Asks for given rows and keeps what it is told."""

    def __init__(self, rows):
        self.asked = iter(TOY.space.architectures(np.array(rows)))
        self.observations = []

    def ask(self):
        return next(self.asked)

    def tell(self, architecture, values, constraints=None):
        self.observations.append((values, constraints))


def test_a_method_is_told_all_there_is_and_none_where_something_is_missing():
    method = Scripted([[3, 3, 0, 0, 0, 0], [0] * 6, [3, 3, 3, 0, 0, 1]])
    found = run.search(TOY, method, 3)
    assert method.observations == [
        ([6.0, 2.0], {"latency": 0.0}),
        (None, None),
        ([10.0, 3.0], {"latency": 1.0}),
    ]
    assert found["values"] == [[6.0, 0.0, 10.0], [2.0, None, 3.0]]
    assert found["constraints"] == {"latency": [0.0, None, 1.0]}
    assert found["test"] == [3.0, 0.0, 5.0]
    assert len(found["seconds"]) == 3
    assert TOY.space.choices(found["architectures"]).tolist()[1] == [0] * 6
    assert min(found["seconds"]) >= 0


def test_without_constraints_none_are_told():
    plain = dataclasses.replace(
        TOY,
        evaluate=lambda rows: TOY.evaluate(rows)._replace(constraints=np.empty((len(rows), 0))),
        constraint_names=(),
    )

    class NoConstraints(Scripted):
        def tell(self, architecture, values):
            self.observations.append(values)

    method = NoConstraints([[3, 3, 0, 0, 0, 0]])
    assert run.search(plain, method, 1)["constraints"] == {}
    assert method.observations == [[6.0, 2.0]]


needs_optuna_5 = pytest.mark.skipif(
    not hasattr(optuna.Trial, "set_constraint"), reason="constraints of a trial need Optuna 5"
)


@needs_optuna_5
def test_a_sampler_sees_values_constraints_and_failures():
    search = SamplerSearch(TOY, optuna.samplers.RandomSampler(seed=0))
    observations = [([1.0, 2.0], {"latency": 0.5}), (None, None)]
    for values, constraints in observations:
        search.tell(search.ask(), values, constraints)
    good, failed = search._study.trials
    assert (good.values, good.constraints) == ([1.0, 2.0], {"latency": 0.5})
    assert failed.state == optuna.trial.TrialState.FAIL


@needs_optuna_5
@pytest.mark.parametrize("name", ["agnet", "agnet-known", "random", "tpe", "nsga2", "gp"])
def test_every_method_of_the_package_and_of_optuna_runs_under_constraints(name):
    found = run.search(TOY, begin(methods.METHODS[name], TOY, 0), 18)
    limits = run.numbers(np.array(found["constraints"]["latency"]))
    if name == "agnet-known":
        assert all(limit <= 0 for limit in limits)


def test_known_limits_need_limits():
    with pytest.raises(ValueError, match="needs a problem with constraints; nothing has none"):
        methods.METHODS["agnet-known"](
            dataclasses.replace(TOY, name="nothing", constraint_names=()), 0
        )


def test_a_failing_run_loses_no_other(tmp_path, need_data):
    need_data("nb201/nb201_accuracy.csv.gz")
    out = tmp_path / "r.jsonl"
    wanted = ("--problem", "nb201-c100", "--method", "agnet-known,random", "--seeds", "0:2")
    done = command(out, *wanted, "--budget", "20")
    assert done.returncode == 1
    assert done.stderr.count("failed: Job(problem='nb201-c100', method='agnet-known'") == 2
    assert "2 of 4 runs failed" in done.stderr
    written = sorted((found.method, found.seed, found.budget) for found in records.read(out))
    assert written == [("random", 0, 20), ("random", 1, 20)]


def planned(out, **options):
    arguments = {"problem": "nb201-c100", "method": "random", "seeds": [0, 1], "budget": 4}
    space = run.argparse.Namespace(**{**arguments, "again": False, **options})
    return run.plan(space, lambda problem: out)


def test_only_what_no_stored_run_answers_is_planned(tmp_path, need_data, record):
    need_data("nb201/nb201_accuracy.csv.gz")
    out, data = tmp_path / "r.jsonl", problems.load("nb201-c100").data
    records.append(out, record(data=data))
    records.append(out, record(seed=1))  # of other data
    assert [job.seed for job in planned(out)] == [1]
    assert [job.seed for job in planned(out, budget=3)] == [1]  # a longer run answers
    assert [job.seed for job in planned(out, budget=5)] == [0, 1]
    assert [job.seed for job in planned(out, again=True)] == [0, 1]


def test_what_takes_longest_starts_first(tmp_path, need_data, record):
    need_data("nb201/nb201_accuracy.csv.gz")
    out = tmp_path / "r.jsonl"
    records.append(out, record(seed=9, method="tpe"))
    records.append(out, record(seed=9, method="agnet", seconds=[2.0] * 4))
    jobs = planned(out, method="tpe,agnet,random", seeds=[0])
    assert [job.method for job in jobs] == ["random", "agnet", "tpe"]  # nothing is known of random


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"problem": "nb202"}, "unknown problem nb202; known: nb201-c10, "),
        ({"method": "random,magic"}, "unknown method magic; known: agnet, "),
        ({"budget": 15626}, "must be from 1 to 15625, its number of rows"),
        ({"budget": 0}, "must be from 1 to 15625"),
    ],
)
def test_bad_input_is_named(tmp_path, need_data, options, message):
    need_data("nb201/nb201_accuracy.csv.gz")
    with pytest.raises(ValueError, match=message):
        planned(tmp_path / "r.jsonl", **options)


def test_a_corrupt_results_line_stops_the_command(tmp_path, need_data):
    need_data("nb201/nb201_accuracy.csv.gz")
    out = tmp_path / "r.jsonl"
    out.write_text('{"torn')
    with pytest.raises(ValueError, match=rf"{out}:1 is no run"):
        planned(out)


def test_names_may_be_patterns():
    assert run.names("hw-fpga-?,hw-fpga-*", problems.PROBLEMS, "problem") == [
        "hw-fpga-1",
        "hw-fpga-2",
        "hw-fpga-1-joint",
        "hw-fpga-2-joint",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["nb201-c10", "nb201-c100", "nb201-in16"])
def test_the_default_is_ahead_of_tpe_and_random_search_at_96(tmp_path, need_data, problem):
    need_data("nb201/nb201_accuracy.csv.gz")
    out = tmp_path / f"{problem}.jsonl"
    wanted = ("--problem", problem, "--method", "agnet,tpe,random")
    done = command(out, *wanted, "--seeds", "200:208", "--budget", "96")
    assert done.returncode == 0, done.stderr
    (found,) = curves.load(problem, tmp_path)
    means = {
        name: np.mean([curves.best(one)[-1] for one in runs])
        for name, runs in found.methods.items()
    }
    assert means["agnet"] > means["tpe"] > means["random"]
