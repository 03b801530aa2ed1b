"""Results of other studies that a search starts from: another data set, another device, the same space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optuna_agnet.search.observations import Observations
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters


def check_prior_observations(
    space: SearchSpace,
    directions: Sequence[str],
    prior_observations: Sequence[Observations],
    hyperparameters: Hyperparameters = NONE,
) -> tuple[Observations, ...]:
    """Results of other searches as a tuple, each of which fits.

    Args:
        space: Of the search.
        directions: Of the search.
        prior_observations: `Observations` of other searches.
        hyperparameters: Of the search; a prior study may have some of them, all or none.

    Raises:
        TypeError: One is no `Observations`, or there is one instead of a sequence.
        ValueError: One has no results, another number of objectives or another space's decisions.
    """
    if isinstance(prior_observations, Observations):
        raise TypeError(
            "prior_observations must be a sequence: [search.observations], not a single Observations"
        )
    for number, observations in enumerate(prior_observations):
        if not isinstance(observations, Observations):
            raise TypeError(
                f"prior_observations[{number}] is a {type(observations).__name__}: give the results of a search,"
                " its `observations`; of a study, use AGNetSampler(source_studies=[study])"
            )
        if not len(observations):
            raise ValueError(f"prior_observations[{number}] has no results: leave it out")
        if observations.y.shape[1] != len(directions):
            raise ValueError(
                f"prior_observations[{number}] has {observations.y.shape[1]} objectives, the search has"
                f" {len(directions)}: {tuple(directions)}"
            )
        fits = observations.x.shape[1] == len(space.decisions)
        if not fits or not np.all((observations.x >= 0) & (observations.x < space.num_choices)):
            raise ValueError(
                f"prior_observations[{number}] has results of another space than {space!r}: decisions up to"
                f" {observations.x.max(0).tolist()} do not fit its choices {space.num_choices.tolist()}"
            )
    return tuple(_with_columns(o, hyperparameters, n) for n, o in enumerate(prior_observations))


def _with_columns(
    observations: Observations, hyperparameters: Hyperparameters, number: int
) -> Observations:
    """The same with a column for each of the hyperparameters, NaN where it is not known."""
    wanted = (len(observations), len(hyperparameters))
    if not len(hyperparameters):
        return replace(observations, z=None)
    if observations.z is None:
        return replace(observations, z=np.full(wanted, np.nan))
    if observations.z.shape != wanted:
        raise ValueError(
            f"prior_observations[{number}] has {observations.z.shape[1]} hyperparameters, the search has"
            f" {', '.join(hyperparameters.names)}: give columns of the same, NaN where one is unknown, or none (z=None)"
        )
    return observations
