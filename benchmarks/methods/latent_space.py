"""Searches in the latent space of the paper's generator, with and without weighted retraining (B.2, Table 7, Fig. 10).

"We use the generator solely as a data sampler from the generator's latent space without any retraining, for the latter
baseline we retrain the generator during the search." A point z is decoded by one sample of the graph that the generator
makes of it. As the paper's generator hardly reads z (docs/released_code.md, sec. 3), all three are close to random
search while it isn't retrained.

- ``latent-random``: z ~ U[-3, 3]^32.
- ``latent-local-search``: points around the best z are evaluated until one is better, and so on; after 16 that are not,
  again a random z. The paper leaves open how many; the neighbourhood is the release's, a box of half-width 0.5.
- ``latent-dngo``: 16 random z, then rounds of 16 of 100 random z, by expected improvement over the best value; one tanh
  layer of 128, 100 epochs. The release has the improvement's sign the wrong way round, so it prefers low predictions.
- ``...-lso``: one epoch of weighted retraining in batches of 32 before every query, of DNGO before every round ("in
  each search iteration for 1 epoch").

The release's sampling reads an undefined name and returns nothing, so it can't be run as published.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from sklearn.linear_model import BayesianRidge
from torch import Tensor

from benchmarks.methods.base import Factory
from benchmarks.methods.networks import NetworkConfig, Networks
from benchmarks.methods.rounds import Rounds
from benchmarks.problems.base import Problem
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import rank_weights, ranks
from optuna_agnet.generator.network import Generator, GeneratorConfig, sample_graphs
from optuna_agnet.generator.pretraining import pretrained
from optuna_agnet.generator.training import Trainer, TrainingConfig, TrainingData
from optuna_agnet.search.acquisition import expected_improvement

ROUND = 16  # also the random architectures before the first retraining
CANDIDATES = 100
RADIUS, PATIENCE = 0.5, 16  # of local search
RETRAINING = TrainingConfig(
    steps=0, epochs=1, batch_size=32, betas=(0.5, 0.999), latents=0, weigh_loss=True
)
NETWORK = NetworkConfig(1, (128,), torch.tanh, "l2", epochs=100, batch_size=10, lr=0.01)


class LatentSearch(Rounds):
    """Proposes architectures through points of the latent space; subclasses say which.

    Args:
        problem: With one objective and no constraint.
        seed: Of all random choices.
        retrain: Whether the generator learns from the results.
        generator: Default: the space's pretrained one in the paper's form.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        retrain: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(problem, seed, n_init=0)
        start = generator or pretrained(self.space, GeneratorConfig.paper())
        self.generator, self.retrain = copy.deepcopy(start), retrain
        self.trainer = Trainer(self.generator, RETRAINING)
        self.noise = torch.Generator().manual_seed(int(self.rng.integers(2**62)))
        self.z: list[Tensor] = []  # N of (L,), the points of the told rows
        self._asked: dict[bytes, Tensor] = {}

    @abstractmethod
    def points(self) -> tuple[IntArray, Tensor]:
        """New rows (B, D) for the next round, and the points (B, L) that they were decoded from."""

    def propose(self) -> IntArray:
        """Rows of the next points, after the retraining."""
        if self.retrain and len(self.y) >= ROUND:
            weights = torch.from_numpy(rank_weights(ranks(self.y), 0.01))
            graphs = self.space.encode(self.x)
            data = TrainingData.of(graphs, self.generator.device, weights)
            self.trainer.round(data, self.noise)
        x, z = self.points()
        self._asked.update({row.tobytes(): point for row, point in zip(x, z, strict=True)})
        return x

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """As in `Rounds.tell`; a row that came from no point, as the generator found none, gets a random one."""
        super().tell(architecture, values, constraints)
        point = self._asked.pop(self.space.choices([architecture])[0].tobytes(), None)
        if values is not None:
            self.z.append(self.uniform(1)[0] if point is None else point)

    def uniform(self, size: int) -> Tensor:
        """Random points (B, L) of [-3, 3]^L."""
        return self.generator.latents(size, self.noise, uniform=True)

    @torch.no_grad()
    def decoded(self, z: Tensor) -> tuple[IntArray, Tensor]:
        """The valid new rows (C, D) that points (B, L) stand for, each once, and their points (C, L)."""
        x, valid = self.space.decode(sample_graphs(self.generator(z), self.noise))
        x, z = x[valid], z[torch.from_numpy(valid)]
        new = self._unseen.new(x)
        return x[new], z[torch.from_numpy(new)]

    def random_points(self, size: int) -> tuple[IntArray, Tensor]:
        """New rows of random points, as many as are found and at most ``size``."""
        for draws in range(100, 1000, 100):  # as released
            x, z = self.decoded(self.uniform(draws))
            if len(x) >= size:
                break
        return x[:size], z[:size]


class LatentRandomSearch(LatentSearch):
    """See the module."""

    def points(self) -> tuple[IntArray, Tensor]:
        """One random point."""
        return self.random_points(1)


class LatentLocalSearch(LatentSearch):
    """See the module."""

    _center: int | None = None  # the told row whose neighbourhood is searched

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """As before; the search moves to what is better, and starts again after `PATIENCE` that are not."""
        super().tell(architecture, values, constraints)
        last = len(self.y) - 1
        if values is None:
            return
        if self._center is None or self.y[last] > self.y[self._center]:
            self._center = last
        elif last - self._center >= PATIENCE:
            self._center = None

    def points(self) -> tuple[IntArray, Tensor]:
        """A point near the best one of this start, or a random one."""
        if self._center is None:
            return self.random_points(1)
        center = self.z[self._center]
        step = self.rng.uniform(-RADIUS, RADIUS, (CANDIDATES, len(center)))
        x, z = self.decoded((center + torch.from_numpy(step).float()).clamp(-3, 3))
        return x[:1], z[:1]


class LatentBayesianOptimization(LatentSearch):
    """See the module."""

    def points(self) -> tuple[IntArray, Tensor]:
        """The random points of the largest expected improvement."""
        if len(self.y) < ROUND:
            return self.random_points(ROUND - len(self.y))
        x, z = self.random_points(CANDIDATES)
        if not len(x):
            return x, z
        mean, std = self.predict(z)
        worth = expected_improvement(mean, std, float(self.scaled().max()))
        best = (-worth).argsort(kind="stable")[:ROUND]
        return x[best], z[torch.from_numpy(best)]

    def predict(self, z: Tensor) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (B,) of the scaled values at points (B, L)."""
        known = torch.stack(self.z).double().numpy()
        network = Networks(NETWORK, known, self.scaled(), self.rng)
        regression = BayesianRidge().fit(network.features(known)[0], self.scaled())
        features = network.features(z.double().numpy())[0]
        mean, std = regression.predict(features, return_std=True)
        return np.asarray(mean), np.asarray(std)


SEARCHES: dict[str, type[LatentSearch]] = {
    "random": LatentRandomSearch,
    "local-search": LatentLocalSearch,
    "dngo": LatentBayesianOptimization,
}
METHODS: dict[str, Factory] = {
    f"latent-{name}{'-lso' * retrain}": partial(search, retrain=retrain)
    for name, search in SEARCHES.items()
    for retrain in (False, True)
}
