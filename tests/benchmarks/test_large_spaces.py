"""NAS-Bench-301 and NAS-Bench-NLP: problems whose values are a regression's."""

import csv
import gzip

import numpy as np
import pytest

from benchmarks import problems


def test_nas_bench_301_gives_the_files_values(need_data):
    pytest.importorskip("onnxruntime")
    problem = problems.load("nb301")
    with gzip.open(need_data("nb301/nb301_naslib_725.csv.gz"), "rt") as file:
        lines = list(csv.DictReader(file))[:40]
    texts = []
    for line in lines:
        fields = []
        for name in ("normal", "reduce"):
            pairs = [part.split(":") for part in line[name].split()]
            fields.append(f"{name}={[(op, int(source)) for source, op in pairs]}")
        texts.append(f"Genotype({', '.join(fields)})")
    found = problem.evaluate(problem.space.choices([problem.space.parse(text) for text in texts]))
    expected = [float(line["yahpo_val_acc"]) for line in lines]
    np.testing.assert_allclose(found.values[:, 0], expected, atol=1e-4)


def test_share_of_skip_connections(need_data):
    problem = problems.load("nb301")
    cell = "[" + "('skip_connect', 0), ('skip_connect', 1), " * 4 + "]"
    other = cell.replace("('skip_connect', 0)", "('max_pool_3x3', 0)")
    arch = problem.space.parse(f"Genotype(normal={cell}, reduce={other})")
    assert problems.nb301.skip_share(problem.space.choices([arch])) == 0.75


def test_nas_bench_nlp_ranks_cells_it_did_not_see(need_data):
    pytest.importorskip("sklearn")
    need_data("nbnlp/nbnlp_wikitext2.csv.gz")
    x, loss = problems.nbnlp.runs()
    assert len(x) == 337
    rng = np.random.default_rng(0)
    keys = problems.nbnlp.SPACE.keys(x)
    test = np.isin(keys, rng.choice(np.unique(keys), 60, replace=False))
    model = problems.nbnlp.regression(x[~test], loss[~test])
    predicted = model.predict(problems.nbnlp.features(x[test]))
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, loss[test])]
    assert np.corrcoef(*ranks)[0, 1] > 0.1
