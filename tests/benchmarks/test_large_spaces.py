"""NAS-Bench-301 and NAS-Bench-NLP: problems whose values are a regression's."""

import csv
import gzip

import numpy as np
import pytest

from benchmarks import nbnlp_surrogate, problems


def test_nas_bench_301_gives_the_files_values(need_data):
    pytest.importorskip("onnxruntime")
    need_data("nb301/yahpo_nb301_oct2021.onnx")
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
    pytest.importorskip("onnxruntime")
    need_data("nb301/yahpo_nb301_oct2021.onnx")
    problem = problems.load("nb301")
    cell = "[" + "('skip_connect', 0), ('skip_connect', 1), " * 4 + "]"
    other = cell.replace("('skip_connect', 0)", "('max_pool_3x3', 0)")
    arch = problem.space.parse(f"Genotype(normal={cell}, reduce={other})")
    assert problems.nb301.skip_share(problem.space.choices([arch])) == 0.75


def test_nas_bench_nlp_ranks_cells_it_did_not_see(need_data):
    pytest.importorskip("sklearn")
    need_data("nbnlp/nbnlp_wikitext2.csv.gz")
    x, losses = problems.nbnlp.runs()
    assert len(x) == 337
    predicted = nbnlp_surrogate.held_out(x, losses, seed=0, folds=3)
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, losses)]
    assert (
        np.corrcoef(*ranks)[0, 1] > 0.55
    )  # 0.60; with ten folds 0.74, see benchmarks.nbnlp_surrogate
    assert losses.min() <= predicted.min() <= predicted.max() <= losses.max()


def test_features_say_what_reaches_a_state_without_a_linear_node(need_data):
    space = problems.nbnlp.SPACE
    gated = space.parse(
        '{"c": {"op": "linear", "input": ["x", "h_prev_0"]},'
        ' "g": {"op": "activation_sigm", "input": ["c"]},'
        ' "h_new_0": {"op": "blend", "input": ["g", "h_prev_0", "c"]}}'
    )
    plain = space.parse('{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}')
    found = problems.nbnlp.features(space.choices([gated, plain]))
    reached = found[:, -2 * 3 * 4 :].reshape(2, 2, 3, 4)  # cell, way, state, source
    assert reached[:, 0, 0].tolist() == [[1, 1, 0, 0]] * 2
    assert reached[:, 1, 0].tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    assert not reached[:, :, 1:].any()
