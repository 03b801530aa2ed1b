"""What was aimed at with hyperparameters, counted from lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import joint_aims, records
from benchmarks.problems.joint import NAMES

METHODS = {"agnet": 2.0, "alone": 4.0, "tpe": 6.0, "gp": 5.0, "split": 8.0, "random": 9.0}


def row(problem: str, method: str, seed: int, score: float, budget: int = 96) -> dict[str, object]:
    return {
        "problem": problem,
        "method": method,
        "seed": seed,
        "budget": budget,
        "best": [score] * budget,
        "ms": 30.0 + seed,
    }


def lines_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[tuple[str, str], float]
) -> dict[str, list[str]]:
    """Cells by aim, where each method has one score, but for some."""
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    for problem in NAMES:
        for method, score in METHODS.items():
            for seed in (0, 1, 2):
                given = changed.get((problem, method), score)
                records.append_row(tmp_path / "joint.jsonl", row(problem, method, seed, given))
    records.append_row(tmp_path / "joint.jsonl", row("joint-mlp-car", "agnet", 9, 1.0, 200))
    # a seed that its rivals lack counts nowhere beside them
    records.append_row(tmp_path / "joint.jsonl", row("joint-nb201-noisy", "agnet", 7, 99.0))
    cells = [line.strip("| ").split(" | ") for line in joint_aims.aims() if line.startswith("| ")]
    return {aim: rest for aim, *rest in cells[2:]}


def test_all_is_reached_where_the_default_is_ahead_by_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lines_of(tmp_path, monkeypatch, {})
    assert {cells[-1] for cells in found.values()} == {"yes"}
    noisy = "NAS-Bench-201, noisy: half of what the best rival misses at 48"
    assert found[noisy] == ["3", "2.0 of 5.0 (gp), 0.40", "yes"]
    (asks,) = (cells for aim, cells in found.items() if "200 trials" in aim)
    assert asks[1] == "mlp-car 39"


def test_what_is_missed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = lines_of(
        tmp_path,
        monkeypatch,
        {
            ("joint-fcnet-slice", "gp"): 1.0,
            ("joint-fcnet-naval", "agnet"): 4.0,
            ("joint-nb201-dependent", "split"): 3.0,
            ("joint-digits", "tpe"): 2.0,
            **{(name, "tpe"): 3.0 for name in NAMES[4:7]},  # of HPOBench-MLP
        },
    )
    missed = {aim for aim, cells in found.items() if cells[-1] == "**no**"}
    assert missed == {
        "FCNet: median rank at most 3 of 62,208 at 64, all four tables",
        "FCNet: not behind TPE or GPSampler at 32, 48, 64, 96",
        *(f"HPOBench-MLP, hyperparameters alone: ahead of both on 6 of 8 at {q}" for q in (32, 64)),
        *(f"NAS-Bench-201, dependent: half of what the best rival misses at {q}" for q in (48, 96)),
        *(f"digits: error below TPE's and GPSampler's at {q}" for q in (24, 40)),
    }
    behind = found["FCNet: not behind TPE or GPSampler at 32, 48, 64, 96"][1]
    assert behind.startswith("28 of 32 comparisons; behind: slice @32 (2, gp 1), ")


def test_each_rival_is_compared_on_the_seeds_that_both_have_where_they_are_three() -> None:
    """Not on those that all have, nor with runs that were too short."""
    name = "joint-nb201-noisy"
    lines = [row(name, "agnet", seed, 1.0 + seed) for seed in range(8)]
    lines += [row(name, "split", seed, 1.0) for seed in (0, 1)]
    lines += [row(name, "tpe", seed, 2.0) for seed in (1, 2, 3)]
    lines += [row(name, "gp", seed, 4.0, 48) for seed in (3, 4, 5, 9)]
    found = joint_aims.Searches(lines)  # type: ignore[arg-type]
    assert found.of(name, "agnet", 96).tolist() == [1.0 + seed for seed in range(8)]
    assert found.pair(name, "agnet", "gp", 48).tolist() == [[4.0, 5.0, 6.0], [4.0] * 3]
    for queries, known in ((48, ["tpe", "gp"]), (96, ["tpe"])):
        beside = dict(found.beside(name, "agnet", joint_aims.ALL_RIVALS, queries))
        assert list(beside) == known
        assert {scores.shape for scores in beside.values()} == {(2, 3)}


def test_without_lines_there_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    assert list(joint_aims.aims()) == []
