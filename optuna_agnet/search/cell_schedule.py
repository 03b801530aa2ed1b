"""Cells of a `Stack` that are searched one after the other (appendix C.5)."""

from __future__ import annotations

import numpy as np

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.core.ranking import RANKINGS
from optuna_agnet.core.seeds import Stream, seed_from
from optuna_agnet.search.config import STARTUP, AGNetConfig
from optuna_agnet.search.observations import Observations
from optuna_agnet.spaces.base import Choice, SearchSpace


def check_turns(space: SearchSpace, config: AGNetConfig) -> None:
    """Refuse turns of cells that the space lacks.

    Raises:
        ValueError: A turn names no cell, or no results.
    """
    for cell, results in config.cell_schedule:
        if results < 1 or not any(d.name.startswith(f"{cell}.") for d in space.decisions):
            raise ValueError(
                f"cell_schedule={config.cell_schedule!r}: {cell!r} must be a cell of {space!r}, and"
                f" {results!r} at least 1"
            )


def fixed_by_turn(
    space: SearchSpace, config: AGNetConfig, observations: Observations, seed: int
) -> list[dict[str, Choice]]:
    """Decisions of the cells that have no turn now, and, for a cell of which nothing new is left, of the later turns.

    The last ones are none: all cells together.

    Args:
        space: Of the cells.
        config: With the turns.
        observations: Results so far.
        seed: Of the search; the cells that stay as they are in the first turn are the same for all of its proposals.
    """
    startup = config.n_startup or STARTUP
    found, start = [], startup
    if len(observations) < start:
        return [{}]
    rng = np.random.default_rng(seed_from(seed, Stream.CELL_SCHEDULE))
    for cell, results in config.cell_schedule:
        if len(observations) < start + results:
            first = start == startup
            row = space.sample(1, rng)[0] if first else _best(observations.head(start), config)
            params = space.row_to_params(row)
            found.append({name: c for name, c in params.items() if not name.startswith(f"{cell}.")})
        start += results
    return [*found, {}]


def _best(observations: Observations, config: AGNetConfig) -> IntArray:
    return np.asarray(
        observations.x[observations.ranks(RANKINGS[config.paper_options.ranking]).argmin()]
    )
