"""How candidates are ranked: from predictions to one number each, the larger the better.

Letters: B candidates, M objectives, C constraints, F architectures of the front.
"""

from __future__ import annotations

import numpy as np
import torch

from optuna_agnet.spaces.base import IntArray
from optuna_agnet.surrogate.base import FloatArray

_DRAWS = 512  # of Monte Carlo integration
_MARGIN = (
    0.1  # of the reference point beyond the front's worst values, in units of the front's extent
)


def expected_improvement(mean: FloatArray, std: FloatArray, best: float) -> FloatArray:
    """E[max(f - best, 0)] of f ~ N(mean, std^2), all (B,) (Jones et al. 1998).

    Example:
        >>> expected_improvement(np.array([0.0, 1.0]), np.array([1.0, 1.0]), 0.0).round(3)
        array([0.399, 1.083])
    """
    u = torch.from_numpy((mean - best) / std)
    density = torch.exp(-0.5 * u**2) / (2 * np.pi) ** 0.5
    return std * (u * torch.special.ndtr(u) + density).numpy()  # type: ignore[no-any-return]


def expected_hypervolume_improvement(
    mean: FloatArray, std: FloatArray, front: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """How much a candidate is expected to add to the hypervolume that ``front`` (F, M) dominates, up to a factor: (B,).

    For one objective that is `expected_improvement`. For more, the hypervolume is the mean over directions ``d`` of
    the positive sphere of max_f min_m ((f_m - reference_m) / d_m)^M (Zhang and Golovin 2020), so one draw of a
    direction and of all objectives estimates the improvement, for any number of objectives.

    Args:
        mean: (B, M), larger is better.
        std: (B, M).
        front: (F, M), the best values so far; dominated ones do no harm.
        rng: Draws are shared by all candidates.

    Example:
        >>> mean, std = np.array([[0.5, 0.5], [1.5, 1.5], [0.1, 0.9]]), np.full((3, 2), 0.1)
        >>> front = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> gain = expected_hypervolume_improvement(mean, std, front, np.random.default_rng(0))
        >>> gain.argsort().tolist()
        [2, 0, 1]
    """
    size = mean.shape[1]
    if size == 1:
        return expected_improvement(mean[:, 0], std[:, 0], float(front.max()))
    direction = np.abs(rng.standard_normal((_DRAWS, size)))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    reference = front.min(0) - _MARGIN * np.maximum(np.ptp(front, axis=0), 1e-3)
    noise = rng.standard_normal((_DRAWS, size))
    reached = _reach(front[None] - reference, direction).max(1)  # (draws,)
    drawn = mean[None] + std[None] * noise[:, None] - reference  # (draws, B, M)
    return np.maximum(_reach(drawn, direction) - reached[:, None], 0.0).mean(0)  # type: ignore[no-any-return]


def _reach(y: FloatArray, direction: FloatArray) -> FloatArray:
    """(draws, B): how far ``y`` (draws or 1, B, M) dominates along each direction (draws, M), to the power M."""
    along = (y / direction[:, None]).min(2)
    return np.maximum(along, 0.0) ** y.shape[2]  # type: ignore[no-any-return]


def probability_of_feasibility(mean: FloatArray, std: FloatArray, zero: FloatArray) -> FloatArray:
    """P(margin >= zero) of each constraint, (B, C); mean and std are (B, C), zero (C,).

    Example:
        >>> probability_of_feasibility(np.array([[0.0, 3.0]]), np.ones((1, 2)), np.zeros(2)).round(
        ...     3
        ... )
        array([[0.5  , 0.999]])
    """
    return torch.special.ndtr(torch.from_numpy((mean - zero) / std)).numpy()  # type: ignore[no-any-return]


def ranked_by_improvement(
    mean: FloatArray,
    std: FloatArray,
    zero: FloatArray,
    front: FloatArray,
    rng: np.random.Generator,
) -> IntArray:
    """Row numbers (B,) of candidates, the best first: expected improvement of those that are probably feasible.

    Probably means that each constraint is kept with more than 0.5. It filters instead of being a factor, which would
    waste most proposals on infeasible candidates (measured). The others follow by probability; all do while no feasible
    architecture is known.

    Args:
        mean: (B, M + C), objectives and margins.
        std: (B, M + C).
        zero: (C,), where a margin of 0 lies.
        front: (F, M), values of the feasible architectures so far, possibly none.
        rng: For the Monte Carlo estimate.
    """
    size = front.shape[1]
    chance = probability_of_feasibility(mean[:, size:], std[:, size:], zero)
    likely = np.all(chance > 0.5, axis=1) & (len(front) > 0)
    worth = np.log(np.maximum(chance, 1e-300)).sum(1)
    if likely.any():
        gain = expected_hypervolume_improvement(mean[:, :size], std[:, :size], front, rng)
        worth = np.where(likely, gain, worth)
    return np.lexsort((-worth, ~likely))
