"""Scores that cost seconds instead of a training: what they say of a few hundred random architectures.

Every worker of a study takes the same architectures, in pieces, so that each can do a part of them; what was computed
is kept in a mapping that outlives the worker. A search reads the `ScoreTable` and interpolates.

Letters: N architectures, D decisions, S scores.
"""

from __future__ import annotations

import math
import numbers
import time
import warnings
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

import numpy as np

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.core.progress import progress_bar
from optuna_agnet.core.seeds import Stream, seed_from
from optuna_agnet.core.validation import check_type
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.surrogate.gaussian_process import GaussianProcess

Score = Callable[[Architecture], float]
Store = MutableMapping[str, Sequence[float | None]]
"""Values of one score for one piece, under ``piece_key``; None where there is none."""

PIECES, PIECE = 4, 64
"""Pieces, and architectures in each: 64 numbers stay below 2,000 characters, the least that an attribute may hold."""
SCORE_TIME_LIMIT_S = 300.0
_LEAST = 16  # values without which nothing is interpolated
_LARGEST = np.finfo(np.float64).max  # in the place of infinity, which JSON lacks


@dataclass(frozen=True)
class ScoreTable:
    """What scores say of some architectures.

    Args:
        x: Decisions (N, D).
        values: (N, S), NaN where unknown; the order within a column is all that counts.
        names: Of the S scores.
    """

    x: IntArray
    values: FloatArray
    names: tuple[str, ...]

    def __len__(self) -> int:
        """How many scores there are."""
        return len(self.names)

    def interpolated(self, space: SearchSpace) -> list[GaussianProcess]:
        """Of each score a process that says what it would be of any other architecture."""
        processes = []
        for column in self.values.T:
            known = ~np.isnan(column)
            process = GaussianProcess(space)
            process.fit(self.x[known], column[known, None], rank=-column[known])
            processes.append(process)
        return processes

    @property
    def telling(self) -> BoolArray:
        """(S,): which are known of enough architectures, and not the same for all."""
        known = [column[~np.isnan(column)] for column in self.values.T]
        return np.array([len(c) >= _LEAST and c.min() < c.max() for c in known], dtype=bool)

    def only(self, kept: BoolArray) -> ScoreTable:
        """Some of the scores (S,)."""
        names = tuple(name for name, keep in zip(self.names, kept, strict=True) if keep)
        return ScoreTable(self.x, self.values[:, kept], names)

    def warn_of_useless(self) -> None:
        """Name the scores that say nothing."""
        for name in self.only(~self.telling).names:
            count = int((~np.isnan(self.values[:, self.names.index(name)])).sum())
            what = f"numbers for {count} of {len(self.x)} architectures, fewer than {_LEAST}"
            if count >= _LEAST:
                what = f"the same number for all of {count} architectures"
            warnings.warn(
                f"the score {name!r} gave {what}: the search goes on without it",
                UserWarning,
                stacklevel=2,
            )


def check_scores(scores: Mapping[str, Score] | None) -> dict[str, Score]:
    """Scores by name; none for None.

    Raises:
        TypeError: No mapping of names to functions.
    """
    scores = {} if scores is None else scores
    example = (
        "{'parameters': lambda arch: count_parameters(build(arch))}, or training_free.quick_scores"
    )
    check_type("scores", scores, Mapping, example)
    for name, function in scores.items():
        if not isinstance(name, str) or not callable(function):
            raise TypeError(
                f"scores[{name!r}]={function!r} must be a function of an architecture that returns a number, under a"
                " name that is a string"
            )
    return dict(scores)


def check_time_limit(seconds: float) -> float:
    """``seconds`` as it is.

    Raises:
        ValueError: It is no positive number.
    """
    if not isinstance(seconds, numbers.Real) or not seconds > 0:
        raise ValueError(
            f"score_time_limit_s={seconds!r} must be a positive number of seconds; math.inf for no limit"
        )
    return seconds


def piece_key(name: str, piece: int) -> str:
    """Where a store keeps the values of one score for one piece."""
    return f"{name}:{piece}"


def evaluate(
    space: SearchSpace,
    scores: Mapping[str, Score],
    store: Store,
    *,
    time_limit_s: float,
    order: Sequence[int] = range(PIECES),
) -> ScoreTable:
    """The table of all scores; what the store lacks is computed and put there.

    When the time is up, what is left counts as unknown, for all workers and for good; a warning says how much that is.

    Args:
        space: Of the architectures.
        scores: By name.
        store: What was computed before, by anybody; asked before every piece.
        time_limit_s: Seconds for everything that is missing.
        order: Of the pieces; workers with different orders compute less twice.
    """
    x, warn, known = architectures_of(space), WarnOnce(), set(store)
    to_do = any(piece_key(name, piece) not in known for name in scores for piece in range(PIECES))
    with progress_bar(len(x), "scores", "architecture", to_do) as bar:
        deadline, skipped = time.monotonic() + time_limit_s, 0
        for piece in order:
            rows = x[piece * PIECE : (piece + 1) * PIECE]
            missing = {n: f for n, f in scores.items() if piece_key(n, piece) not in store}
            found: dict[str, list[float | None]] = {name: [] for name in missing}
            for architecture in space.architectures(rows) if missing else ():
                late = time.monotonic() > deadline
                skipped += late
                for name, function in missing.items():
                    value = None if late else _value(name, function, architecture, warn)
                    found[name].append(value)
                bar.update()
            for name, values in found.items():
                others = store.get(piece_key(name, piece), ())  # who had more time, by now
                store[piece_key(name, piece)] = _together(values, others)
    if skipped:
        _warn_of_the_limit(time_limit_s, skipped, len(x))
    return read_table(space, tuple(scores), store)


def _together(
    values: Sequence[float | None], others: Sequence[float | None]
) -> Sequence[float | None]:
    """A piece with the values that another worker has of what this one has none of."""
    if len(others) != len(values):
        return values
    return [other if value is None else value for value, other in zip(values, others, strict=True)]


def read_table(space: SearchSpace, names: tuple[str, ...], store: Store) -> ScoreTable:
    """What a store knows of some scores."""
    x = architectures_of(space)
    values = np.full((PIECES * PIECE, len(names)), np.nan)
    for column, name in enumerate(names):
        for piece in range(PIECES):
            known = store.get(piece_key(name, piece), ())
            start = piece * PIECE
            values[start : start + len(known), column] = [np.nan if v is None else v for v in known]
    return ScoreTable(x, values[: len(x)], names)


def architectures_of(space: SearchSpace) -> IntArray:
    """The decisions (N, D) of random architectures, the same in every process; few where the space has no more."""
    rng = np.random.default_rng(seed_from(Stream.SCORES, int(space.fingerprint[:16], 16)))
    x = space.sample(2 * PIECES * PIECE, rng)
    _, first = np.unique(space.keys(x), return_index=True)
    return x[np.sort(first)[: PIECES * PIECE]]


def _warn_of_the_limit(seconds: float, skipped: int, count: int) -> None:
    warnings.warn(
        f"score_time_limit_s={seconds:g} was over before {skipped} of {count} architectures were scored: their scores"
        " stay unknown. A smaller network or batch takes less time, and a new search may have a longer limit",
        UserWarning,
        stacklevel=3,
    )


def _value(name: str, function: Score, architecture: Architecture, warn: WarnOnce) -> float | None:
    """A finite number with nine digits, or None."""
    wrong = None
    try:
        value = function(architecture)
    except Exception as error:  # the user's own code; a search must not die of one architecture
        wrong = f"raised {type(error).__name__}: {error}"
    else:
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
            wrong = (
                f"returned {value!r} ({type(value).__name__}) instead of a number such as a float"
            )
        elif math.isnan(value):
            wrong = "returned NaN"
    if wrong is not None:
        warn(
            name,
            f"the score {name!r} {wrong} for '{architecture}'; such architectures count as not scored",
        )
        return None
    return float(f"{np.clip(float(value), -_LARGEST, _LARGEST):.9g}")
