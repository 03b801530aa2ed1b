"""Proposer: results in, one proposal out. It stores nothing but caches, so a study or `AGNet` can hold the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

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
from optuna_agnet.search.observations import Observations, Snapshot
from optuna_agnet.search.prior_observations import check_prior_observations
from optuna_agnet.search.scores import ScoreTable
from optuna_agnet.search.source_schedule import check_sources, use_generator
from optuna_agnet.spaces.base import Choice, SearchSpace
from optuna_agnet.surrogate.base import Candidates, Surrogate
from optuna_agnet.surrogate.gaussian_process import GaussianProcess
from optuna_agnet.torch_settings import check_device, isolated_torch_settings

_RANDOM_POOL = 64  # samples of which the first one within the limits is taken
_LOW_END = 10  # the part of a pool, one in so many, that scores speak against most


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposed architecture.

    Args:
        row: Its decisions (D,).
        source: "startup" (random, or best predicted from prior studies or scores), the name of a source of candidates
            ("generator", "mutants", "neighbors", "random"), or "repeat".
        version: Rounds of training that the generator had had.
    """

    row: IntArray
    source: str
    version: int


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
            space, self.directions, prior_observations
        )
        self._score_table = scores
        self.limits = Limits(space, known_constraints)
        self._generator, self._surrogate, self._checkpoints = generator, surrogate, checkpoints
        self._ranking = RANKINGS[self.config.ranking]
        self._sources = check_sources(candidate_sources, self.config, space)
        by_name: dict[str, Acquisition] = {
            "ei": ExpectedImprovement(),
            "mean": PosteriorMean(self._ranking),
        }
        self._acquisition = acquisition or by_name[self.config.acquisition]
        self._model: Model | None = None
        self._pool: tuple[object, Candidates, CandidateSource] | None = None
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
            )
        return self._model

    def score_weights(self, observations: Observations) -> FloatArray:
        """How far each of the S scores is followed for each outcome, given results: (M + C, S).

        In standard deviations of the outcome's rank for one of the score's; 0 is not at all, negative the other way.
        """
        with isolated_torch_settings():
            self.model.advance(observations)
            process = self.model.surrogate
            assert isinstance(process, GaussianProcess)
            process.fit(observations.x, observations.outcomes, self.ranks(observations))
            return process.score_weights()

    def ranks(self, observations: Observations) -> FloatArray:
        """The order (N,) of results, 0 for the best; feasible ones first."""
        return observations.ranks(self._ranking)

    def propose(
        self,
        snapshot: Snapshot,
        *,
        fixed: Mapping[str, Choice] | None = None,
        at_random: bool = False,
    ) -> Proposal:
        """The architecture to evaluate next.

        Args:
            snapshot: What is known.
            fixed: Decisions that are given, by name.
            at_random: Whether the model is left out.

        Raises:
            SpaceExhausted: Nothing new is left.
        """
        turn_rng = np.random.default_rng(seed_from(self.seed, Stream.CELL_SCHEDULE))
        free = self.untaken(snapshot)
        *turns, together = (
            replace(free, fixed={**by_turn, **(fixed or {})})
            for by_turn in fixed_by_turn(self.space, self.config, snapshot.observations, turn_rng)
        )
        for allowed in turns:
            with suppress(SpaceExhausted):  # of that cell: on with the next turn
                return self._propose(snapshot, allowed, at_random)
        return self._propose(snapshot, together, at_random)

    def untaken(self, snapshot: Snapshot) -> Filter:
        """What may be proposed: all that was not proposed before."""
        new = Filter(self.space, self.config.dedup, frozenset(), {})
        new = new.without(snapshot.excluded, self._keys)
        if self.config.allow_duplicates:
            return new
        return new.without(snapshot.observations.x, self._keys).without(snapshot.pending)

    def _propose(self, snapshot: Snapshot, allowed: Filter, at_random: bool) -> Proposal:
        """Algorithm 1 is the case of rounds: `AGNetConfig.paper`."""
        rng = np.random.default_rng(seed_from(self.seed, Stream.PROPOSAL, snapshot.position))
        startup = len(snapshot.observations) < self.config.n_startup
        if at_random or (startup and not self._informed(snapshot.observations)):
            drawn = random_pool(_RANDOM_POOL, allowed, rng)
            row = self.limits.within(drawn, allowed, rng)
            return Proposal(row, "random" if at_random else "startup", 0)
        if startup and snapshot.position == 1 and self.scores and not self._prior_observations:
            return Proposal(self._low_end(allowed, rng), "startup", 0)
        if not startup:
            self._warn_if_infeasible(snapshot.observations)
        if not len(snapshot.observations):
            snapshot = replace(snapshot, observations=self._none_yet(snapshot.observations))
        with isolated_torch_settings():
            self.model.advance(snapshot.observations)
            ranked, source = self._ranked(snapshot, allowed, rng)
        shared = self.config.round_size > 1  # a pool of one's own holds only new ones
        new = allowed.new(ranked) if shared else np.arange(len(ranked))
        if not len(new):  # a shared pool that is used up
            ranked, source = random_pool(_RANDOM_POOL, allowed, rng), "random"
            new = np.arange(len(ranked))
        row = self.limits.within(ranked[new], allowed, rng)
        return Proposal(row, "startup" if startup else source, self.model.version)

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
        self, snapshot: Snapshot, allowed: Filter, rng: np.random.Generator
    ) -> tuple[IntArray, str]:
        """Candidates (B, D), the best first, and where they come from."""
        observations = snapshot.observations
        if self.config.round_size > 1:
            # Alg. 1, l. 13-18: a round proposes from what was known when it began
            observations = observations.head(self.model.trained_on)
        rank = self.ranks(observations)
        request = self._request(observations, rank, allowed, rng)
        pool, source = self._candidates(request, observations, snapshot.position)
        surrogate = self.model.surrogate
        surrogate.fit(observations.x, observations.outcomes, rank)
        if len(snapshot.pending):
            surrogate.condition_on_pending(snapshot.pending)
        # without results of its own the best predicted from prior studies comes first
        acquisition = self._acquisition if len(observations) else PosteriorMean(self._ranking)
        predicted = self._predicted(observations, pool)
        ranked = pool.x[acquisition.order(predicted, rng)]
        for _ in range(self._refinements(source)):
            bred = source.candidates(request.around(ranked))
            if bred is None or not len(bred.x):
                break
            pool = Candidates(np.concatenate([pool.x, bred.x]))
            predicted = predicted.joined(self._predicted(observations, bred))
            ranked = pool.x[acquisition.order(predicted, rng)]
        return ranked, source.name

    def _refinements(self, source: CandidateSource) -> int:
        """How often a source is asked again; never where a round shares its candidates."""
        return 0 if self.config.round_size > 1 else getattr(source, "refinements", 0)

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
        if not len(observations) and self._prior_observations:
            observations = self._prior_observations[0]
            rank = self.ranks(observations)
        incumbents = observations.x[np.argsort(rank, kind="stable")]
        size = self.config.pool_size
        return CandidateRequest(self.model.generator, incumbents, size, allowed, rng)

    def _candidates(
        self, request: CandidateRequest, observations: Observations, position: int
    ) -> tuple[Candidates, CandidateSource]:
        """A pool of its own for each proposal, or one that a round shares."""
        if self.config.round_size == 1:
            return self._draw_candidates(request, position)
        fixed = request.allowed.fixed
        key = (self.model.digest, observations.names, tuple(sorted(fixed.items())))
        if self._pool is None or self._pool[0] != key:
            start = Filter(self.space, self.config.dedup, frozenset(), fixed)
            seed = seed_from(self.seed, Stream.SHARED_POOL, self.model.version)
            request = replace(
                request, allowed=start.without(observations.x), rng=np.random.default_rng(seed)
            )
            self._pool = (key, *self._draw_candidates(request, 0))
        return self._pool[1], self._pool[2]

    def _draw_candidates(
        self, request: CandidateRequest, position: int
    ) -> tuple[Candidates, CandidateSource]:
        source = self._sources[position % len(self._sources)]
        pool = source.candidates(request)
        if pool is None or not len(pool.x):
            return Candidates(
                random_pool(request.size, request.allowed, request.rng)
            ), RandomSource()
        return pool, source


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
