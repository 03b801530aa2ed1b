"""Pools of pairs: architectures of the sources whose turn it is, with hyperparameters beside them (`pairs`)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.search.candidate_order import CandidateOrder
from optuna_agnet.search.candidates import RandomSource, SpaceExhausted
from optuna_agnet.search.model import Model
from optuna_agnet.search.pairs import PairFilter, Turn, improved, pair_pool, random_pairs, turn_of
from optuna_agnet.search.pools import Pools, ProposalRequest
from optuna_agnet.search.source_schedule import free_numbers
from optuna_agnet.surrogate.base import Candidates

HYPERPARAMETERS = "hyperparameters"
"""The source of known architectures with other hyperparameters."""


@dataclass(frozen=True, slots=True)
class PairPool:
    """Pairs of one turn.

    Args:
        candidates: The pairs.
        source: Where their architectures come from.
        allowed: What others must fulfil that are found on the way.
        improve: Whether the best of them are improved further.
    """

    candidates: Candidates
    source: str
    allowed: PairFilter
    improve: bool

    def ranked(self, order: CandidateOrder, rng: np.random.Generator) -> Candidates:
        """The pairs, the best of them improved, the best first."""
        seed = int(rng.integers(2**62))  # one acquisition for all steps of improvement

        def rows(candidates: Candidates) -> IntArray:
            return order.best_first(candidates, np.random.default_rng(seed))[0]

        ranked = self.candidates.take(rows(self.candidates))
        return improved(ranked, rows, self.allowed, rng) if self.improve else ranked


class PairPools:
    """Joins architectures and hyperparameters, in turns.

    Args:
        architectures: Where new architectures come from.
    """

    def __init__(self, architectures: Pools) -> None:
        self._architectures = architectures

    def draw(self, request: ProposalRequest, model: Model) -> PairPool:
        """A pool of the kind whose turn it is.

        Raises:
            SpaceExhausted: Nothing new is left.
        """
        size, rng = self._architectures.config.pool_size, request.rng
        free = free_numbers(request.allowed.architectures.space, request.allowed.hyperparameters)
        turn = turn_of(request.snapshot.position, free)
        x, source = self._drawn(request, model, turn)
        if turn is Turn.NEW and not len(x):
            turn = Turn.ANY
        pool = pair_pool(x, request.incumbents, turn, request.allowed, size, rng)
        if pool is None:
            pool, source = random_pairs(size, request.allowed, rng), RandomSource().name
        return PairPool(pool, source, request.allowed, improve=turn is not Turn.FAR)

    def _drawn(self, request: ProposalRequest, model: Model, turn: Turn) -> tuple[IntArray, str]:
        """Architectures (B, D), possibly none, and where they come from."""
        allowed, pools, known = request.allowed.architectures, self._architectures, request.snapshot
        if turn is Turn.NEW:
            allowed = allowed.without(known.observations.x, known.pending)
        if turn is not Turn.FAR:
            asked = request.of_architectures(model, pools.config.pool_size, allowed)
            with suppress(SpaceExhausted):  # each source has its turn of new ones
                pool = pools.ask(asked, known.position // 2)
                return pool.candidates.x, pool.source
        return np.empty((0, len(allowed.space.decisions)), dtype=np.int64), HYPERPARAMETERS
