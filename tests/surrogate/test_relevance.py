"""Decisions that count more than others, against naive formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from optuna_agnet import AGNet, spaces
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.search.candidates import RandomSource
from optuna_agnet.spaces import Chain, Network, Repeat, SearchSpace, ordered
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.surrogate.hyperparameters import STUDIES, best_kernels
from optuna_agnet.surrogate.kernel import KernelParams, featurize
from optuna_agnet.surrogate.relevance import fitted_relevance, gain_by_chance
from optuna_agnet.surrogate.targets import VALUES, normal_scores

CHAIN = Chain([("conv", "pool", "skip")] * 8)
NETWORK = Network(
    width=ordered(16, 32, 64, 256),
    act=("relu", "gelu"),
    blocks=Repeat(Network(op=("conv", "mlp", "none"), units=ordered(2, 4, 8)), 1, 3),
)
SPACES = (CHAIN, NETWORK)


def naive_distance(space: SearchSpace, a: IntArray, b: IntArray, weights: FloatArray) -> float:
    """The mean over decisions of weights times distances."""
    exists = space.active(np.stack([a, b]))
    total = 0.0
    for d, decision in enumerate(space.decisions):
        one, other = exists[:, d]
        if one and other:
            positions = decision.positions
            apart = float(a[d] != b[d])
            if positions is not None:
                apart = abs(float(positions[a[d]]) - float(positions[b[d]]))
        else:
            apart = float(one != other)
        total += weights[d] * apart
    return total / len(space.decisions)


def naive_kernel(
    space: SearchSpace, a: IntArray, b: IntArray, kernel: KernelParams, weights: FloatArray
) -> FloatArray:
    counts = [featurize(space, rows).counts.numpy().astype(float) for rows in (a, b)]
    found = np.empty((len(a), len(b)))
    for i, p in enumerate(counts[0]):
        for j, q in enumerate(counts[1]):
            near = math.exp(-naive_distance(space, a[i], b[j], weights) / kernel.scale)
            found[i, j] = kernel.mix * near + (1 - kernel.mix) * (p @ q) / (p @ p + q @ q - p @ q)
    return found


def some_weights(space: SearchSpace) -> FloatArray:
    weights = np.random.default_rng(0).gamma(1.0, size=len(space.decisions))
    return np.asarray(weights / weights.mean())


@pytest.mark.parametrize("space", SPACES)
def test_weighted_distances_are_those_of_a_loop(space: SearchSpace) -> None:
    x, weights = space.sample(12, np.random.default_rng(1)), some_weights(space)
    features = featurize(space, x)
    columns = torch.from_numpy(weights[space.feature_decisions].astype(np.float32))
    found = features.distances(features, weights=columns).hamming
    wanted = [[naive_distance(space, a, b, weights) for b in x] for a in x]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("space", SPACES)
def test_each_column_of_features_is_of_one_decision(space: SearchSpace) -> None:
    x = space.sample(9, np.random.default_rng(2))
    features, decisions = space.features(x), space.feature_decisions
    assert decisions.shape == features.shape[1:]
    for d in range(len(space.decisions)):
        of_it = features[:, decisions == d]
        alike = x[:, None, d] == x[None, :, d]
        np.testing.assert_allclose((of_it**2).sum(1), 1.0, atol=1e-6)
        both = space.active(x)[:, d]
        product = (of_it @ of_it.T)[both][:, both]
        assert ((product > 1 - 1e-6) == alike[both][:, both]).all()


@pytest.mark.parametrize("priors", [0, 2])
def test_the_weights_are_more_probable_than_none_and_their_neighbours(priors: int) -> None:
    rng = np.random.default_rng(3)
    x = CHAIN.sample(50, rng)
    y = torch.from_numpy(normal_scores((x[:, 1] == 2) * 2.0 + (x[:, 4] == 0) + 0.01 * x[:, 7]))
    prior = torch.from_numpy(rng.normal(size=(50, 1, priors)))
    lean = torch.full((1, priors), 0.5, dtype=torch.float64)
    features = featurize(CHAIN, x)
    distances = features.distances(features)
    ((start, _),) = best_kernels(distances, y[:, None], prior, lean, STUDIES)
    kernel, weights = fitted_relevance(
        features, distances, y, prior[:, 0], lean[0], start, CHAIN.feature_decisions
    )
    assert abs(weights.mean() - 1) < 1e-9
    offset = (prior[:, 0] - prior[:, 0].mean(0)).numpy()

    def probability(k: KernelParams, of_each: FloatArray) -> float:
        gram = naive_kernel(CHAIN, x, x, k, np.ones(8) if of_each is None else of_each)
        gram += k.slack * offset @ offset.T + (k.noise + 1e-8) * np.eye(50)
        residual = (y - y.mean()).numpy() - k.trust * offset @ lean[0].numpy()
        guessed = 4 if priors else 0
        size = 50 + guessed
        variance = (residual @ np.linalg.solve(gram, residual) + guessed) / size
        likelihood = -0.5 * size * math.log(variance) - 0.5 * np.linalg.slogdet(gram)[1]
        return float(likelihood - 0.5 * prior_of(k, of_each))

    def prior_of(k: KernelParams, of_each: FloatArray) -> float:
        """At the scale and mean of weights, which only their ratio tells apart, that the prior likes best."""
        shifts = np.linspace(-4, 4, 4001)
        scale = (math.log(k.scale / 0.4) + shifts) ** 2
        weights = of_each[:, None] * np.exp(shifts)  # half-Cauchy
        both = scale + 2 * np.log(1 + weights**2).sum(0)
        logit = math.log(k.mix / (1 - k.mix))
        return float(both.min() + (logit / 1.5) ** 2 + (math.log(k.noise / 0.02) / 1.5) ** 2)

    best = probability(kernel, weights)
    assert best > probability(start, np.ones(8)) + 5
    for d in range(8):
        for factor in (0.5, 2.0)[int(weights[d] < 0.02) :]:  # none is let go further
            other = weights.copy()
            other[d] *= factor
            assert probability(kernel, other) < best + 0.05
    assert set(np.argsort(-weights)[:2]) == {1, 4}


@pytest.mark.parametrize("space", SPACES)
def test_predictions_equal_the_textbook_formula(space: SearchSpace) -> None:
    x = space.sample(60, np.random.default_rng(4))
    x = np.unique(x, axis=0)
    y = (x[:, 0] == 1) + 0.1 * (x == 2).sum(1)
    known, others = x[:-8], x[-8:]
    gp = GaussianProcess(space, weigh_decisions=True)
    gp.fit(known, y[:-8, None], -y[:-8])
    assert gp.relevance is not None
    assert gp.relevance.std() > 0.1
    (kernel,) = gp.kernels
    rows = known
    target = normal_scores(y[:-8])
    for pending in (0, 3):
        if pending:  # believed to be as predicted
            mean, _ = gp.predict(Candidates(others[:pending]))
            gp.condition_on_pending(others[:pending])
            rows, target = np.concatenate([rows, others[:pending]]), np.append(target, mean[:, 0])
        gram = naive_kernel(space, rows, rows, kernel, gp.relevance)
        gram += (kernel.noise + 1e-8) * np.eye(len(rows))
        cross = naive_kernel(space, rows, others, kernel, gp.relevance)
        wanted = target.mean() + cross.T @ np.linalg.solve(gram, target - target.mean())
        np.testing.assert_allclose(gp.predict(Candidates(others))[0][:, 0], wanted, atol=2e-3)


def test_results_that_say_nothing_of_relevance_leave_all_decisions_alike() -> None:
    chain = Chain([tuple(f"block_{k}" for k in range(12))] * 40)
    effects = np.random.default_rng(0).normal(size=(40, 12))
    for size in (16, 40):
        x = chain.sample(size, np.random.default_rng(size))
        y = effects[np.arange(40), x].sum(1)
        one, other = (GaussianProcess(chain, weigh_decisions=weigh) for weigh in (False, True))
        for gp in (one, other):
            gp.fit(x, y[:, None], -y)
        assert other.relevance is None
        assert one.kernels == other.kernels


def test_many_results_say_which_decisions_matter() -> None:
    chain = Chain([tuple(f"block_{k}" for k in range(4))] * 40)
    rng = np.random.default_rng(5)
    effects = rng.normal(size=(5, 4))
    x, more = chain.sample(150, rng), chain.sample(200, rng)
    y, truth = (effects[np.arange(5), rows[:, ::8]].sum(1) for rows in (x, more))
    found = []
    for weigh in (False, True):
        gp = GaussianProcess(chain, weigh_decisions=weigh)
        gp.fit(x, y[:, None], -y)
        found.append(np.corrcoef(gp.predict(Candidates(more))[0][:, 0], truth)[0, 1])
    assert gp.relevance is not None
    assert set(np.argsort(-gp.relevance)[:5]) == set(range(0, 40, 8))
    assert 1 - found[1] < (1 - found[0]) / 4


def test_decisions_that_change_nothing_are_let_go_early() -> None:
    chain = Chain([tuple(f"block_{k}" for k in range(12))] * 40)
    rng = np.random.default_rng(11)
    effects = rng.normal(size=(10, 12))
    x, more = chain.sample(96, rng), chain.sample(200, rng)
    y, truth = (effects[np.arange(10), rows[:, ::4]].sum(1) for rows in (x, more))
    gp = GaussianProcess(chain, targets=(VALUES,), weigh_decisions=True)
    gp.fit(x, y[:, None], -y)
    assert gp.relevance is not None
    matter = np.arange(40) % 4 == 0
    found, others = gp.relevance[matter], gp.relevance[~matter]
    assert (found > others.max()).sum() >= 8
    assert np.median(others) < 0.02 * np.median(found)
    assert np.corrcoef(gp.predict(Candidates(more))[0][:, 0], truth)[0, 1] > 0.8


@pytest.mark.parametrize("decisions", [1, 9, 40])
def test_chance_gains_as_much_as_a_chi_squared_variable(decisions: int) -> None:
    drawn = np.random.default_rng(0).normal(size=(40_000, decisions))
    gains = (drawn**2).sum(1) / 2
    assert abs((gains > gain_by_chance(decisions)).mean() - 0.05) < 0.005


def test_weights_depend_on_the_data_alone() -> None:
    x = CHAIN.sample(46, np.random.default_rng(6))
    y = x[:, 2] + 0.1 * x[:, 5]
    at_once, in_steps = (GaussianProcess(CHAIN, weigh_decisions=True) for _ in range(2))
    for size in (5, 9, 17, 26, 46):
        in_steps.fit(x[:size], y[:size, None], -y[:size])
    at_once.fit(x, y[:, None], -y)
    assert at_once.relevance is not None
    np.testing.assert_array_equal(at_once.relevance, in_steps.relevance)
    assert at_once.kernels == in_steps.kernels


def test_several_outcomes_share_one_distance() -> None:
    x = CHAIN.sample(40, np.random.default_rng(7))
    y = np.stack([x[:, 0], x[:, 1]], 1) + 0.1 * x[:, 2:4]
    gp = GaussianProcess(CHAIN, weigh_decisions=True)
    gp.fit(x, y[:, :1], -y[:, 0])
    assert gp.relevance is not None
    gp.fit(x, y, -y[:, 0])
    assert gp.relevance is None


@pytest.mark.parametrize(
    ("space", "weighs"),
    [(CHAIN, True), (NETWORK, True), (spaces.nas_bench_201(), False), (spaces.darts(), False)],
)
def test_searches_of_networks_weigh_decisions_and_those_of_cells_do_not(
    space: SearchSpace, weighs: bool
) -> None:
    search = AGNet(space, seed=0, candidate_sources=[RandomSource()])
    for _ in range(49):
        architecture = search.ask()
        row = space.choices([architecture])[0]
        search.tell(architecture, float((row[0] == 1) + 0.1 * row[1]))
    search.ask()
    surrogate = search.model.surrogate
    assert isinstance(surrogate, GaussianProcess)
    assert (surrogate.relevance is not None) == weighs
