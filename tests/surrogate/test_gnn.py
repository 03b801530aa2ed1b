"""Graph networks: what they compute is a naive loop's result, they see graphs and nothing else, and they learn."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import torch

pytest.importorskip("torch_geometric")

from optuna.distributions import FloatDistribution

from optuna_agnet import AGNet, AGNetConfig, Architecture, spaces
from optuna_agnet.search import config as config_module
from optuna_agnet.surrogate import gnn
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.gnn import DirectedLayer, GNNSurrogate, GraphNetworks, joined
from optuna_agnet.surrogate.targets import Target

SPACE = spaces.nas_bench_201()
AS_THEY_ARE = Target(lambda y: y, lambda y: 0.0)
CONFIG = AGNetConfig(surrogate="gnn", n_startup=6, candidate_sources=("neighbors", "random"))


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(gnn, "_STEPS", 8)


def data(space=SPACE, n=120):
    x = np.unique(space.sample(n, np.random.default_rng(0)), axis=0)
    x = x[np.random.default_rng(1).permutation(len(x))]
    return x, (x == 3).sum(1) - 0.5 * (x[:, 0] == 0)


def fitted(x, y, **given):
    networks = GNNSurrogate(SPACE, **given)
    networks.fit(x, y.reshape(len(x), -1), rank=np.zeros(len(x)))
    return networks


def rank_correlation(a, b):
    return np.corrcoef(*(np.argsort(np.argsort(v)) for v in (a, b)))[0, 1]


def random_networks(space, outcomes=2, seed=0):
    """Networks whose readout is not zero, as it is before training."""
    networks = GraphNetworks(space, outcomes, seed)
    rng = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.normal_(generator=rng)
    return networks


def said(networks, space, *architectures):
    with torch.no_grad():
        return networks(joined([a.to_pyg(space.node_types) for a in architectures])).numpy()


# -- what is computed --------------------------------------------------------------------------------------------------


def naive_layer(h, adjacency, weight, bias):
    """One member: h (n, d), adjacency (n, n), weight (3 d, d), bias (1, d)."""
    own, before, after = np.split(weight, 3)
    return h + np.maximum(h @ own + adjacency.T @ h @ before + adjacency @ h @ after + bias, 0)


def test_a_layer_is_a_product_of_dense_matrices():
    rng = torch.Generator().manual_seed(0)
    layer = DirectedLayer(3, 5, rng)
    with torch.no_grad():
        layer.bias.normal_(generator=rng)
    h = torch.randn(3, 4, 5, generator=rng)
    edges = torch.tensor([[0, 0, 1, 2, 0], [1, 2, 3, 3, 3]])
    adjacency = np.zeros((4, 4))
    adjacency[edges[0], edges[1]] = 1
    found = layer(h, edges).detach().numpy()
    for m in range(3):
        weight, bias = (p[m].detach().numpy() for p in (layer.weight, layer.bias))
        expected = naive_layer(h[m].numpy(), adjacency, weight, bias)
        np.testing.assert_allclose(found[m], expected, atol=1e-5)


def test_a_batch_of_graphs_is_a_loop_over_graphs_and_members():
    space = spaces.nas_bench_101()  # graphs of different size
    networks = random_networks(space)
    architectures = space.architectures(space.sample(5, np.random.default_rng(0)))
    found = said(networks, space, *architectures)
    parts = {name: p.detach().numpy() for name, p in networks.named_parameters()}
    for m in range(len(found)):
        for k, architecture in enumerate(architectures):
            n = len(architecture.nodes)
            adjacency = np.zeros((n, n))
            for i, j in architecture.edges:
                adjacency[i, j] = 1
            h = parts["embedding"][m][[space.node_types.index(op) for op in architecture.nodes]]
            for number in range(len(networks.layers)):
                weight, bias = (parts[f"layers.{number}.{name}"][m] for name in ("weight", "bias"))
                h = naive_layer(h, adjacency, weight, bias)
            pooled = h.sum(0) / space.num_nodes**0.5
            expected = pooled @ parts["weight"][m] + parts["bias"][m][0]
            np.testing.assert_allclose(found[m, k], expected, rtol=1e-3, atol=1e-3)


def test_the_order_of_nodes_does_not_matter_and_the_direction_of_edges_does():
    space = spaces.nas_bench_101()
    conv, pool = "conv3x3-bn-relu", "maxpool3x3"
    networks = random_networks(space)
    square = ((0, 1), (0, 2), (1, 3), (2, 3))
    one, other = (
        Architecture(("input", *inner, "output"), square) for inner in ((conv, pool), (pool, conv))
    )
    a, b = said(networks, space, one, other).swapaxes(0, 1)
    np.testing.assert_allclose(a, b, rtol=1e-4)
    line = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5))
    forth = [conv, pool, conv, conv]
    a, b = said(
        networks,
        space,
        *(Architecture(("input", *o, "output"), line) for o in (forth, forth[::-1])),
    ).swapaxes(0, 1)
    assert (np.abs(a - b) > 1e-2).any(1).all()  # of every member


def test_members_are_no_copies_and_the_seed_is_what_tells_runs_apart(few_steps):
    x, y = data()
    first, same, other = (fitted(x[:40], y[:40], seed=seed) for seed in (0, 0, 1))
    members, start = first._members(x).numpy()[:, :, 0], GraphNetworks(SPACE, 1, seed=0)
    for m in range(len(members)):
        for k in range(m):
            assert np.abs(members[m] - members[k]).max() > 1e-3
            for weights in (start.embedding, *(layer.weight for layer in start.layers)):
                assert not torch.equal(weights[m], weights[k])
    np.testing.assert_array_equal(first.predict(Candidates(x))[0], same.predict(Candidates(x))[0])
    assert (first.predict(Candidates(x))[0] != other.predict(Candidates(x))[0]).any()


def test_a_member_never_sees_every_fourth_result(few_steps):
    x, y = data()
    before = fitted(x[:40], y[:40], target=AS_THEY_ARE)._members(x)
    changed = y[:40].copy()
    changed[2::4] += 5.0
    after = fitted(x[:40], changed, target=AS_THEY_ARE)._members(x)
    assert [torch.equal(before[m], after[m]) for m in range(4)] == [False, False, True, False]


def test_the_deviation_is_how_far_members_are_off_for_what_they_did_not_see(few_steps):
    x, y = data()
    networks = fitted(x[:40], y[:40], target=AS_THEY_ARE)
    members = networks._members(x).double().numpy()[:, :, 0]
    errors = [(members[i % 4, i] - y[i]) ** 2 for i in range(40)]
    mean, std = networks.predict(Candidates(x))
    np.testing.assert_allclose(mean[:, 0], members.mean(0))
    expected = np.mean(errors) + members.var(0, ddof=1)
    np.testing.assert_allclose(std[:, 0] ** 2, expected, rtol=1e-4)


# -- what is learned ---------------------------------------------------------------------------------------------------


def test_it_ranks_unseen_architectures():
    x, y = data()
    networks = fitted(x[:70], y[:70])
    mean, std = networks.predict(Candidates(x[70:]))
    assert rank_correlation(mean[:, 0], y[70:]) > 0.7
    assert mean.shape == std.shape == (len(x) - 70, 1)
    assert (std > 0).all()
    errors = y[70:] - y[:70].mean()
    scale = y[:70].std()
    assert ((mean[:, 0] * scale - errors) ** 2).mean() < 0.7 * (errors**2).mean()


def test_it_learns_what_only_the_direction_of_edges_tells():
    """Steps up a cycle of three less steps down: the reversed chain has the negative value."""
    space = spaces.Chain([("a", "b", "c")] * 8)
    x = np.unique(space.sample(160, np.random.default_rng(0)), axis=0)
    x = x[np.random.default_rng(1).permutation(len(x))]
    steps = (x[:, 1:] - x[:, :-1]) % 3
    y = (steps == 1).sum(1) - (steps == 2).sum(1).astype(float)
    networks = GNNSurrogate(space)
    networks.fit(x[:100], y[:100, None], rank=np.zeros(100))
    assert rank_correlation(networks.predict(Candidates(x[100:]))[0][:, 0], y[100:]) > 0.5


def test_an_outcome_is_learned_where_it_is_known(few_steps):
    x, y = data()
    x, y = x[:40], y[:40].copy()
    y[0], y[1] = np.inf, -np.inf
    some = np.where(np.arange(40) % 3 == 0, y, np.nan)
    columns = np.stack([y, some, np.full(40, 3.0), np.full(40, np.nan)], 1)
    networks = fitted(x, columns)
    mean, std = networks.predict(Candidates(x))
    np.testing.assert_array_equal(np.isnan(networks.fitted), np.isnan(columns))
    known = ~np.isnan(columns)
    np.testing.assert_allclose(networks.fitted[known], mean[known], atol=1e-5)
    assert np.isfinite(mean).all()
    assert np.abs(mean[:, 2:]).max() < 1e-6  # the middle: all are equal, or unknown
    assert std[:, 2].max() < 0.01
    assert std[:, 3].min() > 0.9


def test_zero_lies_between_the_predictions_of_both_signs():
    x, y = data()
    margins = y[:60] - np.quantile(y, 0.3) - 0.01
    networks = fitted(x[:60], margins)
    right = (networks.fitted[:, 0] > networks.feasibility_threshold[0]) == (margins > 0)
    assert right.mean() > 0.85


def test_a_large_fit_keeps_the_better_half_and_some_of_the_others(few_steps, monkeypatch):
    monkeypatch.setattr(gnn, "_MOST", 20)
    x, y = data(n=60)
    networks = GNNSurrogate(SPACE)
    networks.fit(x, y[:, None], rank=np.arange(len(x), dtype=float))
    kept = ~np.isnan(networks.fitted[:, 0])
    assert kept.sum() == 20
    assert kept[:10].all()


def test_pending_architectures_look_worse_and_results_stay_as_they_were():
    x, y = data()
    networks = fitted(x[:40], np.stack([y[:40], np.full(40, np.nan)], 1))
    before, std = networks.predict(Candidates(x))
    results, zero = networks.fitted.copy(), networks.feasibility_threshold.copy()
    best = 40 + np.argsort(-before[40:, 0])[:3]
    networks.condition_on_pending(x[best])
    after, _ = networks.predict(Candidates(x))
    assert (after[best, 0] < before[best, 0] - 0.25 * std[best, 0]).all()
    assert np.abs(after[:, 1]).max() < 1e-6
    np.testing.assert_array_equal(networks.fitted, results)
    np.testing.assert_array_equal(networks.feasibility_threshold, zero)
    assert rank_correlation(after[:40, 0], y[:40]) > 0.7


# -- laws of a part of the search --------------------------------------------------------------------------------------


def test_a_prediction_depends_on_results_and_seed_alone(few_steps):
    x, y = data()
    state = torch.get_rng_state()
    used = GNNSurrogate(SPACE)
    for n in (30, 10, 40):
        used.fit(x[:n], y[:n, None], rank=np.zeros(n))
        used.predict(Candidates(x[n:]))
    assert torch.equal(torch.get_rng_state(), state)
    fresh = fitted(x[:40], y[:40])
    for a, b in zip(used.predict(Candidates(x)), fresh.predict(Candidates(x)), strict=True):
        np.testing.assert_array_equal(a, b)
    some = fresh.predict(Candidates(x[50:60]))[0]
    np.testing.assert_allclose(some, fresh.predict(Candidates(x))[0][50:60], atol=1e-5)


def test_graphs_that_are_forgotten_are_made_again(few_steps, monkeypatch):
    x, y = data()
    networks = fitted(x[:40], y[:40])
    before = networks.predict(Candidates(x))[0]
    monkeypatch.setattr(gnn, "_REMEMBERED", 10)
    np.testing.assert_array_equal(networks.predict(Candidates(x))[0], before)
    networks._batch(x[:5])
    assert len(networks._graphs) == 5


@pytest.mark.parametrize(
    "make",
    [spaces.nas_bench_101, spaces.darts, spaces.nas_bench_nlp, spaces.mobile_net],
    ids=lambda make: make.__name__,
)
def test_any_space_with_graphs_will_do(make, monkeypatch):
    monkeypatch.setattr(gnn, "_STEPS", 2)
    space = make()
    x = space.sample(12, np.random.default_rng(0))
    networks = GNNSurrogate(space)
    networks.fit(x, np.arange(12.0)[:, None], rank=np.arange(12.0))
    mean, std = networks.predict(Candidates(x))
    assert np.isfinite(mean).all()
    assert len(np.unique(mean)) > 6
    assert (std > 0).all()


def value(architecture):
    return float(str(architecture).count("3x3") - 0.5 * str(architecture).count("none"))


def advance(search, rounds):
    found = []
    for _ in range(rounds):
        arch = search.ask()
        found.append(arch)
        search.tell(arch, (value(arch), len(str(arch))), {"cost": value(arch) - 3})
    return found


def test_a_search_is_the_same_twice_and_after_a_restart(few_steps):
    directions = ("maximize", "minimize")
    whole = advance(AGNet(SPACE, directions, seed=1, config=CONFIG), 12)
    first = AGNet(SPACE, directions, seed=1, config=CONFIG)
    asked = advance(first, 8)
    state = json.loads(json.dumps(first.state_dict()))
    asked += advance(AGNet.from_state_dict(SPACE, state), 4)
    assert asked == whole
    assert len(set(whole)) == 12


def test_workers_that_wait_for_results_ask_for_different_architectures(few_steps):
    search = AGNet(SPACE, seed=0, config=CONFIG)
    for _ in range(8):
        arch = search.ask()
        search.tell(arch, value(arch))
    assert len({search.ask() for _ in range(4)}) == 4


def test_hyperparameters_are_refused():
    with pytest.raises(ValueError, match="need surrogate='gp'"):
        AGNet(
            SPACE, seed=0, config=CONFIG, hyperparameters={"lr": FloatDistribution(0.1, 1.0)}
        ).ask()


def test_a_space_whose_labels_are_no_node_types_is_refused(monkeypatch):
    odd = spaces.Chain([("a", "b")] * 3)
    monkeypatch.setattr(odd, "node_types", ("output", "input", "a"))
    with pytest.raises(ValueError, match="surrogate='gp'"):
        GNNSurrogate(odd)


def test_a_missing_package_is_said_before_anything_is_evaluated(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(config_module, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"optuna-agnet\[gnn\]"):
            AGNetConfig(surrogate="gnn")
    monkeypatch.setitem(sys.modules, "torch_geometric.data", None)
    spec = importlib.util.spec_from_file_location("without", gnn.__file__)
    with pytest.raises(ImportError, match=r"optuna-agnet\[gnn\]"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
