"""Sentences of benchmarks/README.md on several at once, and of docs/workers.md where it says the same."""

from __future__ import annotations

from itertools import product

import numpy as np
from sentences import NB201, means, runs, says

from benchmarks import curves, records, scaling, throughput
from benchmarks.markdown import paired, value
from optuna_agnet import AGNetConfig
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.search.model import training_sizes

JOINT = "hw-edgegpu-4-joint"


def at_once_less_one(problem: str, method: str, queries: int) -> list[float]:
    default = {run.seed: run for run in runs(problem, "agnet")}
    found = runs(problem, method)
    return [value(run, queries) - value(default[run.seed], queries) for run in found]


def test_what_several_at_once_lose_and_what_was_aimed_at() -> None:
    eight = [-np.mean(at_once_less_one("nb301", "agnet-ask8", n)) for n in (48, 64)]
    sixteen = -np.mean(at_once_less_one("nb301", "agnet-ask16", 64))
    assert min(eight) > 0.05  # "more than we aimed at"
    assert sixteen > 0.10
    early, late = (f"{less:.2f}" for less in eight)
    says(f"8 by {early} at 48 and {late} at 64 trials, where we aimed at 0.05")
    says(f"and 16 by {sixteen:.2f} at 64, where we aimed at 0.10")
    says(f"who lose {early} after 48 trials and {late} after 64", "docs/workers.md")
    says(f"with 16 after 64 trials, who lose {sixteen:.2f}.", "docs/workers.md")
    one, four, more = (
        f"{means('nb301', name, 12 * size):.2f}"
        for name, size in (("agnet", 1), ("agnet-ask4", 4), ("agnet-ask8", 8))
    )
    says(f"on DARTS cells one has {one}, four {four} and eight {more}", "docs/workers.md")


def one_at_a_time_there_after(queries: int, method: str) -> int:
    """Trials after which one at a time is, in the mean of the same seeds, where several at once are after so many."""
    found = runs("nb301", method)
    default = {run.seed: curves.best(run)[:queries] for run in runs("nb301", "agnet")}
    one = np.mean([default[run.seed] for run in found], 0)
    return int(np.argmax(one >= means("nb301", method, queries))) + 1


def test_how_many_trials_earlier_one_at_a_time_is_where_several_at_once_are() -> None:
    eight, sixteen = (
        [one_at_a_time_there_after(n, f"agnet-ask{size}") for n in (48, 64)] for size in (8, 16)
    )
    after = "after 48 and 64, eight are where one at a time is after {} and {}, {} where it is after {} and {}"
    says(after.replace(",", "", 1).format(*eight, "16", *sixteen))
    says(after.format(*eight, "and 16", *sixteen), "docs/workers.md")


def tried_for_eight(name: str) -> dict[int, dict[str, float]]:
    """The best after some numbers of trials, by seed, in rounds of eight on DARTS cells with the generator."""
    lines = records.rows(records.RESULTS / "at_once_tried.jsonl")
    asked = {"problem": "nb301", "candidates": "generator", "at_once": 8, "workers": "rounds"}
    return {r["seed"]: r["best"] for r in lines if r.items() >= {**asked, "tried": name}.items()}


def test_what_the_age_of_the_generator_costs_eight_at_once() -> None:
    default = tried_for_eight("the default of then")
    for name, queries, sentence in (
        ("one by one, the generator as old", 32, "is ahead of eight by {} at 32"),
        ("one by one, the generator as old", 48, "and by {} at 48; a generator that knew"),
        ("generator knows pending values", 48, "would bring eight {} there"),
        ("generator trained on believed values too", 48, "believes of them it brings {}"),
        ("neighbours once four are pending", 48, "once four are pending bring {}"),
        ("twice the steps of training a round", 48, "steps of training a round {}."),
    ):
        found = tried_for_eight(name)
        assert len(found) in (4, 5)  # "four or five searches"
        best = [(run[str(queries)], default[seed][str(queries)]) for seed, run in found.items()]
        says(sentence.format(paired(np.array([one - other for one, other in best]))))


def test_what_was_aimed_at_for_the_cost_of_workers_and_missed() -> None:
    counted = records.rows(records.RESULTS / "throughput.jsonl")
    (eight,) = [r for r in counted if r["state"] == "now" and r.get("workers") == 8]
    share = eight["cpu_ms"] / (eight["cpu_ms"] + 1000 * throughput.WAIT)
    assert share > 0.12
    says(f"it is {share:.1%} had each a core".replace("%", " %"))
    says(f"would take {share:.1%} of their time".replace("%", " %"), "docs/workers.md")
    scaled = records.rows(records.RESULTS / "scaling.jsonl")
    fastest = max((r for r in scaled if r["workers"] == 8 and "machine" in r), key=scaling.rate)
    says(f"{100 * fastest['sampler_share']:.1f} % as it was in the run")
    grown = {(r["storage"], r["trials"]): r for r in records.rows(records.RESULTS / "growth.jsonl")}
    alone, beside = grown["postgresql", 2000]["first_s"], grown["journal", 2000]["second_s"]
    assert beside < 1 < alone
    says(f"on its machine it does ({beside} s in a journal file")
    says(f"on a machine where nobody has trained it takes {alone} s")
    rounds = len(training_sizes(2000, AGNetConfig()))
    says(f"most of it {rounds} rounds of training")


def test_where_eight_at_once_are_behind_on_nas_bench_201() -> None:
    seen = {}
    for problem, queries in product(NB201, (48, 64)):
        gains = at_once_less_one(problem, "agnet-ask8", queries)
        if np.mean(gains) < -2 * np.std(gains, ddof=1) / len(gains) ** 0.5:
            seen[problem, queries] = -np.mean(gains)
    ((case, less),) = seen.items()
    assert case == ("nb201-c100", 64)
    says(f"but on CIFAR-100 at 64 ({less:.2f})")


def test_what_is_behind_the_default_when_asked_for_as_many() -> None:
    says("are behind the default on the four sets of cells from 32 on (five seeds and ten)")
    for problem, size, rival in product((*NB201, "nb301"), (8, 16), ("gp", "tpe")):
        found = runs(problem, f"{rival}-ask{size}")
        assert len(found) == {"gp": 5, "tpe": 10}[rival]
        ours = {run.seed: run for run in runs(problem, f"agnet-ask{size}")}
        for queries in (32, 48, 64):
            gains = [value(ours[run.seed], queries) - value(run, queries) for run in found]
            assert np.mean(gains) > 0
    says("Under the limit of a device GPSampler is level with it (three seeds)")
    ours = {run.seed: run for run in runs("hw-edgegpu-4", "agnet-ask8")}
    found = runs("hw-edgegpu-4", "gp-ask8")
    gains = [value(ours[run.seed], 48) - value(run, 48) for run in found]
    assert abs(np.mean(gains)) < 2 * np.std(gains, ddof=1) / len(gains) ** 0.5
    assert len(gains) == 3


def test_where_tpe_is_ahead_in_rounds() -> None:
    def gain(size: int, queries: int) -> FloatArray:
        ours, theirs = (
            {run.seed: value(run, queries) for run in runs(JOINT, f"{name}-ask{size}")}
            for name in ("agnet", "tpe")
        )
        assert len(ours) == len(theirs) == 5
        return np.array([theirs[seed] - best for seed, best in ours.items()])

    eight, sixteen = paired(gain(8, 32)).lstrip("+"), paired(gain(16, 48)).lstrip("+")
    says(f"ahead of the default by {eight} at 32 in rounds of eight, and by {sixteen} at 48")
    for later in (gain(8, 48), gain(8, 64), gain(8, 96), gain(16, 64), gain(16, 96)):
        assert later.mean() < 2 * later.std(ddof=1) / len(later) ** 0.5  # "level or behind"


def test_what_eight_lose_where_durations_depend_on_the_architecture() -> None:
    gains = [
        np.array(at_once_less_one("nb301", "agnet-workers8-convolutions", n)) for n in (48, 64)
    ]
    assert len(gains[0]) == 3
    early, late = (paired(-gain).lstrip("+") for gain in gains)
    says(f"lose {early} on `nb301` at 48, and {late} at 64 (three seeds)")
    random = [np.mean(at_once_less_one("nb301", "agnet-workers8-random", n)) for n in (48, 64)]
    assert all(gain.mean() < other for gain, other in zip(gains, random, strict=True))
    early, late = (f"{-gain.mean():.2f}" for gain in gains)
    says(f"{early} after 48 trials and {late} after 64 (three searches", "docs/workers.md")
