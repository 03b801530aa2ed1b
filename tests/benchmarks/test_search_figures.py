"""Pictures of one search show that search: its best cell, and what its generator makes after each round."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from benchmarks import problems, records, search_figures
from benchmarks.curves import MissingResults
from optuna_agnet import spaces

NB201 = spaces.nas_bench_201()


@pytest.fixture(scope="module")
def history():
    """Three rounds of a search with the table that comes with a package."""
    return search_figures.search_again(problems.load("nb201-c100"), "agnet", 24)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_best_cell_of_the_first_search(record, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    cell = NB201.random_architecture(0)
    for seed, best in ((1, str(NB201.random_architecture(1))), (0, None)):
        path = tmp_path / "nb201-c100.jsonl"
        records.append(path, record(method="agnet", seed=seed, best=best))
    with pytest.raises(MissingResults, match="run of agnet on nb201-c100, seed 0, that names"):
        search_figures.cell("nb201-c100", NB201)
    records.append(path, record(method="agnet", seed=0, best=str(cell)))
    graph, types, edges = search_figures.cell("nb201-c100", NB201).axes
    assert graph.get_title() == "nb201-c100: best of 4 queries of agnet, seed 0: 3.00"
    shown = [label.get_text() for label in types.get_xticklabels()]
    of_nodes = [shown[k] for k in types.images[0].get_array().argmax(1)]
    assert of_nodes == list(cell.nodes)
    arrows = np.argwhere(edges.images[0].get_array())
    assert {tuple(edge) for edge in arrows.tolist()} == set(cell.edges)


def test_samples_after_each_round(history, monkeypatch):
    monkeypatch.setattr(search_figures, "search_again", lambda *arguments: history)
    monkeypatch.setattr(search_figures, "_SAMPLES", 200)
    problem = problems.load("nb201-c100")
    (axis,) = search_figures.better_samples(problem, ["agnet"], 8, 3).axes
    assert [line.get_label() for line in axis.get_lines()] == [
        "pretrained, 100% valid",
        "after 16 queries, 100% valid",
        "after 24 queries, 100% valid",  # not the one after 20
    ]
    rows, _ = history.rounds[-1].sample(200)
    accuracy, share = axis.get_lines()[-1].get_data()
    better = problem.evaluate(rows).values[:, 0] >= accuracy[50]
    assert share[50] == pytest.approx(100 * better.mean())


def test_a_plane_of_the_latent_space(history, monkeypatch):
    monkeypatch.setattr(search_figures, "search_again", lambda *arguments: history)
    monkeypatch.setattr(search_figures, "_PANELS", 2)
    figure = search_figures.latent_space(problems.load("nb201-c100"), "agnet", 24)
    first, last, _ = figure.axes
    assert first.get_title().startswith("pretrained")
    assert last.get_title().startswith("after 24 results")


def test_without_data_there_is_no_picture(monkeypatch):
    def missing(name):
        raise FileNotFoundError(f"{name}: no file")

    monkeypatch.setattr(problems, "load", missing)
    with pytest.raises(MissingResults, match="nb101: no file"):
        search_figures.on("nb101", search_figures.better_samples, ["agnet"], 16, 1)
