"""Several at once: what is told when, and that a sampler may repeat what is running."""

from dataclasses import replace

import numpy as np
import optuna

from benchmarks import curves, records
from benchmarks.at_once_table import THEN, TRIED_AT, at_once, beside, by_rounds, tried
from benchmarks.methods import METHODS
from benchmarks.methods.at_once import DURATIONS, SAMPLERS, SIZES, AtOnce
from benchmarks.methods.base import SamplerSearch
from benchmarks.problems.base import Problem, unconstrained
from benchmarks.run import search
from optuna_agnet import AGNet, AGNetConfig, spaces

SPACE = spaces.nas_bench_201()
PROBLEM = Problem("made up", SPACE, lambda x: unconstrained((x == 3).sum(1) * 1.0), data="none")


class Numbers:
    """Asks for 0, 1, 2 and so on, and keeps in which order it is asked and told."""

    def __init__(self):
        self.calls = []

    def ask(self):
        self.calls.append("ask")
        return self.calls.count("ask") - 1

    def tell(self, *result):
        self.calls.append(result)


def test_results_are_told_when_all_are_known_and_in_their_order():
    numbers = Numbers()
    method = AtOnce(numbers, 2)
    asked = []
    for _ in range(5):
        asked.append(method.ask())
        method.tell(asked[-1], [1.0])
    assert asked == [0, 1, 2, 3, 4]
    told = [(k, [1.0]) for k in range(4)]
    assert numbers.calls == ["ask", "ask", *told[:2], "ask", "ask", *told[2:], "ask"]


def test_a_worker_asks_again_when_its_own_evaluation_has_ended():
    """Beside a naive clock: before each ask, all that ended by the time a worker is free are told, by their ends."""
    lasts = [0.9, 0.4, 1.2, 0.4, 0.4, 1.5, 0.7, 0.6]
    numbers = Numbers()
    method = AtOnce(numbers, 3, lambda number, rng: lasts[number])
    ends, now, expected = {}, 0.0, []
    for number, lasted in enumerate(lasts):
        if len(ends) == 3:
            now = min(ends.values())
            for ended in sorted(ends, key=lambda k: (ends[k], k)):
                if ends[ended] == now:
                    expected.append((ended, [1.0]))
                    del ends[ended]
        expected.append("ask")
        ends[number] = now + lasted
        method.tell(method.ask(), [1.0])
    assert numbers.calls == expected
    assert expected.index((2, [1.0])) > expected.index((3, [1.0]))


def test_durations_are_those_of_the_seed_and_of_the_architecture():
    rows = np.array([[3] * 6, [1] * 6, [3, 3, 3, 1, 1, 1]])
    conv, skip, half = SPACE.architectures(rows)
    rng = np.random.default_rng(0)
    lasts = [DURATIONS["convolutions"](arch, rng) for arch in (skip, half, conv)]
    assert lasts == [0.5, 0.5 + 3 / 8, 0.5 + 6 / 8]
    drawn = [DURATIONS["random"](conv, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(0.5 <= lasted <= 1.5 for lasted in drawn)


def test_the_default_at_once_proposes_what_ask_n_does():
    config = AGNetConfig(dedup="encoding")
    own, values = AGNet(SPACE, seed=3, config=config), []
    for _ in range(3):
        batch = own.ask(8)
        rows = SPACE.choices(batch)
        for arch, value in zip(batch, (rows == 3).sum(1).tolist(), strict=True):
            own.tell(arch, value)
        values += [str(arch) for arch in batch]
    method = METHODS["agnet-ask8"](PROBLEM, 3)
    assert [str(arch) for arch in search(PROBLEM, method, 24)["architectures"]] == values


def test_every_method_runs_at_once():
    assert set(METHODS) >= {f"{name}-ask{size}" for name in SAMPLERS for size in SIZES}
    for name in SAMPLERS:
        found = search(PROBLEM, METHODS[f"{name}-ask8"](PROBLEM, 0), 20)
        assert np.array(found["values"]).shape == (1, 20)


def test_a_sampler_may_propose_again_what_is_running():
    fixed = {d.name: d.choices[1] for d in SPACE.decisions}
    sampler = optuna.samplers.PartialFixedSampler(fixed, optuna.samplers.RandomSampler())
    method = SamplerSearch(PROBLEM, sampler)
    first, second = method.ask(), method.ask()
    assert first == second
    method.tell(first, [1.0])
    method.tell(second, [2.0])
    assert [trial.value for trial in method._study.trials] == [1.0, 2.0]


def record(folder, long_record, method, seed, values):
    """A line of a run with these values."""
    run = long_record(seed, queries=len(values), values=[values], test=[1.0] * len(values))
    records.append(folder / f"{run.problem}.jsonl", replace(run, method=method))


def test_the_table_compares_on_equal_seeds(tmp_path, monkeypatch, long_record):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    for method, seed, best in (
        ("agnet", 0, 50.0),
        ("agnet", 1, 60.0),
        ("agnet", 2, 99.0),
        ("agnet-ask8", 0, 49.0),
        ("agnet-ask8", 1, 57.0),
    ):
        record(tmp_path, long_record, method, seed, [1.0] * 40 + [best] * 24)
    lines = list(at_once())
    assert curves.load("nb201-c100")
    (row,) = [line for line in lines if "| 8 | equal | agnet |" in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:5] == ["nb201-c100", "8", "equal", "agnet", "2"]
    assert cells[5:] == ["1.00 ± 0.00 (+0.00 ± 0.00)", *["53.00 ± 4.00 (-2.00 ± 1.00)"] * 2]


def test_the_default_is_compared_with_who_was_asked_for_as_many(tmp_path, monkeypatch, long_record):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    for method, seed, best in (
        ("agnet-ask8", 0, 50.0),
        ("agnet-ask8", 1, 52.0),
        ("agnet-ask8", 2, 99.0),
        ("tpe-ask8", 0, 49.0),
        ("tpe-ask8", 1, 49.0),
        ("tpe-ask16", 0, 10.0),
        ("agnet", 0, 80.0),
        ("tpe", 0, 10.0),
    ):
        record(tmp_path, long_record, method, seed, [best] * 48)
    (row,) = [line for line in beside() if line.startswith("| nb201-c100 |")]
    assert row == f"| nb201-c100 | 8 | equal | tpe | 2 {'| +2.00 ± 1.00 ' * 2}|"


def test_a_round_of_eight_takes_as_long_as_one_evaluation(tmp_path, monkeypatch, long_record):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    for method, queries in (("agnet", 64), ("agnet-ask8", 64), ("agnet-ask16", 96)):
        values = [float(number) for number in range(1, queries + 1)]
        record(tmp_path, long_record, method, 0, values)
    shown = [line for line in by_rounds() if line.startswith("| nb201-c100 | 6 | agnet |")]
    assert shown == ["| nb201-c100 | 6 | agnet | 6.00 ± 0.00 | 48.00 ± 0.00 | 96.00 ± 0.00 |"]


def test_what_was_tried_is_shown_beside_what_was_there_with_the_same_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    for candidates, name, size, seed, best in (
        ("generator", THEN, 1, 0, 50.0),
        ("generator", THEN, 1, 1, 60.0),
        ("generator", THEN, 8, 0, 46.0),
        ("generator", THEN, 8, 1, 58.0),
        ("generator", "something", 8, 1, 58.0),
        ("generator", "something", 8, 0, 49.0),
        ("generator", "something", 8, 2, 99.0),
        ("random", "something", 8, 0, 99.0),
    ):
        row = {"problem": "p", "candidates": candidates, "at_once": size, "workers": "rounds"}
        row |= {"tried": name, "seed": seed, "best": dict.fromkeys(map(str, TRIED_AT), best)}
        records.append_row(tmp_path / "at_once_tried.jsonl", row)
    rows = [line for line in tried() if line.startswith("| p |")]
    assert rows == [
        f"| p | generator | 8 | rounds | {THEN} | 2 {'| -3.00 ± 1.00 ' * 4}|",
        f"| p | generator | 8 | rounds | something | 2 {'| +1.50 ± 1.50 ' * 4}|",
    ]
