"""The trained generator of a search: a chain of retraining rounds that the told results alone determine."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from functools import cached_property

import numpy as np
import torch

from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.core.ranking import RANKINGS, rank_weights
from optuna_agnet.core.seeds import Stream, seed_from
from optuna_agnet.core.version import VERSION
from optuna_agnet.generator.checkpoints import Checkpoints
from optuna_agnet.generator.files import checksum
from optuna_agnet.generator.network import Generator, valid_share
from optuna_agnet.generator.training import Head, Trainer, TrainingData
from optuna_agnet.search.config import STARTUP, AGNetConfig
from optuna_agnet.search.observations import Observations, Pairs
from optuna_agnet.search.parts import SearchParts
from optuna_agnet.search.scores import ScoreTable
from optuna_agnet.search.source_schedule import generator_suits, unlike_decisions
from optuna_agnet.spaces.graphs import num_edges
from optuna_agnet.surrogate.base import Surrogate
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.surrogate.mlp import MLPSurrogate
from optuna_agnet.surrogate.ranking_loss import RankingHead
from optuna_agnet.surrogate.targets import BLEND, RANKS, VALUES, Target, unit_range
from optuna_agnet.surrogate.xgboost import XGBoostSurrogate

_SAMPLES = 128
"""Of a generator, to see how many are valid."""
_COLLAPSED = 0.2
"""With fewer valid samples than this share of those before, the generator starts over from its pretrained weights."""
_USELESS = 0.05
"""With fewer valid samples than this share, a pretrained generator is worth a warning."""


def training_sizes(observations: int, config: AGNetConfig) -> list[int]:
    """How many results each round so far was trained on: the startup's, then in steps that grow with the data.

    Example:
        >>> training_sizes(40, AGNetConfig())
        [16, 20, 24, 28, 32, 36, 40]
    """
    sizes, size = [], config.n_startup or STARTUP
    while size <= observations:
        sizes.append(size)
        size += max(config.retrain_every, int(size * config.retrain_growth))
    return sizes


class Model:
    """Generator and surrogate as they are after some told results.

    The same results give the same weights, however many of them came at once: rounds are replayed in order, each with
    randomness of its own, so a resumed search equals one that never stopped.

    Prior observations first train the generator, as many rounds as a search with so many results has, and are the prior
    of the Gaussian process. Scores are regressors of the process; the generator learns nothing from them, as that could
    not be taken back.

    Args:
        parts: Of the search.
        pretrained: The generator before the first round; None where none is needed: rounds are only counted then.
        scores: What scores say of some architectures.
    """

    def __init__(
        self, parts: SearchParts, pretrained: Generator | None, scores: ScoreTable | None = None
    ) -> None:
        self.parts, self.space, self.config, self.seed = (
            parts,
            parts.space,
            parts.config,
            parts.seed,
        )
        # what a surrogate of your own knows is not in them
        shared = parts.surrogate is None and pretrained is not None
        self._checkpoints = parts.checkpoints if shared else None
        self._pairs = len(parts.hyperparameters) > 0
        self._scores = [] if scores is None else scores.interpolated(self.space)
        self.resets = 0
        self.rank = RANKINGS[self.config.paper_options.ranking]
        self._pretrained: Generator | None = None
        if pretrained is not None:
            rng = torch.Generator().manual_seed(seed_from(self.seed, Stream.PRETRAINED_CHECK))
            self._valid = valid_share(pretrained, _SAMPLES, rng)
            if self._valid < _USELESS:
                self._warn(pretrained)
            self._pretrained = self._warm_started(pretrained)
        self._start(1, ())

    def _warn(self, pretrained: Generator) -> None:
        had = (pretrained.provenance or {}).get("steps", 0)
        warnings.warn(
            f"of what the generator of {self.space!r} makes after {had:,.0f} steps of pretraining, {self._valid:.1%} is"
            " valid, so most proposals will be random: pretrain it for longer and pass it on,"
            " generator=pretrain(space, config=config.generator, steps=...), or choose"
            " GeneratorConfig(structured=True)",
            UserWarning,
            stacklevel=2,
        )

    def _warm_started(self, pretrained: Generator) -> Generator:
        """A copy of the generator, trained on the sources, whose rounds take turns; without sources the generator."""
        if not self.parts.prior_observations:
            return pretrained
        generator = copy.deepcopy(pretrained).to(self.config.device)
        trainer = Trainer(generator, self.config.training)
        rounds = [
            len(training_sizes(len(observations), self.config))
            for observations in self.parts.prior_observations
        ]
        for version in range(max(rounds)):
            for number, observations in enumerate(self.parts.prior_observations):
                if version < rounds[number]:
                    seed = seed_from(self.seed, Stream.PRIOR_ROUND, number, version)
                    trainer.round(self._data(observations), torch.Generator().manual_seed(seed))
        rng = torch.Generator().manual_seed(seed_from(self.seed, Stream.PRIOR_CHECK))
        return pretrained if self._collapsed(generator, rng) else generator

    def _start(self, outcomes: int, constraints: tuple[str, ...]) -> None:
        """Pretrained weights, a fresh surrogate of so many outcomes, constraints of these names among them."""
        self._outcomes, self._constraints = outcomes, constraints
        self.surrogate = self._fresh() if self.parts.surrogate is None else self.parts.surrogate
        self.generator: Generator | None = None
        self._trainer: Trainer | None = None
        if self._pretrained is not None:
            self.generator = copy.deepcopy(self._pretrained).to(self.config.device)
            self._trainer = Trainer(self.generator, self.config.training, self._head())
        self.version = 0  # rounds of training so far
        self.trained_on = 0  # results that the last round was trained on
        self.digest = hashlib.sha256().digest()  # of these results

    def _fresh(self) -> Surrogate:
        if self.config.surrogate == "gp":
            priors = [self._fitted(t) for t in self.parts.prior_observations]
            return GaussianProcess(
                self.space,
                targets=self._targets,
                hyperparameters=self.parts.hyperparameters,
                priors=priors,
                scores=self._scores,
                weigh_decisions=unlike_decisions(self.space),
            )
        if self.config.surrogate == "xgboost":
            return XGBoostSurrogate(self.space)
        if self.config.surrogate == "gnn":
            from optuna_agnet.surrogate.gnn import GNNSurrogate  # seconds, and an extra

            return GNNSurrogate(self.space, seed=self.seed)
        width = self.space.num_nodes * len(self.space.node_types)
        width += num_edges(self.space.num_nodes)
        share = self.config.training.objective_share
        surrogate = MLPSurrogate(width, self._outcomes, seed=self.seed, share=share)
        return surrogate.to(self.config.device)

    @property
    def _targets(self) -> tuple[Target, ...]:
        """Cells keep to ranks: a few useless ones dominate the values, and the good ones crowd at the top.

        What many layers add up to is a value, unless a few of them can spoil all.
        """
        if self._pairs:
            return (BLEND,)
        if generator_suits(self.space):
            return (RANKS,)
        return (RANKS, VALUES) if self.space.has_isomorphic else (VALUES, RANKS)

    def _fitted(self, source: Observations) -> GaussianProcess:
        """What a prior study knows of the outcomes; nothing of those that it has not."""
        z = source.pairs.z
        read = np.flatnonzero(~np.isnan(z).any(0)).tolist()  # it may have had other hyperparameters
        process = GaussianProcess(
            self.space,
            targets=self._targets,
            hyperparameters=self.parts.hyperparameters.take(read),
            columns=read,
        )
        values = source.with_constraints(self._constraints).outcomes
        process.fit(source.x, values, source.ranks(self.rank), z[:, read])
        return process

    def _head(self) -> Head | None:
        """How the surrogate teaches the generator, if it does: end to end where it can, else by its ranking."""
        if not self.config.training.alpha:
            return None
        if isinstance(self.surrogate, Head):
            return self.surrogate
        return RankingHead(self.surrogate, self.space)

    def fit(self, observations: Observations, rank: FloatArray) -> None:
        """Fit the surrogate to results whose order is (N,)."""
        given = (observations.x, observations.measured.values, rank)
        if self._pairs:
            self.surrogate.fit(*given, observations.pairs.z)  # type: ignore[call-arg]
        else:
            self.surrogate.fit(*given)

    def condition_on_pending(self, pending: Pairs) -> None:
        """Have the fitted surrogate take account of what is being evaluated."""
        if self._pairs:
            self.surrogate.condition_on_pending(pending.x, pending.z)  # type: ignore[call-arg]
        else:
            self.surrogate.condition_on_pending(pending.x)

    def advance(self, observations: Observations) -> None:
        """Train the rounds that ``observations`` asks for; start over if earlier results are not what they were."""
        sizes = training_sizes(len(observations.x), self.config)
        same = digest_of(observations, self.trained_on) == self.digest
        outcomes = observations.measured.values.shape[1]
        renamed = observations.names != self._constraints or outcomes != self._outcomes
        if self.version > len(sizes) or not same or renamed:
            self._start(outcomes, observations.names)
        if self._checkpoints is None or self._trainer is None:
            self._train_rounds(observations, sizes)
        elif self.version < len(sizes):
            with self._checkpoints.turn(self._name(b"")):
                self._catch_up(observations, sizes, self._checkpoints, self._trainer)
                if self.version < len(sizes):
                    self._train_rounds(observations, sizes)
                    self._checkpoints.save(self._name(self.digest), self._trainer.optimizer.state)

    def _train_rounds(self, observations: Observations, sizes: list[int]) -> None:
        for size in sizes[self.version :]:
            self._round(observations.head(size))

    def _catch_up(
        self,
        observations: Observations,
        sizes: list[int],
        checkpoints: Checkpoints,
        trainer: Trainer,
    ) -> None:
        """Take over the last of the rounds of these sizes that somebody else has trained."""
        for version in range(len(sizes), self.version, -1):
            known = observations.head(sizes[version - 1])
            digest = digest_of(known)
            state = checkpoints.load(self._name(digest), trainer.optimizer.state)
            if state is not None:
                trainer.optimizer.restore(state)
                self.version, self.trained_on, self.digest = version, len(known), digest
                return

    def _name(self, digest: bytes) -> str:
        """Of the state after a round on results with this digest: a digest of everything that it follows from."""
        about = (VERSION, self.space.fingerprint, self.config.to_dict(), self.seed)
        about_all = json.dumps([*about, self._constraints, self._pretrained_checksum])
        return hashlib.sha256(about_all.encode() + digest).hexdigest()

    @cached_property
    def _pretrained_checksum(self) -> str:
        assert self._pretrained is not None
        return checksum({name: t.cpu() for name, t in self._pretrained.state_dict().items()})

    def _round(self, observations: Observations) -> None:
        version = self.version
        if self._pretrained is not None:
            self._train_or_reset(observations)
        self.version, self.trained_on, self.digest = (
            version + 1,
            len(observations),
            digest_of(observations),
        )

    def _train_or_reset(self, observations: Observations) -> None:
        seed = seed_from(self.seed, Stream.TRAINING_ROUND, self.version)
        rng = torch.Generator().manual_seed(seed)
        if self._collapsed(self._train(observations, rng), rng):
            self._start(self._outcomes, self._constraints)
            self._train(observations, rng)
            self.resets += 1

    def _train(self, observations: Observations, rng: torch.Generator) -> Generator:
        if self.config.training.alpha:  # who teaches has to know the results first
            self.fit(observations, observations.ranks(self.rank))
        assert self._trainer is not None
        self._trainer.round(
            self._data(observations.head(self.config.paper_options.learn_from)), rng
        )
        return self._trainer.generator

    def _data(self, observations: Observations) -> TrainingData:
        weights = rank_weights(observations.ranks(self.rank), self.config.weight_factor)
        targets = torch.from_numpy(unit_range(observations.outcomes))
        graphs = self.space.encode(observations.x)
        device = torch.device(self.config.device)
        return TrainingData.of(graphs, device, torch.from_numpy(weights), targets)

    def _collapsed(self, generator: Generator, rng: torch.Generator) -> bool:
        return valid_share(generator, _SAMPLES, rng) < _COLLAPSED * self._valid


def digest_of(observations: Observations, size: int | None = None) -> bytes:
    """Tells the first ``size`` results, or all of them, from different ones."""
    digest = hashlib.sha256()
    for part in (observations.x, observations.y, observations.constraints):
        digest.update(part[:size].tobytes())
    return digest.digest()
