"""AGNet: the search as an ask/tell optimizer, without Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.deprecation import accepts_old_names, warn_of_old_name
from optuna_agnet.core.ranking import fronts, signs
from optuna_agnet.core.validation import check_count
from optuna_agnet.generator.checkpoints import Checkpoints
from optuna_agnet.generator.network import Generator
from optuna_agnet.search.acquisition import Acquisition
from optuna_agnet.search.candidates import CandidateSource
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.known_constraints import KnownConstraint, Limits
from optuna_agnet.search.model import Model
from optuna_agnet.search.observations import Observations
from optuna_agnet.search.parts import SearchParts, check_hyperparameters, config_or_default
from optuna_agnet.search.proposer import Proposer
from optuna_agnet.search.results import Results
from optuna_agnet.search.scores import (
    SCORE_TIME_LIMIT_S,
    Score,
    ScoreTable,
    check_scores,
    check_time_limit,
    evaluate,
)
from optuna_agnet.search.stored_arguments import (
    Described,
    check_given_again,
    check_state,
    described,
)
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.surrogate.base import Surrogate


class AGNet:
    """Architecture search with a generator, a surrogate and rank-weighted retraining.

    Args:
        space: What is searched.
        directions: One of "maximize" and "minimize" an objective.
        seed: Same seed, same results, same proposals.
        config: `AGNetConfig()` or `AGNetConfig.paper()`, or one of your own.
        generator: A pretrained one; default: the bundled one of the space, or one pretrained on first use (seconds).
        known_constraints: Limits that cost no evaluation, by name: functions of an architecture that return a number,
            at most 0 where it may be proposed. They decide what is proposed, and nothing else; each is called once an
            architecture, for candidates in the order in which they would be proposed.
        surrogate: One of your own, instead of the one that ``config.surrogate`` names: a `Surrogate`.
        candidate_sources: Sources of candidates that take turns, instead of those that ``config.candidate_sources``
            names: `CandidateSource`.
        acquisition: How candidates are ordered, instead of what ``config.acquisition`` names: an `Acquisition`.
        prior_observations: Results of other searches in the same space, of another data set or device: their
            `observations`. They are a prior for generator and surrogate, which results of this search overrule, and
            take the place of the random startup. Columns of objectives must mean the same; constraints are matched by
            name.
        scores: Numbers that cost no evaluation and may say something of the objective, by name: functions of an
            architecture, such as its parameters or `training_free.naswot` of its network. Larger may be better or
            worse. Each is called for a few hundred random architectures before the first proposal. They replace the
            random startup, and are believed as far as results bear them out. Need the default surrogate.
        score_time_limit_s: Seconds for that; with fewer architectures scored, the scores are less exact.
        checkpoints: Rounds of training of equal searches elsewhere or before, which need not be trained again.
        hyperparameters: What is searched together with the architecture: Optuna's distributions, by name. Proposals
            have values of these, `Architecture.hyperparameters`, and no pair of architecture and values comes twice.
            They need the default surrogate, or one of your own that has ``reads_hyperparameters = True``.

    Raises:
        ValueError: An argument is out of range, the generator is another space's, or a source does not fit.
        TypeError: An argument has another type; a known constraint is no function, a surrogate can't fit or predict.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> search = AGNet(space, seed=0)
        >>> for _ in range(20):
        ...     arch = search.ask()
        ...     search.tell(arch, str(arch).count("nor_conv_3x3"))
        >>> search.best[1]
        (6.0,)

        Other results of the same architectures are a better start than random ones:

        >>> warm = AGNet(space, seed=0, prior_observations=[search.observations])
        >>> str(warm.ask()).count("nor_conv_3x3") >= 5
        True

        The learning rate, together with the architecture:

        >>> from optuna.distributions import FloatDistribution
        >>> both = AGNet(space, hyperparameters={"lr": FloatDistribution(1e-4, 1.0, log=True)})
        >>> arch = both.ask()
        >>> 1e-4 <= arch.hyperparameters["lr"] <= 1.0
        True
        >>> both.tell(arch, 0.9)
    """

    @accepts_old_names(sources="prior_observations")
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
        scores: Mapping[str, Score] | None = None,
        score_time_limit_s: float = SCORE_TIME_LIMIT_S,
        checkpoints: Checkpoints | None = None,
        hyperparameters: Mapping[str, Any] | Hyperparameters | None = None,
    ) -> None:
        self._scores, self._score_store = check_scores(scores), dict[str, Sequence[float | None]]()
        self._score_time_limit_s = check_time_limit(score_time_limit_s)
        parts = SearchParts(
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
            scores=self._score_table if self._scores else None,
            hyperparameters=check_hyperparameters(space, hyperparameters),
        )
        self.proposer = Proposer.of(parts)
        self._results = Results(parts)

    @property
    def space(self) -> SearchSpace:
        """What is searched."""
        return self.proposer.space

    @property
    def directions(self) -> tuple[str, ...]:
        """Of the objectives."""
        return self.proposer.directions

    @property
    def seed(self) -> int:
        """Of all that is random."""
        return self.proposer.seed

    @property
    def config(self) -> AGNetConfig:
        """Of the search."""
        return self.proposer.config

    @property
    def limits(self) -> Limits:
        """The known constraints, and what was found of them so far."""
        return self.proposer.limits

    @property
    def model(self) -> Model:
        """Generator and surrogate, trained as far as the last proposal needed them."""
        return self.proposer.model

    @property
    def _arguments(self) -> Described:
        """What a state can only name."""
        return described(**self.proposer.parts.not_in_json, scores=self._scores)

    def _score_table(self) -> ScoreTable:
        limit = self._score_time_limit_s
        return evaluate(self.space, self._scores, self._score_store, time_limit_s=limit)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """Those that are searched together with the architecture."""
        return self.proposer.hyperparameters

    # -- ask and tell ----------------------------------------------------------------------------------------------

    @overload
    def ask(self) -> Architecture: ...
    @overload
    def ask(self, n: int) -> list[Architecture]: ...
    def ask(self, n: int | None = None) -> Architecture | list[Architecture]:
        """The next architecture, or a list of ``n``; any number may be pending.

        Raises:
            SpaceExhausted: Fewer than ``n`` architectures are left (a ValueError); those can be asked for one by one.
            ValueError: ``n`` is no positive integer.
        """
        if n is None:
            return self._ask_one()
        found: list[Architecture] = []
        try:
            for _ in range(check_count("n", n, 1)):
                found.append(self._ask_one())
        except BaseException:  # nobody gets them: the next ask may
            self._results.withdraw(len(found))
            raise
        return found

    def _ask_one(self) -> Architecture:
        return self._results.begin(self.proposer.propose(self._results.snapshot()))

    def tell(
        self,
        architecture: Architecture,
        values: float | Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """The result of an architecture, asked for or not.

        Args:
            architecture: What was evaluated, with the hyperparameters of the proposal; for one that was not asked for,
                ``architecture.with_hyperparameters(lr=0.1)``.
            values: One number an objective; None where it failed or was given up: it will not be proposed again.
            constraints: By name, at most 0 where kept, such as ``{"latency_ms": latency - 4.0}``. They are learned from
                even without values, so an architecture need not be trained once it is known to break one.

        Raises:
            ValueError: A value is no finite number, their number is not that of the directions, a constraint is NaN, no
                number or without a name, or the architecture is no member of the space, or has other hyperparameters
                than the search.
            TypeError: ``constraints`` is no dictionary.
        """
        self._results.add(architecture, values, {} if constraints is None else constraints)

    @property
    def observations(self) -> Observations:
        """All results so far: those with values, and those that were given up because they break a constraint."""
        return self._results.observations

    @property
    def told(self) -> Observations:
        """`observations` under the name that it had before."""
        warn_of_old_name("told", "observations")
        return self.observations

    @property
    def best(self) -> tuple[Architecture, tuple[float, ...]]:
        """The best feasible architecture and its values; with several objectives, one of the `front`.

        Raises:
            ValueError: No feasible architecture was told yet.
        """
        return self.front[0]

    @property
    def front(self) -> list[tuple[Architecture, tuple[float, ...]]]:
        """Feasible architectures that no other one dominates, with their values; just the best for one objective.

        Those told without a constraint that others were told with are not among them; a warning says so.

        Raises:
            ValueError: No feasible architecture was told yet.
        """
        observations = self.observations
        rows = np.flatnonzero(observations.kept)
        unknown = int((observations.feasible & ~observations.kept).sum())
        if unknown:
            warnings.warn(
                f"{unknown} architectures were told without a constraint that others have"
                f" ({', '.join(observations.names)}): whether they keep it is unknown, so they are not among the best;"
                " `observations` has them",
                UserWarning,
                stacklevel=2,
            )
        if not len(rows):
            raise ValueError(
                f"none of the {len(observations)} architectures told so far is known to be feasible: there is no best"
                " one"
            )
        rows = rows[fronts(observations.y[rows]) == 0]
        if len(self.directions) == 1:
            rows = rows[:1]
        values = observations.y[rows] * signs(self.directions)
        found = self._results.architectures(observations.pairs.take(rows))
        return [(arch, tuple(row)) for arch, row in zip(found, values.tolist(), strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Everything that a continuation needs, ready for JSON.

        Functions, models and results of other searches are not in it, only that they were given.
        """
        return {
            "space": self.space.fingerprint,
            "directions": list(self.directions),
            "seed": self.seed,
            "config": self.config.to_dict(),
            **self._results.state(),
            "arguments": self._arguments,
            "scores": {key: list(values) for key, values in self._score_store.items()},
            "hyperparameters": self.hyperparameters.state(),
        }

    @classmethod
    @accepts_old_names(sources="prior_observations")
    def from_state_dict(
        cls,
        space: SearchSpace,
        state: Mapping[str, Any],
        *,
        generator: Generator | None = None,
        known_constraints: Mapping[str, KnownConstraint] | None = None,
        surrogate: Surrogate | None = None,
        candidate_sources: Sequence[CandidateSource] | None = None,
        acquisition: Acquisition | None = None,
        prior_observations: Sequence[Observations] = (),
        scores: Mapping[str, Score] | None = None,
        score_time_limit_s: float = SCORE_TIME_LIMIT_S,
        checkpoints: Checkpoints | None = None,
    ) -> AGNet:
        """Continue from `state_dict`, which lacks all arguments that no JSON can hold: give the same ones as before.

        Raises:
            ValueError: The state is none of this space, or one of these arguments is not what the search had.
        """
        check_state(space, state)
        search = cls(
            space,
            state["directions"],
            seed=state["seed"],
            config=AGNetConfig.from_dict(state["config"]),
            generator=generator,
            known_constraints=known_constraints,
            surrogate=surrogate,
            candidate_sources=candidate_sources,
            acquisition=acquisition,
            prior_observations=prior_observations,
            scores=scores,
            score_time_limit_s=score_time_limit_s,
            checkpoints=checkpoints,
            hyperparameters=Hyperparameters.from_state(state.get("hyperparameters", [])),
        )
        check_given_again(state.get("arguments"), search._arguments)
        search._score_store.update(state.get("scores", {}))
        search._results.restore(state)
        return search
