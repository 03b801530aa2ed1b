"""From results to ranks to weights (Eqs. 3 to 5, Alg. 2).

A ranking puts N architectures with objectives (N, M) and margins of constraints (N, C), larger is better in all, into
one order: 0 for the best, equal ranks for equally good ones. The search has one ranking for everything: the generator's
weights, parents of neighbours, the best found, and, without expected improvement, the candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from optuna_agnet.core.arrays import FloatArray

Ranking: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]

_PENALTY = 1000.0  # Table 15


def ranks(values: FloatArray) -> FloatArray:
    """How many values are strictly better (larger), for each of (N,): 0 for the best; equal values share a rank.

    Example:
        >>> ranks(np.array([0.1, 0.9, 0.9, 0.5]))
        array([3., 0., 0., 2.])
    """
    ordered = np.sort(values)
    return (len(values) - np.searchsorted(ordered, values, side="right")).astype(np.float64)


def rank_weights(rank: FloatArray, k: float) -> FloatArray:
    """Eq. 3: 1 / (k N + rank), not normalised; all 1 for an infinite ``k``.

    Example:
        >>> rank_weights(np.arange(16.0), 0.01)[:2].round(2)
        array([6.25, 0.86])
    """
    if np.isinf(k):
        return np.ones_like(rank)
    return 1 / (k * len(rank) + rank)


def pareto_ranks(y: FloatArray, margins: FloatArray) -> FloatArray:
    """Feasible ones first, by non-dominated front and, within it, by crowding distance; then by violation.

    Constraints count in units of their own largest violation, so that their scales don't matter. Among equally feasible
    ones, those of which every constraint is known come first (Deb et al. 2002; one objective: simply its order).

    Example:
        >>> y, margins = np.array([[1.0], [3.0], [2.0]]), np.array([[0.1], [-2.0], [0.0]])
        >>> pareto_ranks(y, margins)
        array([1., 2., 0.])
    """
    violation = violations(margins)
    unknown = np.isnan(margins).any(1)
    rank = _lexicographic(-violation, -unknown.astype(np.float64))
    for group in np.unique(rank[violation == 0]):
        rows = np.flatnonzero(rank == group)
        front = fronts(y[rows])
        rank[rows] += _lexicographic(-front, _crowding(y[rows], front))
    return rank


def summed_ranks(y: FloatArray, margins: FloatArray) -> FloatArray:
    """The paper's order: ranks of the objectives summed, and multiplied by 1000 where a constraint is broken.

    Sec. 4.3 and Table 15. Ranks start at 1, so that the penalty also reaches the first (docs/released_code.md, sec. 6).

    Example:
        >>> y, margins = np.array([[1.0], [3.0], [2.0]]), np.array([[0.1], [-2.0], [0.0]])
        >>> summed_ranks(y, margins)
        array([1., 2., 0.])
    """
    worst = np.where(np.isnan(y), -np.inf, y)
    total = np.zeros(len(y))
    for column in worst.T:
        total += 1 + ranks(column)
    penalty = np.where((margins < 0).any(1), _PENALTY, 1.0)
    return ranks(-penalty * total)


RANKINGS: dict[str, Ranking] = {"pareto": pareto_ranks, "sum": summed_ranks}


def violations(margins: FloatArray) -> FloatArray:
    """(N,): by how much margins (N, C) fall short of 0, each in units of its largest; unknown ones don't."""
    short = np.maximum(np.nan_to_num(-margins, nan=0.0, posinf=np.inf, neginf=0.0), 0.0)
    finite = np.where(np.isfinite(short), short, 0.0)
    largest = finite.max(0, initial=0.0)
    scaled = np.where(np.isfinite(short), finite / np.where(largest > 0, largest, 1.0), 2.0)
    return scaled.sum(1)  # type: ignore[no-any-return]


def fronts(y: FloatArray) -> FloatArray:
    """(N,): 0 for the non-dominated ones of ``y`` (N, M), 1 for those that only they dominate, and so on.

    Example:
        >>> fronts(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0]]))
        array([0., 0., 1.])
    """
    y = np.where(np.isnan(y), -np.inf, y)
    if y.shape[1] == 1:  # the same, without comparing all pairs
        _, position = np.unique(-y[:, 0], return_inverse=True)
        return position.astype(np.float64)
    # sorted like this, no row dominates an earlier one, and those before are at least as good in the first objective
    unique, position = np.unique(-y, axis=0, return_inverse=True)
    others = np.ascontiguousarray(unique[:, 1:].T)
    front = np.zeros(len(unique))
    for i in range(1, len(unique)):
        dominates = np.all(others[:, :i] <= others[:, i, None], axis=0)
        front[i] = 1 + front[:i].max(where=dominates, initial=-1)
    return front[position.reshape(-1)]


def _crowding(y: FloatArray, front: FloatArray) -> FloatArray:
    """(N,): crowding distance within each front, infinite at its ends (Deb et al. 2002); 0 for one objective."""
    distance = np.zeros(len(y))
    if y.shape[1] == 1:  # a front is one value, and equally good ones share a rank
        return distance
    for values in np.where(np.isnan(y), -np.inf, y).T:
        finite = np.clip(values, *_finite_span(values)) / 4  # 1e308 - -1e308 would be infinite
        order = np.lexsort((finite, front))
        sorted_values, sorted_front = finite[order], front[order]
        same = sorted_front[1:] == sorted_front[:-1]
        gap = np.diff(sorted_values)
        below = np.concatenate([[np.inf], np.where(same, gap, np.inf)])
        above = np.concatenate([np.where(same, gap, np.inf), [np.inf]])
        width = np.ptp(finite)
        if width > 0:
            distance[order] += (below + above) / width
    return distance


def _finite_span(values: FloatArray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)


def _lexicographic(*keys: FloatArray) -> FloatArray:
    """Ranks (N,) by the first key, larger is better, then by the next."""
    order = np.lexsort(keys[::-1])
    ordered = np.stack(keys)[:, order]
    group = np.zeros(len(order))
    group[order[1:]] = np.cumsum((ordered[:, 1:] != ordered[:, :-1]).any(0))
    return ranks(group)


def signs(directions: Sequence[str]) -> FloatArray:
    """(M,): 1 for "maximize", -1 for "minimize"."""
    return np.array([1.0 if direction == "maximize" else -1.0 for direction in directions])


def check_directions(directions: Sequence[str]) -> tuple[str, ...]:
    """Directions as a tuple.

    Raises:
        ValueError: There is none, or one is neither "maximize" nor "minimize".
    """
    if (
        isinstance(directions, str)
        or not directions
        or not set(directions) <= {"maximize", "minimize"}
    ):
        raise ValueError(
            f"directions={directions!r} must be a sequence of 'maximize' and 'minimize'"
        )
    return tuple(directions)
