"""Proposer: results in, one proposal out. It stores nothing but caches, so a study or `AGNet` can hold the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import RANKINGS, violations
from optuna_agnet.core.seeds import Stream, seed_from
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.generator.checkpoints import Checkpoints
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.pretraining import pretrained
from optuna_agnet.search.acquisition import Acquisition, ExpectedImprovement, PosteriorMean
from optuna_agnet.search.candidate_order import CandidateOrder
from optuna_agnet.search.candidates import CandidateSource, Filter, SpaceExhausted, random_pool
from optuna_agnet.search.cell_schedule import fixed_by_turn
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.known_constraints import KnownConstraint, Limits
from optuna_agnet.search.model import Model
from optuna_agnet.search.observations import Observations, Snapshot
from optuna_agnet.search.pair_pools import PairPools
from optuna_agnet.search.pairs import PairFilter, random_pairs, within_limits
from optuna_agnet.search.parts import SearchParts, config_or_default
from optuna_agnet.search.pools import CandidatePools, Pools, ProposalRequest
from optuna_agnet.search.scores import ScoreTable
from optuna_agnet.search.source_schedule import check_sources, random_starts, use_generator
from optuna_agnet.search.starts import start_values
from optuna_agnet.spaces.base import Choice, SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.surrogate.base import Candidates, Surrogate
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.torch_settings import isolated_torch_settings

_TELLING = 4  # results; fewer say nothing of hyperparameters
_RANDOM_POOL = 64  # samples of which the first one within the limits is taken
_MOST_KEYS = 30_000  # that are remembered: ten megabytes
_LOW_END = 10  # the part of a pool, one in so many, that scores speak against most


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposed architecture.

    Args:
        row: Its decisions (D,).
        source: "startup" (random, or best predicted from prior studies or scores), the name of a source of candidates
            ("generator", "mutants", "neighbors", "random"), "hyperparameters" (a known architecture with others than
            those that did well), or "repeat".
        version: Rounds of training that the generator had had.
        z: Hyperparameters (H,) beside them; None where the search has none.
    """

    row: IntArray
    source: str
    version: int
    z: FloatArray | None = None


class Proposer:
    """The policy of a search: `propose` depends on its arguments and the seed alone.

    Arguments and errors are those of `SearchParts`.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> proposer = Proposer(space, seed=0)
        >>> nothing = np.empty((0, 6), dtype=np.int64)
        >>> start = Snapshot(Observations.of([], ("maximize",), 6), nothing, nothing, position=0)
        >>> proposer.propose(start).source
        'startup'
    """

    def __init__(
        self,
        space: SearchSpace,
        directions: Sequence[str] = ("maximize",),
        *,
        seed: int = 0,
        config: AGNetConfig | None = None,
        generator: Generator | None = None,
        known_constraints: Mapping[str, KnownConstraint] | None = None,
        surrogate: Surrogate | None = None,
        candidate_sources: Sequence[CandidateSource] | None = None,
        acquisition: Acquisition | None = None,
        prior_observations: Sequence[Observations] = (),
        checkpoints: Checkpoints | None = None,
        scores: Callable[[], ScoreTable] | None = None,
        hyperparameters: Hyperparameters = NONE,
    ) -> None:
        self._begin(
            SearchParts(
                space,
                directions,
                seed=seed,
                config=config_or_default(config),
                generator=generator,
                known_constraints=known_constraints,
                surrogate=surrogate,
                candidate_sources=candidate_sources,
                acquisition=acquisition,
                prior_observations=prior_observations,
                checkpoints=checkpoints,
                scores=scores,
                hyperparameters=hyperparameters,
            )
        )

    @classmethod
    def of(cls, parts: SearchParts) -> Proposer:
        """The same, of parts that are together already."""
        proposer = cls.__new__(cls)
        proposer._begin(parts)
        return proposer

    def _begin(self, parts: SearchParts) -> None:
        self.parts, self.space, self.config = parts, parts.space, parts.config
        self.seed, self.directions = parts.seed, tuple(parts.directions)
        self.hyperparameters, self._pairs = parts.hyperparameters, len(parts.hyperparameters) > 0
        self.limits = Limits(self.space, parts.known_constraints)
        self._ranking = RANKINGS[self.config.paper_options.ranking]
        sources = check_sources(parts.candidate_sources, self.config, self.space)
        # known without one: the first may take seconds of pretraining
        self.has_generator = parts.generator is not None or use_generator(sources)
        self.startup = random_starts(self.config, self.space, self.hyperparameters)
        pools = Pools(sources, self.config, self.seed)
        self._pools: CandidatePools = PairPools(pools) if self._pairs else pools
        self._by_mean = PosteriorMean(self._ranking)
        improvement = ExpectedImprovement(augmented=self._pairs)  # pairs come near known ones
        by_name: dict[str, Acquisition] = {"ei": improvement, "mean": self._by_mean}
        self._acquisition = parts.acquisition or by_name[self.config.acquisition]
        self._keys: dict[object, object] = {}  # of architectures, by row
        self._warn_once = WarnOnce()

    @cached_property
    def scores(self) -> ScoreTable | None:
        """What the scores say, those that tell something; None where there is none."""
        if self.parts.scores is None:
            return None
        table = self.parts.scores()
        table.warn_of_useless()
        return table.only(table.telling) if table.telling.any() else None

    @cached_property
    def model(self) -> Model:
        """Generator and surrogate, trained as far as the last proposal needed them."""
        start = self.parts.generator
        if start is None and self.has_generator:
            start = pretrained(self.space, self.config.generator)
        return Model(self.parts, start, self.scores)

    @property
    def _learns_failures(self) -> bool:
        """Whether failures are a constraint that the surrogate can learn.

        Others than the Gaussian process are made for a number of outcomes, prior studies have no such constraint, and a
        round proposes from what was known when it began.
        """
        own = self.parts.surrogate is not None or self.config.surrogate != "gp"
        rounds = self.config.paper_options.round_size > 1
        return not (own or rounds or self.parts.prior_observations)

    def score_weights(self, observations: Observations) -> FloatArray:
        """How far each of the S scores is followed for each outcome, given results: (M + C, S).

        In standard deviations of the outcome's rank for one of the score's; 0 is not at all, negative the other way.
        """
        with isolated_torch_settings():
            self.model.advance(observations)
            self.model.fit(observations, self.ranks(observations))
            process = self.model.surrogate
            assert isinstance(process, GaussianProcess)
            return process.score_weights()

    def values(self, proposal: Proposal) -> dict[str, Any]:
        """Hyperparameters of a proposal by name; none where the search has none."""
        return {} if proposal.z is None else self.hyperparameters.values(proposal.z)

    def ranks(self, observations: Observations) -> FloatArray:
        """The order (N,) of results, 0 for the best; feasible ones first."""
        return observations.ranks(self._ranking)

    def propose(
        self,
        snapshot: Snapshot,
        *,
        fixed: Mapping[str, Choice] | None = None,
        at_random: bool = False,
        fixed_z: FloatArray | None = None,
    ) -> Proposal:
        """The architecture to evaluate next, with its hyperparameters.

        Args:
            snapshot: What is known.
            fixed: Decisions that are given, by name.
            at_random: Whether the model is left out.
            fixed_z: Hyperparameters (H,) that are given, NaN where they are free.

        Raises:
            SpaceExhausted: Nothing new is left.
        """
        free = self.untaken(snapshot, fixed_z)
        if fixed:
            free = free.with_fixed(fixed)
        *first, last = self._narrowing(snapshot, free, fixed or {}, at_random)
        for allowed in first:
            with suppress(SpaceExhausted):
                return self._propose(snapshot, allowed, at_random)
        return self._propose(snapshot, last, at_random)

    def _narrowing(
        self, snapshot: Snapshot, free: PairFilter, fixed: Mapping[str, Choice], at_random: bool
    ) -> list[PairFilter]:
        """What may be proposed, and before it what should be: of the cell in turn, or with a start's values."""
        allowed = [free]
        if self.config.cell_schedule:
            allowed = [
                free.with_fixed({**by_turn, **fixed}) if by_turn else free
                for by_turn in fixed_by_turn(
                    self.space, self.config, snapshot.observations, self.seed
                )
            ]
        if self._pairs and not at_random and self._starts_hyperparameters(snapshot):
            z = start_values(self.hyperparameters, snapshot.position, self.seed)
            allowed = [replace(each, fixed=each.fix(z)) for each in allowed] + allowed
        return allowed

    def _starts_hyperparameters(self, snapshot: Snapshot) -> bool:
        """Whether hyperparameters are those of a start, by chance: little of them is known.

        Scores, which may inform a start, say nothing of hyperparameters.
        """
        if self.parts.prior_observations or not self._in_startup(snapshot):
            return False
        few = len(snapshot.observations.x) < _TELLING
        return few or not self._informed(snapshot.observations)

    def untaken(self, snapshot: Snapshot, fixed_z: FloatArray | None = None) -> PairFilter:
        """What may be proposed: architectures that were not proposed before, or pairs where there are hyperparameters.

        Args:
            snapshot: What is known.
            fixed_z: Hyperparameters (H,) that are given, NaN where they are free.
        """
        known, pairs = snapshot.observations, self._pairs
        once = not (pairs or self.config.allow_duplicates)  # each architecture
        taken = (known.x, snapshot.pending) if once else ()
        if len(self._keys) > _MOST_KEYS:
            self._keys.clear()
        architectures = Filter(self.space, self.config.dedup, frozenset(), {}, self._keys)
        architectures = architectures.without(snapshot.excluded, *taken)
        fixed = np.full(len(self.hyperparameters), np.nan) if fixed_z is None else fixed_z
        new = PairFilter(self.hyperparameters, architectures, frozenset(), fixed)
        if pairs and snapshot.given_up is not None:
            new = new.without(snapshot.given_up)
        if pairs and not self.config.allow_duplicates:
            new = new.without(known.pairs, snapshot.pending_pairs)
        return new

    def _propose(self, snapshot: Snapshot, allowed: PairFilter, at_random: bool) -> Proposal:
        """Algorithm 1 is the case of rounds: `AGNetConfig.paper`."""
        rng = np.random.default_rng(seed_from(self.seed, Stream.PROPOSAL, snapshot.position))
        known, startup = len(snapshot.observations.x), self._in_startup(snapshot)
        if at_random or (startup and not self._informed(snapshot.observations)):
            drawn = random_pairs(_RANDOM_POOL, allowed, rng)
            return self._chosen(drawn, allowed, "random" if at_random else "startup", 0, rng)
        if startup and snapshot.position == 1 and self.scores and not self.parts.prior_observations:
            low = self._low_end(allowed.architectures, rng)[None]
            z = allowed.fix(self.hyperparameters.sample(1, rng)) if self.hyperparameters else None
            return self._chosen(Candidates(low, None, z), allowed, "startup", 0, rng)
        if not startup:
            self._warn_if_infeasible(snapshot.observations)
        if not known:
            snapshot = replace(snapshot, observations=self._none_yet(snapshot.observations))
        with isolated_torch_settings():
            self.model.advance(snapshot.observations)
            ranked, source = self._ranked(snapshot, allowed, rng)
        if self.config.paper_options.round_size > 1:  # a pool of one's own holds only new ones
            ranked = ranked.take(allowed.architectures.new(ranked.x))
        if not len(ranked.x):  # a shared pool that is used up
            ranked, source = random_pairs(_RANDOM_POOL, allowed, rng), "random"
        source = "startup" if startup else source
        return self._chosen(ranked, allowed, source, self.model.version, rng)

    def _in_startup(self, snapshot: Snapshot) -> bool:
        """Whether too little is known for the model, and is not about to be.

        What has failed for good is known as well: where most pairs fail, the 16th result would be that of the 100th
        trial. What is being evaluated counts once half of the startup is known. Otherwise 16 workers that ask whenever
        they are free would begin 31 random architectures before the 16th result.
        """
        results, startup = len(snapshot.observations.x), self.startup
        if self.config.paper_options.round_size > 1 or self.config.surrogate == "mlp":
            return results < startup  # the first model is that of the first round of training
        learned = snapshot.failed if self._learns_failures else None
        known = results if learned is None or not results else results + len(learned.after)
        return 2 * known < startup or known + len(snapshot.pending) < startup

    def _chosen(
        self,
        ranked: Candidates,
        allowed: PairFilter,
        source: str,
        version: int,
        rng: np.random.Generator,
    ) -> Proposal:
        """The first of the ranked ones that is within the limits."""
        row, z = ranked.x[0], None if ranked.z is None else ranked.z[0]
        if self.parts.known_constraints and z is None:
            row = self.limits.within(ranked.x, allowed.architectures, rng)
        elif self.parts.known_constraints:
            row, z = within_limits(ranked, allowed, self.limits, rng)
        return Proposal(row, source, version, z)

    def _informed(self, observations: Observations) -> bool:
        """Whether the first proposals need not be random: by prior studies, or by scores that results bear out."""
        if self.parts.prior_observations or not self.scores:
            return bool(self.parts.prior_observations)
        return not len(observations) or bool(self.score_weights(observations).any())

    def _low_end(self, allowed: Filter, rng: np.random.Generator) -> IntArray:
        """An architecture (D,) that the scores speak against.

        The first proposal was what they speak for. Were all proposals like that one, no result could show that the
        scores are wrong; the difference of these two already does.
        """
        process = self.model.surrogate
        assert isinstance(process, GaussianProcess)
        pool = random_pool(self.config.pool_size, allowed, rng)
        order = np.argsort(process.score_means(pool).mean(1), kind="stable")
        low, others = np.split(order, [max(1, len(pool) // _LOW_END)])
        return self.limits.within(pool[[*rng.permutation(low), *others]], allowed, rng)

    def _none_yet(self, observations: Observations) -> Observations:
        """No results, with the constraints that prior studies have: they count from the first proposal."""
        names = {name for prior in self.parts.prior_observations for name in prior.names}
        return observations.with_constraints(tuple(sorted(names)))

    def _warn_if_infeasible(self, observations: Observations) -> None:
        if observations.measured.feasible.any():
            return
        worst = np.where(np.isnan(observations.constraints), -np.inf, observations.constraints)
        nearest = worst[violations(-observations.constraints).argmin()]
        broken = ", ".join(
            f"{name} by {value:.4g}"
            for name, value in zip(observations.names, nearest, strict=True)
            if value > 0
        )
        self._warn_once(
            "infeasible",
            f"none of the {len(observations)} architectures evaluated so far meets the constraints; the nearest breaks"
            f" {broken}. The search now looks for feasible ones first",
        )

    def _ranked(
        self, snapshot: Snapshot, allowed: PairFilter, rng: np.random.Generator
    ) -> tuple[Candidates, str]:
        """Candidates, the best first, and where they come from."""
        observations = snapshot.latest
        if snapshot.failed is not None and self._learns_failures:
            observations = observations.with_failures(snapshot.failed)
        if self.config.paper_options.round_size > 1:
            # Alg. 1, l. 13-18: a round proposes from what was known when it began
            observations = observations.head(self.model.trained_on)
        rank, best = observations.ranked(self._ranking)
        if not len(rank) and self.parts.prior_observations:
            _, best = self.parts.prior_observations[0].ranked(self._ranking)
            # that study may have had values that this search can't have
            best = replace(best, z=self.hyperparameters.snap(best.z))
        request = ProposalRequest(snapshot, observations, best, allowed, rng)
        pool = self._pools.draw(request, self.model)
        self.model.fit(observations, rank)
        if len(snapshot.pending):
            self.model.condition_on_pending(snapshot.pending_pairs)
        # without results of its own the best predicted from prior studies comes first
        acquisition = self._acquisition if len(rank) else self._by_mean
        order = CandidateOrder(self.model.surrogate, acquisition, observations)
        return pool.ranked(order, rng), pool.source
