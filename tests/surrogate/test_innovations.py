"""One link of the chain of curves: beside a dense Gaussian process, and its fit beside one noise after another."""

import numpy as np
import pytest

from optuna_agnet.surrogate.innovations import Innovation, Whitened


def near(n, seed):
    """A kernel matrix (n, n) with 1 on its diagonal."""
    points = np.random.default_rng(seed).normal(size=(n, 2))
    return np.exp(-np.square(points[:, None] - points[None]).sum(2))


def problem(n, inputs, seed):
    """A kernel (n, n), regressors (n, inputs) of which the first is 1, and a target (n,)."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, inputs - 1))])
    return near(n, seed), x, x @ rng.normal(size=inputs) + 0.5 * rng.normal(size=n)


def learned(k, x, y):
    return Innovation(Whitened.of(k, np.column_stack([x, y])), range(x.shape[1]), -1)


@pytest.mark.parametrize("inputs", [2, 3])
def test_an_innovation_is_a_dense_gaussian_process(inputs):
    """The twin conditions the joint normal of line, shared part and noise on the target, all of it dense."""
    n, others = 12, 3
    k, x, y = problem(n + others, inputs, seed=0)
    fitted = learned(k[:n, :n], x[:n], y[:n])
    before = np.array([0.0, 0.8, 0.0])[:inputs]
    line = x @ np.diag([25.0, 0.3, 0.3][:inputs]) @ x.T
    joint = fitted.noise * np.eye(n + others)
    joint = fitted.variance * (k + joint) / (1 + fitted.noise) + line
    gain = np.linalg.solve(joint[:n, :n], joint[:n, n:])
    mean = x[n:] @ before + gain.T @ (y[:n] - x[:n] @ before)
    variance = np.diag(joint[n:, n:] - gain.T @ joint[:n, n:])
    # the coefficients are those of the last variance but one: equal once both have settled
    found = np.stack(fitted.predict(k[:n, n:], x[n:]))
    assert found == pytest.approx(np.stack([mean, variance]), rel=0.02, abs=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_the_fit_is_that_of_one_noise_after_another(seed):
    """The twin inverts each noise's matrix; the most probable noise has the line and the variance that count."""
    n, inputs = 15, 3
    k, x, y = problem(n, inputs, seed)
    before, prior = np.array([0.0, 0.8, 0.0]), np.diag(1 / np.array([25.0, 0.3, 0.3]))
    twins = []
    for noise in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0):
        matrix = (k + noise * np.eye(n)) / (1 + noise)
        inverse, variance = np.linalg.inv(matrix), 0.1
        for _ in range(4):
            precision = x.T @ inverse @ x / variance + prior
            moved = np.linalg.solve(precision, x.T @ inverse @ (y - x @ before) / variance)
            left = y - x @ (before + moved)
            squares = left @ inverse @ left + 0.4  # four guesses of 0.1
            variance = squares / (n + 4)
        evidence = -0.5 * ((n + 4) * np.log(variance) + squares / variance + moved @ prior @ moved)
        determinants = np.linalg.slogdet(matrix)[1] + np.linalg.slogdet(precision)[1]
        twins.append((evidence - 0.5 * determinants, noise, variance, before + moved))
    _, noise, variance, coefficients = max(twins, key=lambda twin: twin[0])
    found = learned(k, x, y)
    assert found.noise == noise
    assert found.variance == pytest.approx(variance, rel=1e-9)
    assert found.coefficients == pytest.approx(coefficients, rel=1e-9)


def test_whitened_columns_of_the_first_trainings_are_a_part_of_all():
    k, x, y = problem(12, 3, seed=1)
    columns = np.column_stack([x, y])
    part, alone = Whitened.of(k, columns).head(5), Whitened.of(k[:5, :5], columns[:5])
    assert part.factors == pytest.approx(alone.factors, rel=1e-9)
    assert part.columns == pytest.approx(alone.columns, rel=1e-9, abs=1e-9)


def test_what_is_no_kernel_is_told_of():
    with pytest.raises(np.linalg.LinAlgError):
        Whitened.of(np.array([[1.0, 2.0], [2.0, 1.0]]), np.ones((2, 1)))
