"""Proposer: results in, one proposal out. It stores nothing but caches, so a study or `AGNet` can hold the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import RANKINGS, check_directions, violations
from optuna_agnet.core.seeds import Stream, check_seed, seed_from
from optuna_agnet.core.validation import check_type
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.generator.checkpoints import Checkpoints
from optuna_agnet.generator.network import Generator
from optuna_agnet.generator.pretraining import pretrained
from optuna_agnet.search.acquisition import (
    Acquisition,
    ExpectedImprovement,
    PosteriorMean,
    Prediction,
)
from optuna_agnet.search.candidates import (
    CandidateRequest,
    CandidateSource,
    Filter,
    RandomSource,
    SpaceExhausted,
    random_pool,
)
from optuna_agnet.search.cell_schedule import check_turns, fixed_by_turn
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.known_constraints import KnownConstraint, Limits
from optuna_agnet.search.model import Model
from optuna_agnet.search.observations import Observations, Pairs, Snapshot
from optuna_agnet.search.pairs import PairFilter, Turn, improved, pair_pool, random_pairs, turn_of
from optuna_agnet.search.pools import Pools
from optuna_agnet.search.prior_observations import check_prior_observations
from optuna_agnet.search.scores import ScoreTable
from optuna_agnet.search.source_schedule import check_sources, use_generator
from optuna_agnet.spaces.base import Choice, SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.surrogate.base import Candidates, Surrogate
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.torch_settings import check_device, isolated_torch_settings

HYPERPARAMETERS = "hyperparameters"
"""The source of known architectures with other hyperparameters."""
_RANDOM_POOL = 64  # samples of which the first one within the limits is taken
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

    Arguments and errors are those of `AGNet`; ``scores`` gives their table when the first proposal asks for it.

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
        check_type("space", space, SearchSpace, "spaces.nas_bench_201()")
        self.space, self.seed = space, check_seed(seed)
        self.config = AGNetConfig() if config is None else config
        check_type("config", self.config, AGNetConfig, "AGNetConfig(n_startup=8)")
        check_device(self.config.device)
        self.directions = check_directions(directions)
        _check_generator(generator, space)
        check_turns(space, self.config)
        _check_parts(surrogate, acquisition)
        for name, given in (("prior_observations", prior_observations), ("scores", scores)):
            if given and (surrogate is not None or self.config.surrogate != "gp"):
                raise ValueError(
                    f"{name} need the surrogate 'gp', not {surrogate or self.config.surrogate!r}: no other one learns"
                    " from them"
                )
        self._prior_observations = check_prior_observations(
            space, self.directions, prior_observations, hyperparameters
        )
        self._score_table = scores
        self.hyperparameters = hyperparameters
        if len(hyperparameters) and not reads_hyperparameters(self.config, surrogate):
            raise ValueError(
                f"hyperparameters={list(hyperparameters.names)} need surrogate='gp' and proposals that are made one by"
                " one (round_size=1, training.alpha=0), or a surrogate of your own with reads_hyperparameters = True"
            )
        self.limits = Limits(space, known_constraints)
        self._generator, self._surrogate, self._checkpoints = generator, surrogate, checkpoints
        self._ranking = RANKINGS[self.config.ranking]
        self._sources = check_sources(candidate_sources, self.config, space)
        self._pools = Pools(self._sources, self.config, self.seed)
        by_name: dict[str, Acquisition] = {
            "ei": ExpectedImprovement(),
            "mean": PosteriorMean(self._ranking),
        }
        self._acquisition = acquisition or by_name[self.config.acquisition]
        self._model: Model | None = None
        self._keys: dict[bytes, object] = {}  # of architectures that are not proposed again
        self._warn_once = WarnOnce()

    @cached_property
    def scores(self) -> ScoreTable | None:
        """What the scores say, those that tell something; None where there is none."""
        if self._score_table is None:
            return None
        table = self._score_table()
        table.warn_of_useless()
        return table.only(table.telling) if table.telling.any() else None

    @property
    def model(self) -> Model:
        """Generator and surrogate, trained as far as the last proposal needed them."""
        if self._model is None:
            start = self._generator
            if start is None and use_generator(self._sources):
                start = pretrained(self.space, self.config.generator)
            self._model = Model(
                self.space,
                start,
                self.config,
                self.seed,
                self._surrogate,
                self._prior_observations,
                self._checkpoints,
                self.scores,
                self.hyperparameters,
            )
        return self._model

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
        turn_rng = np.random.default_rng(seed_from(self.seed, Stream.CELL_SCHEDULE))
        free = self.untaken(snapshot, fixed_z)
        *turns, together = (
            free.with_fixed({**by_turn, **(fixed or {})})
            for by_turn in fixed_by_turn(self.space, self.config, snapshot.observations, turn_rng)
        )
        for allowed in turns:
            with suppress(SpaceExhausted):  # of that cell: on with the next turn
                return self._propose(snapshot, allowed, at_random)
        return self._propose(snapshot, together, at_random)

    def untaken(self, snapshot: Snapshot, fixed_z: FloatArray | None = None) -> PairFilter:
        """What may be proposed: architectures that were not proposed before, or pairs where there are hyperparameters.

        Args:
            snapshot: What is known.
            fixed_z: Hyperparameters (H,) that are given, NaN where they are free.
        """
        fixed = np.full(len(self.hyperparameters), np.nan) if fixed_z is None else fixed_z
        architectures = Filter(self.space, self.config.dedup, frozenset(), {})
        architectures = architectures.without(snapshot.excluded, self._keys)
        if not len(self.hyperparameters):
            if not self.config.allow_duplicates:
                architectures = self._without_known(architectures, snapshot)
            return PairFilter(self.hyperparameters, architectures, frozenset(), fixed)
        new = PairFilter(self.hyperparameters, architectures, frozenset(), fixed)
        if snapshot.given_up is not None:
            new = new.without(snapshot.given_up)
        if self.config.allow_duplicates:
            return new
        return new.without(snapshot.observations.pairs, snapshot.pending_pairs)

    def _without_known(self, allowed: Filter, snapshot: Snapshot) -> Filter:
        return allowed.without(snapshot.observations.x, self._keys).without(snapshot.pending)

    def _propose(self, snapshot: Snapshot, allowed: PairFilter, at_random: bool) -> Proposal:
        """Algorithm 1 is the case of rounds: `AGNetConfig.paper`."""
        rng = np.random.default_rng(seed_from(self.seed, Stream.PROPOSAL, snapshot.position))
        startup = len(snapshot.observations) < self.config.n_startup
        if at_random or (startup and not self._informed(snapshot.observations)):
            drawn = random_pairs(_RANDOM_POOL, allowed, rng)
            return self._chosen(drawn, allowed, "random" if at_random else "startup", 0, rng)
        if startup and snapshot.position == 1 and self.scores and not self._prior_observations:
            low = self._low_end(allowed.architectures, rng)[None]
            z = allowed.fix(self.hyperparameters.sample(1, rng)) if self.hyperparameters else None
            return self._chosen(Candidates(low, None, z), allowed, "startup", 0, rng)
        if not startup:
            self._warn_if_infeasible(snapshot.observations)
        if not len(snapshot.observations):
            snapshot = replace(snapshot, observations=self._none_yet(snapshot.observations))
        with isolated_torch_settings():
            self.model.advance(snapshot.observations)
            ranked, source = self._ranked(snapshot, allowed, rng)
        if self.config.round_size > 1:  # a pool of one's own holds only new ones
            ranked = ranked.take(allowed.architectures.new(ranked.x))
        if not len(ranked.x):  # a shared pool that is used up
            ranked, source = random_pairs(_RANDOM_POOL, allowed, rng), "random"
        source = "startup" if startup else source
        return self._chosen(ranked, allowed, source, self.model.version, rng)

    def _chosen(
        self,
        ranked: Candidates,
        allowed: PairFilter,
        source: str,
        version: int,
        rng: np.random.Generator,
    ) -> Proposal:
        """The first of the ranked ones that is within the limits."""
        row = self.limits.within(ranked.x, allowed.architectures, rng)
        if ranked.z is None:
            return Proposal(row, source, version)
        same = (ranked.x == row).all(1)  # none where it was found beyond the candidates
        return Proposal(row, source, version, ranked.z[same.argmax()])

    def _informed(self, observations: Observations) -> bool:
        """Whether the first proposals need not be random: by prior studies, or by scores that results bear out."""
        if self._prior_observations or not self.scores:
            return bool(self._prior_observations)
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
        names = {name for prior in self._prior_observations for name in prior.names}
        return observations.with_constraints(tuple(sorted(names)))

    def _warn_if_infeasible(self, observations: Observations) -> None:
        if observations.feasible.any():
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
        observations = snapshot.observations
        if self.config.round_size > 1:
            # Alg. 1, l. 13-18: a round proposes from what was known when it began
            observations = observations.head(self.model.trained_on)
        rank = self.ranks(observations)
        if len(self.hyperparameters):
            return self._ranked_pairs(snapshot, rank, allowed, rng)
        request = self._request(observations, rank, allowed.architectures, rng)
        pool, source = self._pools.draw(request, observations, self.model, snapshot.position)
        acquisition = self._fit(snapshot, observations, rank)
        predicted = self._predicted(observations, pool)
        ranked = pool.x[acquisition.order(predicted, rng)]
        for _ in range(self._pools.refinements(source)):
            bred = source.candidates(request.around(ranked))
            if bred is None or not len(bred.x):
                break
            pool = Candidates(np.concatenate([pool.x, bred.x]))
            predicted = predicted.joined(self._predicted(observations, bred))
            ranked = pool.x[acquisition.order(predicted, rng)]
        return Candidates(ranked), source.name

    def _ranked_pairs(
        self, snapshot: Snapshot, rank: FloatArray, allowed: PairFilter, rng: np.random.Generator
    ) -> tuple[Candidates, str]:
        """The same of pairs."""
        turn, observations = turn_of(snapshot.position), snapshot.observations
        architectures, source = self._architectures(snapshot, rank, turn, allowed, rng)
        if turn is Turn.NEW and not len(architectures):
            turn = Turn.ANY
        best = self._incumbents(observations, rank)
        pool = pair_pool(architectures, best, turn, allowed, self.config.pool_size, rng)
        if pool is None:
            pool, source = random_pairs(self.config.pool_size, allowed, rng), RandomSource().name
        acquisition = self._fit(snapshot, observations, rank)
        seed = int(rng.integers(2**62))  # one acquisition for all steps of improvement

        def order(candidates: Candidates) -> IntArray:
            predicted = self._predicted(observations, candidates)
            return acquisition.order(predicted, np.random.default_rng(seed))

        ranked = pool.take(order(pool))
        if turn is Turn.FAR:
            return ranked, source
        return improved(ranked, order, allowed, rng), source

    def _architectures(
        self,
        snapshot: Snapshot,
        rank: FloatArray,
        turn: Turn,
        allowed: PairFilter,
        rng: np.random.Generator,
    ) -> tuple[IntArray, str]:
        """Architectures (B, D) for pairs, possibly none, and where they come from."""
        filtered, observations = allowed.architectures, snapshot.observations
        if turn is Turn.NEW:
            filtered = self._without_known(filtered, snapshot)
        if turn is not Turn.FAR:
            request = self._request(observations, rank, filtered, rng)
            with suppress(SpaceExhausted):  # each source has its turn of new ones
                number = snapshot.position // 2
                pool, source = self._pools.draw(request, observations, self.model, number)
                return pool.x, source.name
        return np.empty((0, len(self.space.decisions)), dtype=np.int64), HYPERPARAMETERS

    def _fit(self, snapshot: Snapshot, observations: Observations, rank: FloatArray) -> Acquisition:
        """Fit the surrogate; how its predictions are to be ordered."""
        self.model.fit(observations, rank)
        if len(snapshot.pending):
            self.model.condition_on_pending(snapshot.pending_pairs)
        # without results of its own the best predicted from prior studies comes first
        return self._acquisition if len(observations) else PosteriorMean(self._ranking)

    def _predicted(self, observations: Observations, pool: Candidates) -> Prediction:
        surrogate, size = self.model.surrogate, len(self.directions)
        mean, std = surrogate.predict(pool)
        fitted = surrogate.fitted[observations.feasible, :size]
        known = fitted[~np.isnan(fitted).any(1)]
        return Prediction(mean, std, surrogate.feasibility_threshold[size:], known)

    def _request(
        self,
        observations: Observations,
        rank: FloatArray,
        allowed: Filter,
        rng: np.random.Generator,
    ) -> CandidateRequest:
        incumbents, size = self._incumbents(observations, rank).x, self.config.pool_size
        return CandidateRequest(self.model.generator, incumbents, size, allowed, rng)

    def _incumbents(self, observations: Observations, rank: FloatArray) -> Pairs:
        """Results, the best first; of the first prior study while there are none."""
        if not len(observations) and self._prior_observations:
            observations = self._prior_observations[0]
            rank = self.ranks(observations)
        return observations.pairs.take(np.argsort(rank, kind="stable"))


def reads_hyperparameters(config: AGNetConfig, surrogate: Surrogate | None) -> bool:
    """Whether the model of such a search can take account of hyperparameters beside the architecture."""
    if config.round_size > 1 or config.training.alpha:
        return False
    if surrogate is not None:
        return bool(getattr(surrogate, "reads_hyperparameters", False))
    return config.surrogate == "gp"


def _check_generator(generator: Generator | None, space: SearchSpace) -> None:
    if generator is None:
        return
    check_type("generator", generator, Generator, "pretrain(space)")
    if generator.space != space:
        raise ValueError(
            f"the generator was made for {generator.space!r}, the search is in {space!r}"
        )


def _check_parts(surrogate: object, acquisition: object) -> None:
    if isinstance(surrogate, type):
        raise TypeError(f"surrogate={surrogate.__name__} is a class: give one of its objects")
    methods = ("fit", "predict", "condition_on_pending")
    if surrogate is not None and not all(callable(getattr(surrogate, m, None)) for m in methods):
        raise TypeError(
            f"surrogate={surrogate!r} lacks one of the methods {', '.join(methods)}: make it a subclass of"
            " optuna_agnet.search.Surrogate"
        )
    if acquisition is not None and not isinstance(acquisition, Acquisition):
        raise TypeError(
            f"acquisition={acquisition!r} has no method order(predicted, rng), see optuna_agnet.search.Acquisition"
        )
