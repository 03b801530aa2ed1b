"""Pools of architectures that compete for one proposal, or for those of a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optuna_agnet.core.seeds import Stream, seed_from
from optuna_agnet.search.candidates import (
    CandidateRequest,
    CandidateSource,
    Filter,
    RandomSource,
    random_pool,
)
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.model import Model
from optuna_agnet.search.observations import Observations
from optuna_agnet.surrogate.base import Candidates


class Pools:
    """Asks the sources of candidates in turn.

    Args:
        sources: One a proposal.
        config: Of the search.
        seed: Of the search.
    """

    def __init__(self, sources: Sequence[CandidateSource], config: AGNetConfig, seed: int) -> None:
        self.sources, self.config, self.seed = sources, config, seed
        self._shared: tuple[object, Candidates, CandidateSource] | None = None

    def draw(
        self, request: CandidateRequest, observations: Observations, model: Model, turn: int
    ) -> tuple[Candidates, CandidateSource]:
        """A pool of its own for each proposal, or one that a round shares.

        Args:
            request: What is asked for.
            observations: What a shared pool must not contain.
            model: Whose rounds share a pool.
            turn: Number of the proposal.

        Raises:
            SpaceExhausted: Nothing new is left.
        """
        if self.config.round_size == 1:
            return self._ask(request, turn)
        fixed, space = request.allowed.fixed, request.allowed.space
        key = (model.digest, observations.names, tuple(sorted(fixed.items())))
        if self._shared is None or self._shared[0] != key:
            start = Filter(space, self.config.dedup, frozenset(), fixed).without(observations.x)
            rng = np.random.default_rng(seed_from(self.seed, Stream.SHARED_POOL, model.version))
            self._shared = (key, *self._ask(replace(request, allowed=start, rng=rng), 0))
        return self._shared[1], self._shared[2]

    def _ask(self, request: CandidateRequest, turn: int) -> tuple[Candidates, CandidateSource]:
        source = self.sources[turn % len(self.sources)]
        pool = source.candidates(request)
        if pool is None or not len(pool.x):
            drawn = random_pool(request.size, request.allowed, request.rng)
            return Candidates(drawn), RandomSource()
        return pool, source

    def refinements(self, source: CandidateSource) -> int:
        """How often a source is asked again; never where a round shares its candidates."""
        return 0 if self.config.round_size > 1 else getattr(source, "refinements", 0)
