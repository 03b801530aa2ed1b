"""AGNet: the search as an ask/tell optimizer, without Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.core.deprecation import accepts_old_names, warn_of_old_name
from optuna_agnet.core.ranking import fronts, signs
from optuna_agnet.generator.checkpoints import Checkpoints
from optuna_agnet.generator.network import Generator
from optuna_agnet.search.acquisition import Acquisition
from optuna_agnet.search.candidates import CandidateSource
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.known_constraints import KnownConstraint, Limits
from optuna_agnet.search.model import Model
from optuna_agnet.search.observations import Observations, Result, Snapshot, check_result
from optuna_agnet.search.proposer import Proposer
from optuna_agnet.search.scores import (
    SCORE_TIME_LIMIT_S,
    Score,
    ScoreTable,
    check_scores,
    check_time_limit,
    evaluate,
)
from optuna_agnet.search.stored_arguments import check_given_again, described
from optuna_agnet.spaces.base import SearchSpace
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
            random startup, and are believed as far as results bear them out.
        score_time_limit_s: Seconds for that; with fewer architectures scored, the scores are less exact.
        checkpoints: Rounds of training of equal searches elsewhere or before, which need not be trained again.

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
    ) -> None:
        self._scores, self._score_store = check_scores(scores), dict[str, Sequence[float | None]]()
        self._score_time_limit_s = check_time_limit(score_time_limit_s)
        self.proposer = Proposer(
            space,
            directions,
            seed=seed,
            config=config,
            generator=generator,
            known_constraints=known_constraints,
            surrogate=surrogate,
            candidate_sources=candidate_sources,
            acquisition=acquisition,
            prior_observations=prior_observations,
            checkpoints=checkpoints,
            scores=self._score_table if self._scores else None,
        )
        self._arguments = described(
            generator=generator,
            known_constraints=known_constraints,
            surrogate=surrogate,
            candidate_sources=candidate_sources,
            acquisition=acquisition,
            prior_observations=prior_observations,
            scores=scores,
        )
        self._results: list[Result] = []
        self._pending: list[IntArray] = []
        self._asked = 0

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

    def _score_table(self) -> ScoreTable:
        limit = self._score_time_limit_s
        return evaluate(self.space, self._scores, self._score_store, time_limit_s=limit)

    # -- ask and tell ----------------------------------------------------------------------------------------------

    @overload
    def ask(self) -> Architecture: ...
    @overload
    def ask(self, n: int) -> list[Architecture]: ...
    def ask(self, n: int | None = None) -> Architecture | list[Architecture]:
        """The next architecture, or a list of ``n``; any number may be pending.

        Raises:
            SpaceExhausted: All architectures were proposed (a ValueError).
            ValueError: ``n`` is no positive integer.
        """
        if n is None:
            return self._ask_one()
        if n < 1:
            raise ValueError(f"n={n} must be at least 1")
        return [self._ask_one() for _ in range(n)]

    def _ask_one(self) -> Architecture:
        excluded = [row for row, values, _ in self._results if values is None]
        snapshot = Snapshot(
            self.observations, self._rows(self._pending), self._rows(excluded), self._asked
        )
        row = self.proposer.propose(snapshot).row
        self._asked += 1
        self._pending.append(row)
        return self.space.architectures(row[None])[0]

    def _rows(self, rows: Sequence[IntArray]) -> IntArray:
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.space.decisions))

    def tell(
        self,
        architecture: Architecture,
        values: float | Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """The result of an architecture, asked for or not.

        Args:
            architecture: What was evaluated.
            values: One number an objective; None where it failed or was given up: it will not be proposed again.
            constraints: By name, at most 0 where kept, such as ``{"latency_ms": latency - 4.0}``. They are learned from
                even without values, so an architecture need not be trained once it is known to break one.

        Raises:
            ValueError: A value is not finite, their number is not that of the directions, a constraint is NaN, or the
                architecture is no member of the space.
        """
        row = self.space.choices([architecture])[0]
        known, found = check_result(architecture, values, constraints or {}, self.directions)
        self._results.append((row, known, found))
        for i, pending in enumerate(self._pending):
            if (pending == row).all():
                del self._pending[i]
                break

    @property
    def observations(self) -> Observations:
        """All results so far: those with values, and those that were given up because they break a constraint."""
        return Observations.of(self._results, self.directions, len(self.space.decisions))

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
        found = self.space.architectures(observations.x[rows])
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
            "told": [
                [row.tolist(), None if values is None else list(values), constraints]
                for row, values, constraints in self._results
            ],
            "pending": [row.tolist() for row in self._pending],
            "asked": self._asked,
            "arguments": self._arguments,
            "scores": {key: list(values) for key, values in self._score_store.items()},
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
            ValueError: The state is another space's, or incomplete, or one of these arguments is missing that the
                search had; known constraints are known by name, sequences by length.
        """
        missing = {"space", "directions", "seed", "config", "told", "pending", "asked"} - set(state)
        if missing:
            raise ValueError(
                f"the state lacks {sorted(missing)}: it is none that state_dict() gave"
            )
        if state["space"] != space.fingerprint:
            raise ValueError(f"the state belongs to another space than {space!r}")
        config = AGNetConfig.from_dict(state["config"])
        search = cls(
            space,
            state["directions"],
            seed=state["seed"],
            config=config,
            generator=generator,
            known_constraints=known_constraints,
            surrogate=surrogate,
            candidate_sources=candidate_sources,
            acquisition=acquisition,
            prior_observations=prior_observations,
            scores=scores,
            score_time_limit_s=score_time_limit_s,
            checkpoints=checkpoints,
        )
        check_given_again(state.get("arguments"), search._arguments)
        search._score_store.update(state.get("scores", {}))
        search._results = [
            (np.array(row, dtype=np.int64), values and tuple(values), dict(constraints))
            for row, values, constraints in state["told"]
        ]
        search._pending = [np.array(row, dtype=np.int64) for row in state["pending"]]
        search._asked = state["asked"]
        return search
