"""Variants of both algorithms: each changes what it says, and the searches in the latent space keep their laws."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.methods import METHODS, ablations, latent_space
from benchmarks.problems.base import Outcomes, Problem
from optuna_agnet import AGNet, AGNetConfig, spaces
from optuna_agnet.generator.network import Generator, GeneratorConfig
from optuna_agnet.generator.training import Trainer
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.surrogate.gnn import GNNSurrogate
from optuna_agnet.surrogate.mlp import MLPSurrogate
from optuna_agnet.surrogate.ranking_loss import RankingHead
from optuna_agnet.surrogate.xgboost import XGBoostSurrogate

SPACE = spaces.nas_bench_201()
WEIGHTS = np.random.default_rng(0).normal(size=(6, 5))


def value(x):
    return WEIGHTS[np.arange(6), x].sum(1)


def evaluate(x):
    return Outcomes(value(x)[:, None], np.empty((len(x), 0)), np.full(len(x), np.nan))


PROBLEM = Problem("made up", SPACE, evaluate, data="none")


@pytest.fixture
def rounds(monkeypatch):
    """The data of each round of training, which does not take place."""
    seen = []
    monkeypatch.setattr(Trainer, "round", lambda self, data, rng: seen.append((self, data)))
    return seen


def searched(method, queries):
    rows = []
    for _ in range(queries):
        arch = method.ask()
        rows.append(SPACE.choices([arch])[0])
        method.tell(arch, value(rows[-1][None]).tolist())
    return np.stack(rows)


# -- variants of AG-Net ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ablations.METHODS)
def test_no_row_is_proposed_twice(name, rounds):
    rows = searched(ablations.METHODS[name](PROBLEM, 0), 24)
    assert len(np.unique(rows, axis=0)) == 24
    untrained = ("agnet-no-generator", "agnet-mutants")  # nobody trains what nobody asks
    assert bool(rounds) == (name not in untrained)


@pytest.mark.parametrize("config", ablations.CONFIGS.values(), ids=ablations.CONFIGS)
def test_a_variant_is_none_of_the_presets_and_survives_json(config):
    assert config not in (AGNetConfig.paper(dedup="encoding"), AGNetConfig(dedup="encoding"))
    assert AGNetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_rounds_and_what_they_learn_from(rounds):
    expected = {
        "agnet-paper-top1": (list(range(16, 33)), 0),
        "agnet-paper-no-lso": ([16, 32], 1),
        "agnet-paper-no-lso-released": ([16, 16], 1),
        "agnet-paper-xgb": ([16, 32], 0),
        "agnet-no-lso": ([16, 20, 24, 28, 32], 1),
        "agnet-batch16": ([16, 32], 0),
    }
    for name, (sizes, equal) in expected.items():
        rounds.clear()
        rows = searched(ablations.METHODS[name](PROBLEM, 0), 33)
        assert [len(data.types) for _, data in rounds] == sizes, name
        last = rounds[-1][1]
        assert (SPACE.encode(rows[: sizes[-1]]).types == last.types.numpy()).all()
        assert (len(last.weights.unique()) == 1) == equal, name


def test_epochs_are_those_of_table_14(rounds):
    """15 for NAS-Bench-101 and DARTS cells, 30 elsewhere; one at a time with as many steps as 16 at once."""
    expected = {"agnet-paper": 30, "agnet-paper-xgb": 30, "agnet-paper-oracle": 30}
    expected |= {"agnet-paper-no-lso": 30, "agnet-paper-top1": 2, "agnet-mlp": 30}
    for problem, share in (("nbnlp", 1), ("nb301", 2), ("nb101", 2)):
        for name, epochs in expected.items():
            method = METHODS[name](replace(PROBLEM, name=problem), 0)
            rounds.clear()
            searched(method, 17)
            assert rounds[-1][0].config.epochs == epochs // (share if "paper" in name else 1), name


@pytest.mark.parametrize(
    ("name", "surrogate", "head"),
    [
        ("paper-no-backprop", MLPSurrogate, MLPSurrogate),
        ("paper-xgb", XGBoostSurrogate, type(None)),
        ("paper-xgb-ranking", XGBoostSurrogate, RankingHead),
        ("paper-oracle", ablations.Oracle, type(None)),
        ("paper-oracle-ranking", ablations.Oracle, RankingHead),
        ("no-lso", GaussianProcess, type(None)),
        ("gradient", GaussianProcess, RankingHead),
        ("mlp", MLPSurrogate, MLPSurrogate),
        ("xgb", XGBoostSurrogate, type(None)),
        ("gnn", GNNSurrogate, type(None)),
    ],
)
def test_who_predicts_and_who_teaches(name, surrogate, head, rounds):
    method = ablations.METHODS[f"agnet-{name}"](PROBLEM, 0)
    searched(method, 17)
    assert isinstance(method.model.surrogate, surrogate)
    assert isinstance(rounds[-1][0].head, head)


def test_the_oracle_puts_candidates_into_their_true_order():
    def evaluated(x):
        cost = x.sum(1) - 4.0
        values = np.stack([value(x), -cost], 1)
        values[x[:, 0] == 0] = np.nan  # a failed evaluation
        return Outcomes(values, np.stack([cost, -cost], 1), value(x))

    problem = replace(
        PROBLEM,
        evaluate=evaluated,
        directions=("maximize", "minimize"),
        constraint_names=("size", "cost"),
    )
    x = SPACE.sample(50, np.random.default_rng(0))
    mean, std = ablations.Oracle(problem).predict(Candidates(x))
    failed, cost = x[:, 0] == 0, x.sum(1) - 4.0
    assert (mean[failed, :2] == -np.inf).all()
    np.testing.assert_allclose(mean[~failed, 0], value(x)[~failed])
    np.testing.assert_allclose(mean[~failed, 1], cost[~failed])
    np.testing.assert_allclose(mean[:, 2:], np.stack([cost, -cost], 1))  # "cost" before "size"
    assert not std.any()


def test_a_round_proposes_the_sixteen_best_of_its_candidates(rounds):
    method = ablations.METHODS["agnet-paper-oracle"](PROBLEM, 0)
    rows = searched(method, 32)
    pool = method.proposer._pools._shared[1].x
    assert len(pool) == 100
    best = pool[np.argsort(-value(pool), kind="stable")[:16]]
    assert (rows[16:] == best).all()


def test_predictions_of_a_round_are_of_what_was_known_when_it_began(rounds):
    """Alg. 1, l. 18: all 16 are selected at once, whatever comes of the first ones."""
    found = []
    for surprise in (0.0, 100.0):
        method = AGNet(SPACE, seed=0, config=ablations.CONFIGS["agnet-paper-xgb"])
        rows = searched(method, 17)
        for _ in range(15):
            arch = method.ask()
            method.tell(arch, surprise)
            rows = np.concatenate([rows, SPACE.choices([arch])])
        found.append(rows)
    assert (found[0] == found[1]).all()


# -- latent space ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return Generator(SPACE, GeneratorConfig(), seed=0)


def latent(name, network, seed=0, retrain=False):
    search = latent_space.SEARCHES[name]
    return search(PROBLEM, seed, retrain=retrain, generator=network)


@pytest.mark.parametrize("retrain", [False, True])
@pytest.mark.parametrize("name", latent_space.SEARCHES)
def test_a_latent_search_is_new_repeatable_and_knows_its_points(name, retrain, network):
    methods = [latent(name, network, seed, retrain) for seed in (0, 0, 1)]
    rows, same, other = (searched(method, 24) for method in methods)
    assert len(np.unique(rows, axis=0)) == 24
    assert (rows == same).all()
    assert (rows != other).any()
    z = torch.stack(methods[0].z)
    assert z.shape == (24, 16)
    assert z.abs().max() <= 3
    trained = methods[0].generator.state_dict()
    changed = any(not torch.equal(trained[k], v) for k, v in network.state_dict().items())
    assert changed == retrain


def test_retraining_comes_before_every_query_and_before_every_round_of_dngo(network, rounds):
    for name, expected in (("random", 24), ("local-search", 24), ("dngo", 2)):
        rounds.clear()
        searched(latent(name, network, retrain=True), 40)
        assert len(rounds) == expected
        assert rounds[-1][1].weights.max() == pytest.approx(1 / (0.01 * len(rounds[-1][1].types)))


def test_local_search_stays_near_the_best_until_patience_ends(network):
    method = latent("local-search", network)
    center, failures, kinds = None, 0, Counter()
    for _ in range(120):
        arch = method.ask()
        row = SPACE.choices([arch])
        method.tell(arch, value(row))
        y, z = value(row)[0], method.z[-1]
        if center is None:
            center, failures = (y, z), 0
            kinds["start"] += 1
            continue
        assert (z - center[1]).abs().max() <= 0.5
        kinds["near"] += 1
        if y > center[0]:
            center, failures = (y, z), 0
        else:
            failures += 1
            center = None if failures == 16 else center
    assert kinds["start"] > 2
    assert kinds["near"] > 80


def test_dngo_takes_the_largest_expected_improvement(network, monkeypatch):
    method = latent("dngo", network)
    searched(method, 16)
    drawn = []
    draw = method.random_points
    monkeypatch.setattr(method, "random_points", lambda n: drawn.append(draw(n)) or drawn[-1])
    monkeypatch.setattr(method, "predict", lambda z: (value_of(z), np.full(len(z), 0.1)))

    def value_of(z):
        return z.sum(1).numpy() / 10

    x, z = method.points()
    assert len(drawn[0][0]) == 100
    assert set(map(tuple, x)) == set(
        map(tuple, drawn[0][0][np.argsort(-value_of(drawn[0][1]))[:16]])
    )
    assert len(z) == 16


def test_a_generator_without_valid_graphs_does_not_stop_the_search(network):
    for name in latent_space.SEARCHES:
        method = latent(name, network)
        method.decoded = lambda z: (np.empty((0, 6), dtype=np.int64), z[:0])
        rows = searched(method, 20)
        assert len(np.unique(rows, axis=0)) == len(method.z) == 20
