"""Kernels with hyperparameters, and how their numbers are chosen."""

from __future__ import annotations

import math

import numpy as np
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution

from optuna_agnet import spaces
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.surrogate.hyperparameters import STUDIES
from optuna_agnet.surrogate.kernel import KernelParams, covariance, featurize, matern
from optuna_agnet.surrogate.reaches import default_kernel, fitted_kernels
from optuna_agnet.surrogate.targets import BLEND, normal_scores

SPACE = spaces.nas_bench_201()
BOTH = Hyperparameters.of(
    {"lr": FloatDistribution(0, 1), "optimizer": CategoricalDistribution(("sgd", "adam", "x"))}
)


def pairs(n: int, seed: int = 0) -> tuple[IntArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return SPACE.sample(n, rng), BOTH.sample(n, rng)


def test_the_covariance_is_that_of_a_loop() -> None:
    x, z = pairs(6)
    kernel = KernelParams(0.3, 0.6, 0.01, reaches=(0.2, 0.7), shares=(0.8, 0.5, 0.9))
    features = featurize(SPACE, x, z=z, unordered=BOTH.unordered)
    found = covariance(features.distances(features), kernel)
    plain = featurize(SPACE, x)
    of_architectures = covariance(plain.distances(plain), KernelParams(0.3, 0.6, 0.01))
    for i in range(6):
        for j in range(6):
            wanted = 1 - 0.8 + 0.8 * float(of_architectures[i, j])
            gaps = (abs(z[i, 0] - z[j, 0]), float(z[i, 1] != z[j, 1]))
            for gap, reach, share in zip(gaps, (0.2, 0.7), (0.5, 0.9), strict=True):
                u = math.sqrt(5) * gap / reach
                wanted *= 1 - share + share * (1 + u + u * u / 3) * math.exp(-u)
            assert abs(float(found[i, j]) - wanted) < 1e-6


def test_without_hyperparameters_the_covariance_is_that_of_architectures() -> None:
    x, _ = pairs(5)
    features = featurize(SPACE, x)
    distances = features.distances(features)
    assert distances.gaps.shape == (0, 5, 5)
    near = 0.5 * torch.exp(-distances.hamming / 0.4) + 0.5 * distances.tanimoto
    torch.testing.assert_close(covariance(distances, KernelParams()), near)


def test_the_chosen_kernel_is_more_probable_than_the_prior_and_its_neighbours() -> None:
    x, z = pairs(40)
    y = torch.from_numpy(normal_scores(-np.abs(z[:, 0] - 0.4)))
    features = featurize(SPACE, x, z=z, unordered=BOTH.unordered)
    distances = features.distances(features)
    ((kernel, log_probability),) = fitted_kernels(
        distances, y[:, None], torch.zeros(40, 1, 0), torch.zeros(1, 0), STUDIES
    )

    def probability(k: KernelParams) -> float:
        noisy = covariance(distances, k) + (k.noise + 1e-8) * torch.eye(40)
        residual = y - y.mean()
        variance = residual @ torch.linalg.solve(noisy, residual) / 40
        logits = [math.log(s / (1 - s)) for s in k.shares]
        prior = (
            math.log(k.scale / 0.4) ** 2
            + (math.log(k.mix / (1 - k.mix)) / 1.5) ** 2
            + (math.log(k.noise / 0.02) / 1.5) ** 2
            + sum(math.log(r / 0.5) ** 2 for r in k.reaches)
            + sum(logit**2 for logit in logits)
        )
        likelihood = 20 * math.log(variance) + 0.5 * float(torch.logdet(noisy))
        return float(-likelihood - 0.5 * prior)

    assert abs(probability(kernel) - log_probability) < 1e-6
    assert probability(kernel) > probability(default_kernel(2)) + 5
    for factor in (0.8, 1.25):
        first, second = kernel.reaches
        other = KernelParams(
            kernel.scale,
            kernel.mix,
            kernel.noise,
            reaches=(first * factor, second),
            shares=kernel.shares,
        )
        assert probability(other) < log_probability + 0.05


def test_what_matters_is_learned() -> None:
    x, z = pairs(60)
    y = (-np.abs(z[:, 0] - 0.4) + 0.1 * (x == 3).sum(1))[:, None]
    gp = GaussianProcess(SPACE, targets=(BLEND,), hyperparameters=BOTH)
    gp.fit(x, y, rank=-y[:, 0], z=z)
    (kernel,) = gp.kernels
    assert kernel.shares[1] * (1 - float(matern(torch.tensor(1.0), kernel.reaches[0]))) > 2 * (
        kernel.shares[2] * (1 - float(matern(torch.tensor(1.0), kernel.reaches[1])))
    )
    more_x, more_z = pairs(100, seed=1)
    mean, std = gp.predict(Candidates(more_x, z=more_z))
    truth = -np.abs(more_z[:, 0] - 0.4) + 0.1 * (more_x == 3).sum(1)
    assert np.corrcoef(mean[:, 0], truth)[0, 1] > 0.8
    assert (std > 0).all()


def test_pending_pairs_lower_the_uncertainty_near_them_alone() -> None:
    x, z = pairs(30)
    y = z[:, :1].copy()
    gp = GaussianProcess(SPACE, targets=(BLEND,), hyperparameters=BOTH)
    gp.fit(x, y, rank=-y[:, 0], z=z)
    near, far = np.array([[0.9, 0.0]]), np.array([[0.1, 2.0]])
    same = np.repeat(x[:1], 2, axis=0)
    before = gp.predict(Candidates(same, z=np.concatenate([near, far])))[1][:, 0]
    gp.condition_on_pending(x[:1], near)
    after = gp.predict(Candidates(same, z=np.concatenate([near, far])))[1][:, 0]
    assert after[0] < 0.9 * before[0]
    assert after[1] > after[0]


def test_a_prior_study_may_have_some_of_the_hyperparameters() -> None:
    x, z = pairs(40)
    prior = GaussianProcess(SPACE, targets=(BLEND,), hyperparameters=BOTH.take([0]), columns=[0])
    y = -np.abs(z[:, :1] - 0.4)
    prior.fit(x, y, rank=-y[:, 0], z=z[:, :1])
    gp = GaussianProcess(SPACE, targets=(BLEND,), hyperparameters=BOTH, priors=[prior])
    gp.fit(x[:0], y[:0], rank=np.empty(0), z=z[:0])
    mean, _ = gp.predict(Candidates(x, z=z))
    assert np.corrcoef(mean[:, 0], y[:, 0])[0, 1] > 0.9
