"""Studies that a search starts from: another data set, another device, the same space and objectives."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import TrialState

from optuna_agnet.core.progress import LOGGER
from optuna_agnet.search import Observations
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.study.storage_view import StudyState
from optuna_agnet.study.trials import directions_of


@dataclass(frozen=True, slots=True)
class Source:
    """Results of another study, which a search starts from.

    Args:
        name: Of the study.
        directions: Of the study.
        observations: What it holds now.
        params: All parameters of its trials, one a result.
    """

    name: str
    directions: tuple[str, ...]
    observations: Observations
    params: tuple[Mapping[str, Any], ...] = ()

    def with_hyperparameters(self, hyperparameters: Hyperparameters) -> Observations:
        """Its results, with those of the hyperparameters that all its trials have; NaN for others.

        What lies beyond the range of this search keeps its distance: at the nearer limit it was not tried.
        """
        if not len(hyperparameters):
            return self.observations
        z = hyperparameters.rows(self.params, beyond=True)
        z[:, np.isnan(z).any(0)] = np.nan
        return replace(self.observations, z=z)


def read_sources(studies: Iterable[Study], space: SearchSpace) -> tuple[Source, ...]:
    """The results of studies of one space; those without any are left out with a warning.

    Raises:
        TypeError: One is no study, or there is one instead of a sequence.
        ValueError: Recorded parameters don't fit the space, or directions differ.
    """
    if isinstance(studies, Study):
        raise TypeError("source_studies must be a sequence: [study], not a single study")
    sources = [source for study in studies if (source := _read_source(study, space)) is not None]
    for source in sources[1:]:
        check_directions_of(source, sources[0].directions, f"'{sources[0].name}'")
    return tuple(sources)


def _read_source(study: Study, space: SearchSpace) -> Source | None:
    if not isinstance(study, Study):
        raise TypeError(
            f"source_studies contains {study!r}: give studies, such as optuna.load_study(...)"
        )
    try:
        state = StudyState(space, study, max_failures=1)
        observations = state.read(study, -1).observations
    except ValueError as error:
        raise ValueError(f"the source study '{study.study_name}' does not fit: {error}") from None
    if len(observations):
        LOGGER.info("Warm start: %d results of the study '%s'", len(observations), study.study_name)
        params = tuple(state.finished.params())
        return Source(study.study_name, directions_of(study), observations, params)
    if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise ValueError(
            f"the source study '{study.study_name}' has complete trials, but none with the parameters of {space!r}"
            f" ({', '.join(d.name for d in space.decisions[:3])}, ...)"
        )
    warnings.warn(
        f"the source study '{study.study_name}' has no results yet: nothing is learned from it",
        UserWarning,
        stacklevel=4,
    )
    return None


def check_directions_of(source: Source, directions: tuple[str, ...], owner: str) -> None:
    """Refuse a source whose objectives can't be those of ``owner``.

    Raises:
        ValueError: Its directions are others.
    """
    if source.directions != directions:
        raise ValueError(
            f"the source study '{source.name}' has the directions {list(source.directions)}, {owner} has"
            f" {list(directions)}: a source needs the same objectives in the same order"
        )
