"""Sentences of docs/pruning.md."""

from __future__ import annotations

from itertools import product

import numpy as np
from sentences import says

from benchmarks import pruning_table, records
from benchmarks.methods import pruners
from benchmarks.problems import nb201
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.study.pruner import _share
from optuna_agnet.surrogate.curves import rungs, steps_until_next


def pruned(dataset: str) -> dict[tuple[str, str, str], list[pruning_table.Row]]:
    """Searches of a data set with the epochs of 48 trainings."""
    rows = records.rows(records.RESULTS / "pruning.jsonl")
    return pruning_table.grouped(
        [r for r in rows if (r["dataset"], r["trainings"]) == (dataset, 48)]
    )


def test_what_the_pruner_brings_on_darts_cells() -> None:
    """Beside other pruners, on the seeds that both have."""
    found = pruned("darts")
    rivals = [*product(("agnet",), ("none", "median", "percentile", "hyperband", "halving"))]
    rivals += product(("tpe",), ("none", "median", "hyperband"))
    for (sampler, rival), spent in product(rivals, (24, 48)):
        both = found["darts", sampler, "agnet"], found["darts", sampler, rival]
        gains = pruning_table.gains(*both, spent)
        assert gains.mean() > 0
        close = (sampler, rival) in product(("agnet",), ("hyperband", "halving"))
        assert not close or within_two_errors(gains)
    says(
        "ahead of all others in this table, with AG-Net of Hyperband and successive halving by no more than two"
        " standard errors",
        "docs/pruning.md",
    )
    ours = found["darts", "agnet", "agnet"]
    for rival in ("hyperband", "halving"):
        assert pruning_table.gains(ours, found["darts", "agnet", rival], 6).mean() < 0
    says("after the epochs of six Hyperband and successive halving are ahead", "docs/pruning.md")
    continuing = found["darts", "agnet", pruners.CONTINUING]
    assert abs(pruning_table.gains(continuing, ours, 48).mean()) < 0.05
    says("`continue_stopped` adds little, and takes nothing away", "docs/pruning.md")


def within_two_errors(gains: FloatArray) -> bool:
    return bool(abs(gains.mean()) <= 2 * gains.std(ddof=1) / len(gains) ** 0.5)


def test_pruners_end_alike_on_nas_bench_201() -> None:
    for dataset, rival in product(nb201.DATASETS, ("median", "hyperband")):
        found = pruned(dataset)
        both = (found[dataset, "agnet", pruner] for pruner in ("agnet", rival))
        assert within_two_errors(pruning_table.gains(*both, 48))
    says("all pruners end alike", "docs/pruning.md")


def test_the_pruner_brings_nothing_on_mlps() -> None:
    found = pruned("mlp-vehicle")
    gains = pruning_table.gains(*(found["mlp-vehicle", "agnet", p] for p in ("agnet", "none")), 48)
    assert within_two_errors(gains)
    says(f"it is level with no pruner ({len(gains)} seeds)", "docs/pruning.md")


def test_what_is_lost_beside_tpe() -> None:
    runs = pruned("in16")["in16", "tpe", "agnet"]
    lost = sum(run["lost"] for run in runs)
    expected = sum(run["expected"] for run in runs)
    assert lost > expected + 2 * expected**0.5  # no accident
    every = pruning_table.lost(runs)[1]
    says(
        f"it stopped {every} new bests there, by its own chances {expected:.0f} were expected",
        "docs/pruning.md",
    )


def test_what_stopping_costs() -> None:
    """On DARTS cells: how much of the best percent was stopped."""
    runs = [
        run
        for run in records.rows(records.RESULTS / "pruning.jsonl")
        if (run["dataset"], run["sampler"], run["trainings"]) == ("darts", "agnet", 48)
    ]
    ours = [run for run in runs if run["pruner"] == "agnet"]
    assert all(run["best_stopped"] <= run["best"][-1][1] for run in ours)
    says("ahead of the best that was found: on DARTS cells never.", "docs/pruning.md")
    best_percent = pruning_table.lost(ours)[0]
    says(f"{best_percent} trainings of the best percent of random", "docs/pruning.md")


def test_how_the_least_chance_grows_on_darts_cells() -> None:
    steps = rungs([dict.fromkeys(range(1, 99), 0.0)])
    waits = steps_until_next(steps)[:-1]  # the last report is the objective
    shares = [f"{_share(rung, waits):.1f}" for rung in range(1, len(steps))]
    *first, last = map(str, steps[:-1])
    says(f"rungs at {', '.join(first)} and {last} of 98 epochs", "docs/pruning.md")
    says(f"that is {', '.join(shares[:-1])} and {shares[-1]} times", "docs/pruning.md")


def test_the_pruner_was_chosen_on_other_seeds_than_those_it_is_shown_on() -> None:
    chosen, shown = (
        records.rows(records.RESULTS / f"{name}.jsonl") for name in ("pruning-choice", "pruning")
    )
    assert min(run["seed"] for run in chosen) >= 100
    assert {run["dataset"] for run in chosen} == {"darts", "c10"}
    assert max(run["seed"] for run in shown) < 10
    says("was chosen with seeds that no other table shows", "docs/pruning.md")


def test_what_half_the_least_chance_brings_on_nas_bench_201() -> None:
    found = pruning_table.grouped(
        [
            row
            for row in records.rows(records.RESULTS / "pruning.jsonl")
            if (row["sampler"], row["trainings"]) == ("agnet", 48)
        ]
    )
    shares = {}
    for pruner in (pruners.NORMAL, pruners.CAREFUL):
        runs = [run for d in nb201.DATASETS for run in found[d, "agnet", pruner]]
        lost = sum(run["lost"] for run in runs)
        shares[pruner] = lost / (lost + sum(len(run["best"]) for run in runs))
    assert 0.4 < shares[pruners.CAREFUL] / shares[pruners.NORMAL] < 0.6
    for dataset in nb201.DATASETS:
        ends = [pruning_table.best_at(found[dataset, "agnet", p], 48) for p in shares]
        gain = np.subtract(ends[1], ends[0])
        assert gain.mean() <= 2 * gain.std(ddof=1) / len(gain) ** 0.5
    says("stops about half as many there, and finds nothing better", "docs/pruning.md")
