"""Makes the searches of a sampler, one for each study, from what the sampler was given."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from optuna.study import Study

from optuna_agnet.generator.checkpoints import Checkpoints
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import Acquisition, AGNetConfig, CandidateSource, Proposer, Surrogate
from optuna_agnet.search.known_constraints import KnownConstraint
from optuna_agnet.search.parts import reads_hyperparameters
from optuna_agnet.search.scores import PIECES, Score, ScoreTable, evaluate
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.study.stored_scores import StoredScores
from optuna_agnet.study.warm_start import Source, check_directions_of


@dataclass(frozen=True)
class SearchFactory:
    """Arguments of `AGNetSampler` that make up a search and that no study changes, checked.

    Args:
        sources: What is known of other studies.
        checkpoints: Where workers share trained generators; None for nowhere.

    All others are as in `AGNetSampler`.
    """

    space: SearchSpace
    seed: int
    config: AGNetConfig
    generator: Generator | None
    known_constraints: Mapping[str, KnownConstraint] | None
    surrogate: Surrogate | None
    candidate_sources: Sequence[CandidateSource] | None
    acquisition: Acquisition | None
    sources: Sequence[Source]
    checkpoints: Checkpoints | None
    scores: Mapping[str, Score]
    score_time_limit_s: float

    def new_search(
        self,
        directions: Sequence[str],
        study: Study | None = None,
        hyperparameters: Hyperparameters = NONE,
    ) -> Proposer:
        """A search to which nothing was told yet.

        With a study, the scores that are stored there are among them, and those that it lacks are computed.

        Raises:
            ValueError: The sources have other directions.
        """
        for source in self.sources:
            check_directions_of(source, tuple(directions), "this study")
        return Proposer(
            self.space,
            directions,
            seed=self.seed,
            config=self.config,
            generator=self.generator,
            known_constraints=self.known_constraints,
            surrogate=self.surrogate,
            candidate_sources=self.candidate_sources,
            acquisition=self.acquisition,
            prior_observations=[s.with_hyperparameters(hyperparameters) for s in self.sources],
            checkpoints=self.checkpoints,
            scores=partial(self._table, study) if self.scores else None,
            hyperparameters=hyperparameters,
        )

    def _table(self, study: Study | None) -> ScoreTable:
        """What the scores say, from the study as far as it is known there; nothing without a study."""
        if study is None:
            nothing = np.empty((0, len(self.space.decisions)), np.int64)
            return ScoreTable(nothing, np.empty((0, 0)), ())
        return evaluate(
            self.space,
            self.scores,
            StoredScores(study),
            time_limit_s=self.score_time_limit_s,
            first_piece=secrets.randbelow(PIECES),
        )

    def first_search(self) -> Proposer:
        """One that is made before there is a study, so that errors show at the door."""
        return self.new_search(self.sources[0].directions if self.sources else ("maximize",))

    @property
    def reads_hyperparameters(self) -> bool:
        """Whether the model can take account of hyperparameters beside the architecture."""
        return reads_hyperparameters(self.config, self.surrogate)

    def described(self) -> list[tuple[str, str]]:
        """What there is to show of it, by name."""
        default, config = AGNetConfig(), self.config
        changed = [
            f.name for f in fields(config) if getattr(config, f.name) != getattr(default, f.name)
        ]
        return [
            ("seed", f"{self.seed}"),
            ("config", ", ".join(f"{k}={getattr(config, k)!r}" for k in changed) or "default"),
            ("known constraints", ", ".join(self.known_constraints or ()) or "none"),
            ("source studies", ", ".join(source.name for source in self.sources) or "none"),
        ]
