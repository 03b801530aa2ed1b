"""Figures of the model: panels, shares and intervals against naive counts."""

from __future__ import annotations

import itertools
import json
import math
import warnings

import numpy as np
import optuna
import pytest
import torch

from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, spaces
from optuna_agnet.analysis.figures.model import _coverage
from optuna_agnet.analysis.history import SearchHistory, search_history
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.generator.network import Generator
from optuna_agnet.spaces import Network, Repeat
from optuna_agnet.visualization import (
    plot_feasibility,
    plot_latent_space,
    plot_operation_drift,
    plot_surrogate_calibration,
)

pytest.importorskip("plotly")
optuna.logging.set_verbosity(optuna.logging.WARNING)
EDGES = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv", "pool"))
NODES = spaces.NodeCell(max_nodes=5, max_edges=7, ops=("conv", "pool"))
QUICK = AGNetConfig(n_startup=4, retrain_every=4, samples_per_attempt=(64,), pool_size=32)


def run(space: spaces.SearchSpace, n: int = 14) -> optuna.Study:
    sampler = AGNetSampler(space, seed=0, config=QUICK, generator=Generator(space))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: " ".join(space.suggest(trial).nodes).count("conv"), n_trials=n)
    return study


@pytest.fixture(scope="module", params=[EDGES, NODES], ids=["edges", "nodes"])
def case(request: pytest.FixtureRequest) -> tuple[optuna.Study, spaces.SearchSpace, SearchHistory]:
    study = run(request.param)
    return study, request.param, search_history(study, request.param)


Case = tuple[optuna.Study, spaces.SearchSpace, SearchHistory]


def test_latent_space_shows_first_and_last_round_and_asks_once_an_architecture(case: Case) -> None:
    study, space, history = case
    asked: list[Architecture] = []

    def value(arch: Architecture) -> float:
        asked.append(arch)
        return 7.0

    figure = plot_latent_space(study, space, value=value, panels=3, history=history)
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [
        "pretrained<br>mean 7",
        "after 8 results<br>mean 7",
        "after 12 results<br>mean 7",
    ]
    shown = np.array([trace.z for trace in figure.data], dtype=float)
    assert np.unique(shown[~np.isnan(shown)]).tolist() == [7.0]
    per_panel = 6  # three planes, three samples
    assert len(asked) <= per_panel * len(set(asked))


def test_latent_space_predicts_without_a_table_and_fits_the_dashboard(case: Case) -> None:
    study, space, history = case
    figure = plot_latent_space(study, space, history=history)
    shown = np.array([trace.z for trace in figure.data], dtype=float)
    assert 0 <= np.nanmin(shown) <= np.nanmax(shown) <= 6
    assert len(figure.to_json()) < 100_000


@pytest.mark.parametrize("worth", [(math.inf, -math.inf), (math.nan, math.nan)])
def test_latent_space_without_a_mean_says_so_and_warns_of_nothing(
    case: Case, worth: tuple[float, float]
) -> None:
    study, space, history = case
    given = itertools.cycle(worth)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_latent_space(
            study, space, value=lambda arch: next(given), panels=2, history=history
        )
    titles = [note.text for note in figure.layout.annotations]
    assert [title.split("<br>")[1] for title in titles] == ["mean unknown"] * 2


def test_operation_shares_and_choices_are_shares(case: Case) -> None:
    study, space, history = case
    figure = plot_operation_drift(study, space, samples=300, history=history)
    lines = {trace.name: np.array(trace.y) for trace in figure.data if trace.type == "scatter"}
    assert np.allclose(sum(lines[op] for op in space.ops), 1)
    x, _ = history.rounds[-1].sample(300)
    ops = [k for k, d in enumerate(space.decisions) if d.name.startswith("op")]
    conv = space.ops.index("conv")
    assert lines["conv"][-1] == pytest.approx((x[:, ops] == conv).mean())
    heat = next(trace for trace in figure.data if trace.type == "heatmap")
    rows = dict(zip(heat.y, np.array(heat.z), strict=True))
    first = [name for name in rows if name.split()[0] == space.decisions[0].name]
    assert np.allclose(sum(rows[name] for name in first), 1)
    if space is NODES:
        flag = next(k for k, d in enumerate(space.decisions) if d.name == "edge_0_1")
        assert rows["edge_0_1"][-1] == pytest.approx(x[:, flag].mean())


def test_stacks_share_the_operations_of_their_cells() -> None:
    cell = spaces.EdgeCell(nodes=3, ops=("conv", "pool"))
    space = spaces.Stack(normal=cell, reduce=cell)
    figure = plot_operation_drift(run(space, 5), space, samples=50)
    lines = {trace.name: np.array(trace.y) for trace in figure.data if trace.type == "scatter"}
    assert set(lines) == {"conv", "pool"}
    assert np.allclose(lines["conv"] + lines["pool"], 1)


def test_choices_of_a_network_are_counted_where_they_exist() -> None:
    space = Network(wide=(True, False), blocks=Repeat(("conv", "pool"), 1, 3))
    study = run(space, 9)
    history = search_history(study, space)
    figure = plot_operation_drift(study, space, samples=200, history=history)
    assert [trace.type for trace in figure.data] == ["heatmap"]  # no cell, so no operations
    shown = dict(zip(figure.data[0].y, np.array(figure.data[0].z), strict=True))
    x, _ = history.rounds[-1].sample(200)
    found = [space.row_to_params(row) for row in x]
    third = [params["blocks.2"] for params in found if "blocks.2" in params]
    assert 0 < len(third) < len(found)
    assert shown["blocks.2 pool"][-1] == pytest.approx(third.count("pool") / len(third))
    assert shown["blocks.2 conv"][-1] == pytest.approx(third.count("conv") / len(third))
    assert shown["wide"][-1] == pytest.approx(np.mean([params["wide"] for params in found]))


def test_many_choices_are_cut_to_those_that_moved_most() -> None:
    space = spaces.EdgeCell(nodes=5, ops=tuple("abcdefg"))
    study = run(space, 9)
    figure = plot_operation_drift(study, space, samples=50)
    heat = next(trace for trace in figure.data if trace.type == "heatmap")
    assert len(heat.y) == 40
    alone = plot_operation_drift(study, space, samples=50, most_choices=0)
    assert {trace.type for trace in alone.data} == {"scatter"}


def test_coverage_is_on_the_diagonal_for_honest_uncertainties() -> None:
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=20_000), rng.uniform(0.5, 2, 20_000)
    trace = _coverage(mean, std, rng.normal(mean, std))
    assert np.abs(np.array(trace.x) - np.array(trace.y)).max() < 0.02
    assert (np.array(_coverage(mean, std / 3, rng.normal(mean, std)).y) < trace.y).all()


def test_calibration_shows_every_result_after_the_startup(case: Case) -> None:
    study, space, history = case
    figure = plot_surrogate_calibration(study, space, history=history)
    points = next(trace for trace in figure.data if trace.mode == "markers")
    assert len(points.x) == len(study.trials) - QUICK.n_startup
    with pytest.raises(ValueError, match="no result came after"):
        plot_surrogate_calibration(run(EDGES, 4), EDGES)


def test_feasibility_counts_generated_and_evaluated(case: Case) -> None:
    study, space, history = case

    def feasible(arch: Architecture) -> bool:
        return arch.nodes.count("pool") <= 1

    figure = plot_feasibility(study, space, feasible, samples=100, history=history)
    generated = next(trace for trace in figure.data if trace.name == "generated")
    x, _ = history.rounds[-1].sample(100)
    assert generated.y[-1] == pytest.approx(np.mean([feasible(a) for a in space.architectures(x)]))
    alone = plot_feasibility(study, space, history=history)
    assert [trace.name for trace in alone.data] == ["evaluated"]
    assert list(alone.data[0].x) == [0, 4, 8, 12]


def test_limits_of_trials_and_several_objectives_are_seen() -> None:
    sampler = AGNetSampler(EDGES, seed=0, config=QUICK, generator=Generator(EDGES))
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    for _ in range(11):
        trial = study.ask()
        nodes = EDGES.suggest(trial).nodes
        trial.storage.set_trial_system_attr(
            trial._trial_id, "constraints", [nodes.count("pool") - 1.5]
        )
        study.tell(trial, [nodes.count("conv"), nodes.count("skip")])
    history = search_history(study, EDGES)
    figure = plot_feasibility(study, EDGES, history=history)
    kept = [EDGES.from_params(t.params).nodes.count("pool") <= 1 for t in study.trials]
    assert figure.data[0].y == pytest.approx([np.mean(kept[a : a + 4]) for a in (0, 4, 8)])
    predicted = history.predict(history.observations.x, objective=1)
    assert 0 <= predicted.min() <= predicted.max() <= 6
    calibration = plot_surrogate_calibration(study, EDGES, objective=1, history=history)
    assert len(calibration.data[1].x) == 7


def test_search_and_history_of_ones_own_and_global_randomness_untouched() -> None:
    study = run(EDGES)
    search = AGNet(EDGES, seed=9, config=QUICK, generator=Generator(EDGES))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    figure = plot_operation_drift(study, EDGES, history=search_history(study, EDGES, search))
    assert torch.equal(torch.get_rng_state(), before)
    own = plot_operation_drift(study, EDGES)
    assert json.loads(figure.to_json())["data"] != json.loads(own.to_json())["data"]
