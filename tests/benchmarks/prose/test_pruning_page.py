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
    ours = {sampler: found["darts", sampler, "agnet"] for sampler in ("agnet", "tpe")}

    def gains(sampler: str, rival: str, spent: int) -> FloatArray:
        return pruning_table.gains(ours[sampler], found["darts", sampler, rival], spent)

    for rival, spent in product(("none", "median", "percentile", "hyperband", "halving"), (24, 48)):
        assert gains("agnet", rival, spent).mean() > 0
    says(
        "With AG-Net it is ahead of all others in this table after the epochs of 24 and of 48",
        "docs/pruning.md",
    )
    assert all(within_two_errors(gains("agnet", "halving", spent)) for spent in (6, 12))
    says("and level with successive halving before", "docs/pruning.md")
    assert all(within_two_errors(gains("tpe", "halving", spent)) for spent in (12, 24, 48))
    assert gains("tpe", "halving", 6).mean() < 0
    says(
        "level with successive halving after 12, 24 and 48, and behind it after six",
        "docs/pruning.md",
    )
    continuing = found["darts", "agnet", pruners.CONTINUING]
    assert abs(pruning_table.gains(continuing, ours["agnet"], 48).mean()) < 0.05
    says("`continue_stopped` adds little, and takes nothing away", "docs/pruning.md")


def test_what_halving_among_the_first_trainings_brings() -> None:
    """Beside none before five whole ones, with AG-Net."""
    at_once = {}
    for dataset in ("darts", *nb201.DATASETS):
        found = pruned(dataset)
        both = [found[dataset, "agnet", pruner] for pruner in ("agnet", pruners.FIVE)]
        at_once[dataset] = f"{pruning_table.gains(*both, 6).mean():.2f}"
        assert within_two_errors(pruning_table.gains(*both, 48))
    darts, *others, last = at_once.values()
    says(
        f"is worth {darts} points on DARTS cells after the epochs of six,"
        f" {', '.join(others)} and {last} on the three sets",
        "docs/pruning.md",
    )
    found = pruned("darts")
    ours, five = (
        pruning_table.lost(found["darts", "agnet", p])[1] for p in ("agnet", pruners.FIVE)
    )
    says(
        f"with `n_warmup_curves=5` {five} new bests on DARTS cells, with the default {ours}",
        "docs/pruning.md",
    )


def within_two_errors(gains: FloatArray) -> bool:
    return bool(abs(gains.mean()) <= 2 * gains.std(ddof=1) / len(gains) ** 0.5)


def test_pruners_end_alike_on_nas_bench_201() -> None:
    for dataset, rival in product(nb201.DATASETS, ("median", "hyperband", "percentile")):
        found = pruned(dataset)
        both = (found[dataset, "agnet", pruner] for pruner in ("agnet", rival))
        assert within_two_errors(pruning_table.gains(*both, 48))
    says("all pruners end alike", "docs/pruning.md")


def test_what_the_pruner_brings_on_mlps() -> None:
    gains = {}
    for dataset in ("mlp-vehicle", "mlp-segment"):
        found = pruned(dataset)
        both = (found[dataset, "agnet", p] for p in ("agnet", "none"))
        gains[dataset] = pruning_table.gains(*both, 48)
        assert len(gains[dataset]) == 10
    assert within_two_errors(gains["mlp-vehicle"])
    assert not within_two_errors(gains["mlp-segment"])
    assert gains["mlp-segment"].mean() > 0
    says("level with no pruner on one table and ahead on the other (ten seeds)", "docs/pruning.md")


def test_what_is_lost_beside_tpe() -> None:
    found = pruned("in16")
    runs = found["in16", "tpe", pruners.FIVE]
    lost = sum(run["lost"] for run in runs)
    expected = sum(run["expected"] for run in runs)
    assert lost > expected + 2 * expected**0.5  # no accident
    every = pruning_table.lost(runs)[1]
    says(
        f"it stopped {every} new bests, by its own chances {expected:.0f} were expected",
        "docs/pruning.md",
    )
    ours = pruning_table.lost(found["in16", "agnet", "agnet"])[1]
    says(f"on ImageNet16-120 {ours}.", "docs/pruning.md")


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
