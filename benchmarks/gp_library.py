"""Why the Gaussian process is our own: its cost beside GPyTorch's, on the same kernel and data, on one core.

Needs ``pip install gpytorch``. ``python -m benchmarks.gp_library``
"""

from __future__ import annotations

import time
import warnings

import gpytorch
import numpy as np
import torch

from optuna_agnet import spaces
from optuna_agnet.surrogate.base import Candidates
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.surrogate.hyperparameters import best_kernels
from optuna_agnet.surrogate.kernel import featurize
from optuna_agnet.surrogate.targets import normal_scores


class SumKernel(gpytorch.kernels.Kernel):
    """The same kernel on precomputed features: one-hot decisions, then label counts."""

    def __init__(self, decisions: int, split: int) -> None:
        super().__init__()
        self.decisions, self.split = decisions, split
        self.register_parameter("raw_scale", torch.nn.Parameter(torch.zeros(1)))
        self.register_parameter("raw_mix", torch.nn.Parameter(torch.zeros(1)))

    def forward(
        self, a: torch.Tensor, b: torch.Tensor, diag: bool = False, **_: object
    ) -> torch.Tensor:
        hamming = 1 - a[..., : self.split] @ b[..., : self.split].mT / self.decisions
        left, right = a[..., self.split :], b[..., self.split :]
        dot = left @ right.mT
        norms = (left**2).sum(-1)[..., :, None] + (right**2).sum(-1)[..., None, :] - dot
        mix = torch.sigmoid(self.raw_mix)
        scale = torch.nn.functional.softplus(self.raw_scale)
        covariance = mix * torch.exp(-hamming / scale) + (1 - mix) * dot / norms.clamp_min(1e-9)
        return covariance.diagonal(dim1=-2, dim2=-1) if diag else covariance


class Exact(gpytorch.models.ExactGP):
    def __init__(
        self, x: torch.Tensor, y: torch.Tensor, likelihood: object, kernel: gpytorch.kernels.Kernel
    ) -> None:
        super().__init__(x, y, likelihood)
        self.mean_module = gpytorch.means.ConstantMean()
        self.covar_module = gpytorch.kernels.ScaleKernel(kernel)

    def forward(self, x: torch.Tensor) -> gpytorch.distributions.MultivariateNormal:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))


def timed(call: object, times: int) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1e3 * float(np.median(seconds))


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    space = spaces.nas_bench_201()
    x = space.sample(192 + 512, np.random.default_rng(0))
    y = (x[:192] == 3).sum(1) + np.random.default_rng(1).normal(0, 0.3, 192)
    ours = GaussianProcess(space)

    def features(rows: np.ndarray) -> torch.Tensor:
        found = featurize(space, rows)
        return torch.cat([found.one_hot, found.counts], 1).double()

    train, target = features(x[:192]), torch.from_numpy(normal_scores(y))

    def tune() -> None:
        found = featurize(space, x[:192])
        no_sources = torch.empty(192, 1, 0, dtype=torch.float64)
        best_kernels(found.distances(found), target[:, None], no_sources)

    likelihood = gpytorch.likelihoods.GaussianLikelihood().double()
    model = Exact(
        train, target, likelihood, SumKernel(x.shape[1], int(space.num_choices.sum()))
    ).double()

    def fit() -> None:
        model.train()
        likelihood.train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        likelihood_of = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
        for _ in range(50):
            optimizer.zero_grad()
            loss = -likelihood_of(model(train), target)
            loss.backward()
            optimizer.step()

    def predict() -> None:
        model.set_train_data(train, target, strict=False)
        model.train()
        model.eval()
        likelihood.eval()
        with torch.no_grad():
            posterior = model(features(x[192:]))
            _ = posterior.mean, posterior.variance

    def predict_ours() -> None:
        ours.fit(x[:192], y[:, None], -y)
        ours.predict(Candidates(x[192:]))

    print("milliseconds, N = 192, P = 512, one core (median)")
    print(
        f"hyperparameters: ours {timed(tune, 5):.0f}, GPyTorch (50 Adam steps) {timed(fit, 3):.0f}"
    )
    print(f"fit + predict:   ours {timed(predict_ours, 9):.1f}, GPyTorch {timed(predict, 9):.1f}")


if __name__ == "__main__":
    main()
