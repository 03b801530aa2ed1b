"""Tables of the pruning benchmark: what stopping cost, and differences that are paired by seed."""

import numpy as np

from benchmarks.pruning import Job
from benchmarks.pruning_table import best_at, differences, lost, report


def test_what_stopping_cost_is_added_up_over_the_runs():
    def row(best_stopped, *best):
        found = {"best": [(spent, value) for spent, value in enumerate(best)]}
        return {**found, "stopped_best": 2, "seen_best": 5, "lost": 1, "best_stopped": best_stopped}

    rows = [row(93.5, 90.0, 93.0), row(91.0, 92.0), row(None, 50.0)]
    assert lost(rows) == ["6 of 15", "3 of 7", "0.17"]
    del rows[0]["best_stopped"]
    assert lost(rows)[2] == "0.00 (2)"
    assert lost([{"best": []}]) == ["", "", ""]


def test_differences_are_paired_by_seed():
    def row(pruner, seed, value):
        return {
            **Job("c10", "agnet", pruner, seed, 48, 12)._asdict(),
            "trials": 100,
            "pruned": 60,
            "best": [(200, 50.0), (9000, value)],
        }

    rows = [
        row("median", 1, 92.0),
        row("median", 0, 90.0),
        row("none", 0, 89.0),
        row("none", 1, 90),
    ]
    text = report(rows)
    assert "| agnet, median | agnet, none | +0.00 ± 0.00 | +1.50 ± 0.50 |" in text
    found = " | ".join(["50.00 ± 0.00"] * 3)  # at 6, 12 and 24
    assert f"| c10 | agnet | median | 2 | 100 | 60% | {found} | 91.00 ± 1.00 |" in text
    assert best_at(rows, 45).tolist() == [92.0, 90.0, 89.0, 90.0]
    assert not np.isnan(best_at(rows, 1)).any()


def test_seeds_that_only_one_of_two_has_are_left_out():
    def row(pruner, seed, value):
        job = Job("c10", "agnet", pruner, seed, 48, 12)
        return {**job._asdict(), "trials": 100, "pruned": 60, "best": [(200, value)]}

    rows = [row("median", seed, 92.0) for seed in (3, 4)]
    rows += [row("none", seed, value) for seed, value in ((3, 91.0), (4, 91.0), (5, 10.0))]
    assert any("| agnet, none | +1.00 ± 0.00" in line for line in differences(rows))
