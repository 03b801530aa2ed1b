"""Makes the searches of a sampler, one for each study, from what the sampler was given."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
from optuna.storages import InMemoryStorage
from optuna.study import Study

from optuna_agnet.generator.checkpoints import Checkpoints, MachineStore
from optuna_agnet.search import AGNetConfig, Proposer
from optuna_agnet.search.parts import SearchParts
from optuna_agnet.search.scores import PIECES, Score, ScoreTable, check_time_limit, evaluate
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.study.stored_scores import StoredScores
from optuna_agnet.study.warm_start import Source, check_directions_of


@dataclass(frozen=True)
class SearchFactory:
    """What makes the searches of a sampler; only their directions, scores and hyperparameters follow from a study.

    Args:
        parts: What no study changes.
        sources: What is known of other studies.
        scores: As in `AGNetSampler`.
        score_time_limit_s: As in `AGNetSampler`.
    """

    parts: SearchParts
    sources: Sequence[Source]
    scores: Mapping[str, Score]
    score_time_limit_s: float

    def __post_init__(self) -> None:
        check_time_limit(self.score_time_limit_s)

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
        parts = replace(
            self.parts,
            directions=directions,
            prior_observations=[s.with_hyperparameters(hyperparameters) for s in self.sources],
            scores=partial(self._table, study) if self.scores else None,
            hyperparameters=hyperparameters,
            checkpoints=self._checkpoints(study),
        )
        return Proposer.of(parts)

    def _checkpoints(self, study: Study | None) -> Checkpoints | None:
        """Where workers share trained generators: as they were told to, else, if there may be some, on this machine."""
        alone = study is None or isinstance(study._storage, InMemoryStorage)
        if self.parts.checkpoints is not None or alone:
            return self.parts.checkpoints
        return Checkpoints(MachineStore())

    def _table(self, study: Study | None) -> ScoreTable:
        """What the scores say, from the study as far as it is known there; nothing without a study."""
        if study is None:
            nothing = np.empty((0, len(self.parts.space.decisions)), np.int64)
            return ScoreTable(nothing, np.empty((0, 0)), ())
        return evaluate(
            self.parts.space,
            self.scores,
            StoredScores(study),
            time_limit_s=self.score_time_limit_s,
            order=secrets.SystemRandom().sample(range(PIECES), PIECES),
        )

    def check(self) -> None:
        """Make one before there is a study, so that errors show at the door."""
        self.new_search(self.sources[0].directions if self.sources else ("maximize",))

    def described(self) -> list[tuple[str, str]]:
        """What there is to show of it, by name."""
        default, config = AGNetConfig(), self.parts.config
        changed = [
            f.name for f in fields(config) if getattr(config, f.name) != getattr(default, f.name)
        ]
        return [
            ("seed", f"{self.parts.seed}"),
            ("config", ", ".join(f"{k}={getattr(config, k)!r}" for k in changed) or "default"),
            ("known constraints", ", ".join(self.parts.known_constraints or ()) or "none"),
            ("source studies", ", ".join(source.name for source in self.sources) or "none"),
        ]
