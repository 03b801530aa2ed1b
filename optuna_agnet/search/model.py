"""The trained generator of a search: a chain of retraining rounds that the told results alone determine."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from optuna_agnet.generator.network import Generator, sample_graphs
from optuna_agnet.generator.training import Trainer, TrainingData
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.observations import Told, to_maximize, unit_range
from optuna_agnet.search.ranking import rank_weights, ranks
from optuna_agnet.spaces.base import CellSpace
from optuna_agnet.surrogate.base import Surrogate
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.surrogate.mlp import MLPSurrogate

_COLLAPSED = 0.2
"""With fewer valid samples than this share, the generator starts over from its pretrained weights."""


def training_sizes(told: int, config: AGNetConfig) -> list[int]:
    """How many results each round so far was trained on: the startup's, then in steps that grow with the data.

    Example:
        >>> training_sizes(40, AGNetConfig())
        [16, 24, 32, 40]
    """
    sizes, size = [], config.n_startup
    while size <= told:
        sizes.append(size)
        size += max(config.retrain_every, size // 16 if config.round_size == 1 else 0)
    return sizes


class Model:
    """Generator and surrogate as they are after some told results.

    The same results give the same weights, however many of them came at once: rounds are replayed in order, each with
    randomness of its own, so a resumed search equals one that never stopped.
    """

    def __init__(
        self,
        space: CellSpace,
        pretrained: Generator,
        config: AGNetConfig,
        seed: int,
        directions: Sequence[str],
    ) -> None:
        self.space, self.config, self.seed, self.directions = space, config, seed, directions
        self._pretrained = pretrained
        self.resets = 0
        self._start()

    def _start(self) -> None:
        """Pretrained weights, a fresh surrogate."""
        self.generator = copy.deepcopy(self._pretrained).to(self.config.device)
        head, surrogate = None, None
        if self.config.surrogate == "mlp":
            width = self.space.num_nodes * len(self.space.node_types)
            width += self.space.num_nodes * (self.space.num_nodes - 1) // 2
            surrogate = head = MLPSurrogate(width, seed=self.seed).to(self.config.device)
        self.surrogate: Surrogate = surrogate or GaussianProcess(self.space)
        self._trainer = Trainer(self.generator, self.config.training, head)
        self.version = 0  # rounds of training so far
        self.trained_on = 0  # results that the last round was trained on
        self._digest = _digest(b"")

    def advance(self, told: Told) -> None:
        """Train the rounds that ``told`` asks for; start over if earlier results are not what they were."""
        sizes = training_sizes(len(told), self.config)
        if self.version > len(sizes) or _digest(told.head(self.trained_on).data) != self._digest:
            self._start()
        for size in sizes[self.version :]:
            self._round(told.head(size))

    def _round(self, told: Told) -> None:
        data, rng = (
            self._data(told),
            torch.Generator().manual_seed(seed_from(self.seed, 1, self.version)),
        )
        self._trainer.round(data, rng)
        version = self.version
        if self._valid_share(rng) < _COLLAPSED:
            self._start()
            self._trainer.round(data, rng)
            self.resets += 1
        self.version, self.trained_on, self._digest = version + 1, len(told), _digest(told.data)

    def _data(self, told: Told) -> TrainingData:
        y = to_maximize(told.y, self.directions)
        weights = rank_weights(ranks(y), self.config.weight_factor)
        targets = torch.from_numpy(unit_range(y))
        graphs = self.space.encode(told.x)
        return TrainingData.of(graphs, self.generator.device, torch.from_numpy(weights), targets)

    @torch.no_grad()
    def _valid_share(self, rng: torch.Generator) -> float:
        scores = self.generator(self.generator.latents(128, rng))
        return float(self.space.decode(sample_graphs(scores, rng))[1].mean())


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def seed_from(*parts: int) -> int:
    """A seed that depends on all parts."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
