"""Pools of architectures that compete for one proposal, or for those of a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from optuna_agnet.core.seeds import Stream, seed_from
from optuna_agnet.search.candidate_order import CandidateOrder
from optuna_agnet.search.candidates import (
    CandidateRequest,
    CandidateSource,
    Filter,
    RandomSource,
    random_pool,
)
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.model import Model
from optuna_agnet.search.observations import Observations, Pairs, Snapshot
from optuna_agnet.search.pairs import PairFilter
from optuna_agnet.surrogate.base import Candidates


@dataclass(frozen=True, slots=True)
class ProposalRequest:
    """What one proposal is made from.

    Args:
        snapshot: What is known.
        observations: Those of its results that count; where a round shares a model, those that it began with.
        incumbents: Results, the best first.
        allowed: What a candidate must fulfil.
        rng: For all that is random.
    """

    snapshot: Snapshot
    observations: Observations
    incumbents: Pairs
    allowed: PairFilter
    rng: np.random.Generator

    def of_architectures(self, model: Model, size: int, allowed: Filter) -> CandidateRequest:
        """What a source of candidates is asked for: at most ``size`` that are allowed."""
        return CandidateRequest(model.generator, self.incumbents.x, size, allowed, self.rng)


class Pool(Protocol):
    """Candidates for a proposal."""

    @property
    def source(self) -> str:
        """Where they come from."""

    def ranked(self, order: CandidateOrder, rng: np.random.Generator) -> Candidates:
        """They, and others that were found on the way, the best first."""


class CandidatePools(Protocol):
    """Where pools come from, one a proposal."""

    def draw(self, request: ProposalRequest, model: Model) -> Pool:
        """Of those who have their turn."""


@dataclass(frozen=True, slots=True)
class ArchitecturePool:
    """Architectures of one source.

    Args:
        candidates: What it gave.
        source: Its name.
        asked: The source ...
        request: ... and what it was asked.
        refinements: How often it is asked again, with the best of its candidates in the place of incumbents.
    """

    candidates: Candidates
    source: str
    asked: CandidateSource
    request: CandidateRequest
    refinements: int

    def ranked(self, order: CandidateOrder, rng: np.random.Generator) -> Candidates:
        """The candidates, and those that the refinements gave, the best first."""
        x = self.candidates.x
        rows, predicted = order.best_first(self.candidates, rng)
        for _ in range(self.refinements):
            bred = self.asked.candidates(self.request.around(x[rows]))
            if bred is None or not len(bred.x):
                break
            x = np.concatenate([x, bred.x])
            rows, predicted = order.best_first(bred, rng, predicted)
        return Candidates(x[rows])


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

    def draw(self, request: ProposalRequest, model: Model) -> ArchitecturePool:
        """A pool of its own for each proposal, or one that a round shares.

        Raises:
            SpaceExhausted: Nothing new is left.
        """
        allowed = request.allowed.architectures
        asked = request.of_architectures(model, self.config.pool_size, allowed)
        if self.config.paper_options.round_size == 1:
            return self.ask(asked, request.snapshot.position)
        observations = request.observations
        key = (model.digest, observations.names, tuple(sorted(allowed.fixed.items())))
        if self._shared is None or self._shared[0] != key:
            start = replace(allowed, taken=frozenset()).without(observations.x)
            rng = np.random.default_rng(seed_from(self.seed, Stream.SHARED_POOL, model.version))
            self._shared = (key, *self._asked(replace(asked, allowed=start, rng=rng), 0))
        _, pool, source = self._shared
        return ArchitecturePool(pool, source.name, source, asked, refinements=0)

    def ask(self, request: CandidateRequest, turn: int) -> ArchitecturePool:
        """The pool of the source whose turn it is."""
        pool, source = self._asked(request, turn)
        refinements = getattr(source, "refinements", 0)
        return ArchitecturePool(pool, source.name, source, request, refinements)

    def _asked(self, request: CandidateRequest, turn: int) -> tuple[Candidates, CandidateSource]:
        source = self.sources[turn % len(self.sources)]
        pool = source.candidates(request)
        if pool is None or not len(pool.x):
            drawn = random_pool(request.size, request.allowed, request.rng)
            return Candidates(drawn), RandomSource()
        return pool, source
