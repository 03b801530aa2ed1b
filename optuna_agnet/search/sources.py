"""Results of other studies that a search starts from: another data set, another device, the same space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optuna_agnet.search.observations import Told
from optuna_agnet.spaces.base import CellSpace


def check_sources(
    space: CellSpace, directions: Sequence[str], sources: Sequence[Told]
) -> tuple[Told, ...]:
    """The sources, each of which has results that fit.

    Args:
        space: Of the search.
        directions: Of the search.
        sources: `Told` of other searches.

    Raises:
        TypeError: One is no `Told`, or there is one instead of a sequence.
        ValueError: One has no results, another number of objectives or another space's decisions.
    """
    if isinstance(sources, Told):
        raise TypeError("sources must be a sequence: [told], not a single Told")
    for number, told in enumerate(sources):
        if not isinstance(told, Told):
            raise TypeError(
                f"sources[{number}] is a {type(told).__name__}: give the results of a search, its `told`; of a study,"
                " use AGNetSampler(source_studies=[study])"
            )
        if not len(told):
            raise ValueError(f"sources[{number}] has no results: leave it out")
        if told.y.shape[1] != len(directions):
            raise ValueError(
                f"sources[{number}] has {told.y.shape[1]} objectives, the search has {len(directions)}:"
                f" {tuple(directions)}"
            )
        fits = told.x.shape[1] == len(space.decisions)
        if not fits or not np.all((told.x >= 0) & (told.x < space.num_choices)):
            raise ValueError(
                f"sources[{number}] has results of another space than {space!r}: decisions up to"
                f" {told.x.max(0).tolist()} do not fit its choices {space.num_choices.tolist()}"
            )
    return tuple(sources)
