"""How candidates are ranked: from predictions to one number each, the larger the better.

Letters: B candidates, M objectives, C constraints, F feasible architectures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import Ranking
from optuna_agnet.search.outcomes import Outcomes

_DIRECTIONS = 128
"""Of integration over the positive sphere."""
_STEPS = 0.004 * 2.0 ** np.arange(10)
"""Of integration along a direction, in units of the predictions."""
_MARGIN = 0.1
"""Of the reference point beyond the worst values so far, in units of their extent. A front's ends have own turns."""
_TURNS = 2
"""Of so many proposals with several objectives one, on average, is for the ends of the front."""
_LEAST = 0.003
"""Gains of an end, in worth, that are too small to look for: who is the fastest of those that compute nothing."""


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
    mean: FloatArray, std: FloatArray, known: FloatArray, seed: int = 0
) -> FloatArray:
    """How much a candidate is expected to add to the hypervolume that ``known`` (F, M) dominate, up to a factor: (B,).

    For one objective that is `expected_improvement`. For more, the hypervolume is the mean over directions ``d`` of the
    positive sphere of the largest s^M for which s d lies below a known point (Zhang and Golovin 2020). Along each
    direction the expectation is an integral of P(f > s d), which is a product over independent objectives, so there is
    no other sampling than of directions, and any number of objectives takes the same code.

    Args:
        mean: (B, M), larger is better.
        std: (B, M).
        known: (F, M), the values so far.
        seed: Of the directions; all candidates share them.

    Example:
        >>> mean, std = np.array([[0.5, 0.5], [1.5, 1.5], [0.1, 0.9]]), np.full((3, 2), 0.1)
        >>> known = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> expected_hypervolume_improvement(mean, std, known).argsort().tolist()
        [2, 0, 1]
    """
    objectives = mean.shape[1]
    if objectives == 1:
        return expected_improvement(mean[:, 0], std[:, 0], float(known.max()))
    direction = _directions(objectives, seed)
    reference = known.min(0) - _MARGIN * np.ptp(known, axis=0)
    reached = ((known - reference) / direction[:, None]).min(2).max(1)  # (directions,)
    s = reached[:, None] + _STEPS  # (directions, steps)
    weight = np.diff(_STEPS, prepend=0.0) * s ** (objectives - 1)
    chance = np.ones((len(mean), *s.shape))  # (B, directions, steps)
    for m in range(objectives):  # one after the other: no array has M as its innermost, slow axis
        corner = reference[m] + s * direction[:, m, None]
        z = (mean[:, m, None, None] - corner) / std[:, m, None, None]
        chance *= torch.special.ndtr(torch.from_numpy(z)).numpy()
    return np.einsum("bds,ds->b", chance, weight)  # type: ignore[no-any-return]


def expected_improvement_of_ends(
    mean: FloatArray, std: FloatArray, known: FloatArray, worth: FloatArray
) -> FloatArray:
    """How much a candidate is expected to gain beyond the best ``known`` (F, M) of each objective, summed: (B,).

    The hypervolume hardly grows by the last tenth of a percent of accuracy, but that is what is read first of a front.

    Args:
        mean: (B, M), larger is better.
        std: (B, M).
        known: (F, M), the values so far.
        worth: (M,), of a unit of each objective at its best values; 0 where nothing is to be gained.

    Example:
        >>> mean, std = np.array([[0.5, 0.5], [1.1, 0.0], [0.0, 1.2]]), np.full((3, 2), 0.1)
        >>> known = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> expected_improvement_of_ends(mean, std, known, np.array([1.0, 0.1])).argsort().tolist()
        [0, 2, 1]
    """
    gain = np.zeros(len(mean))
    for m in np.flatnonzero(worth):
        enough = float(known[:, m].max() + _LEAST / worth[m])
        gain += worth[m] * expected_improvement(mean[:, m], std[:, m], enough)
    return gain


def _directions(objectives: int, seed: int) -> FloatArray:
    """Unit vectors with positive entries (directions, M), evenly spread."""
    sobol = torch.quasirandom.SobolEngine(objectives, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    uniform = sobol.draw(_DIRECTIONS, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)
    normal = torch.special.ndtri(0.5 + 0.5 * uniform).numpy()
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)  # type: ignore[no-any-return]


def probability_of_feasibility(mean: FloatArray, std: FloatArray) -> FloatArray:
    """P(margin >= 0) of each constraint, (B, C); mean and std of the margins are (B, C).

    Example:
        >>> probability_of_feasibility(np.array([[0.0, 3.0]]), np.ones((1, 2))).round(3)
        array([[0.5  , 0.999]])
    """
    return torch.special.ndtr(torch.from_numpy(mean / std)).numpy()  # type: ignore[no-any-return]


def unsettled(std: FloatArray, noise: FloatArray) -> FloatArray:
    """Which share of an improvement a result would still tell, (B,): little where it is known but for the noise.

    Huang et al. (2006), Eq. 11, of the objective that is known least.

    Args:
        std: Of the objectives (B, M), without noise.
        noise: Standard deviations of the noise (M,), or of all outcomes (M + C,).

    Example:
        >>> unsettled(np.array([[0.0], [1.0], [1.0]]), np.array([0.75])).round(2)
        array([0. , 0.4, 0.4])
    """
    noise = noise[: std.shape[1]]
    share: FloatArray = 1 - noise / np.sqrt(noise**2 + std**2)
    return share.max(1)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a surrogate says of B candidates, in its own units; larger is better in every column.

    Args:
        mean: (B, M + C), objectives and then the constraints' margins.
        std: (B, M + C).
        feasibility_threshold: (C,), where a margin of 0 lies.
        known: (F, M), what it says of the incumbents: results that keep all constraints, possibly none.
        worth: (M,), of a unit of each objective at its best values; None: all alike.
        noise: (M + C,), standard deviation of a result around its value; None: not known.
    """

    mean: FloatArray
    std: FloatArray
    feasibility_threshold: FloatArray
    known: FloatArray
    worth: FloatArray | None = None
    noise: FloatArray | None = None

    def joined(self, other: Prediction) -> Prediction:
        """These candidates and, after them, others that the same surrogate predicted."""
        mean, std = np.concatenate([self.mean, other.mean]), np.concatenate([self.std, other.std])
        return replace(self, mean=mean, std=std)

    @property
    def objectives(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation, both (B, M)."""
        mean, std = self._outcomes
        return mean.objectives, std.objectives

    @property
    def margins(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (B, C) of the distance to the limits: at least 0 is feasible."""
        mean, std = self._outcomes
        return mean.margins, std.margins

    @property
    def _outcomes(self) -> tuple[Outcomes, Outcomes]:
        spread = np.zeros_like(self.feasibility_threshold)  # a shift changes no deviation
        return Outcomes(self.mean, self.feasibility_threshold), Outcomes(self.std, spread)


@runtime_checkable
class Acquisition(Protocol):
    """How candidates are ordered, given predictions."""

    def order(self, predicted: Prediction, rng: np.random.Generator) -> IntArray:
        """Row numbers (B,) of the candidates, the one to evaluate first."""


@dataclass(frozen=True, slots=True)
class ExpectedImprovement:
    """By expected improvement of the objective, or of the hypervolume, and the probability of feasibility.

    Cautiously, the probability is a filter: each constraint is to be kept with more than 0.5. That spends few proposals
    on infeasible architectures, but may never leave the part of the space where the first feasible ones were. Boldly,
    it is a factor (Gardner et al. 2014). A search takes turns at random, which did better than either alone under most
    limits tried. Candidates that the filter removes follow by probability; all do while none feasible is known.

    Args:
        cautious: Always or never; None takes turns.
        augmented: Whether an improvement counts less the better its candidate is known already.
    """

    cautious: bool | None = None
    augmented: bool = False

    def order(self, predicted: Prediction, rng: np.random.Generator) -> IntArray:
        """Row numbers (B,), the best first."""
        cautious, seed = bool(rng.integers(2)), int(rng.integers(2**31))
        if self.cautious is not None:
            cautious = self.cautious
        chance = probability_of_feasibility(*predicted.margins)
        log_chance = np.log(np.maximum(chance, 1e-300)).sum(1)
        if not len(predicted.known):
            return np.argsort(-log_chance, kind="stable")
        gain = self._gain(predicted, seed, rng)
        if self.augmented and predicted.noise is not None:
            gain = gain * unsettled(predicted.objectives[1], predicted.noise)
        if not cautious:
            return np.argsort(-gain * chance.prod(1), kind="stable")
        likely = np.all(chance > 0.5, axis=1)
        return np.lexsort((-np.where(likely, gain, log_chance), ~likely))

    def _gain(self, predicted: Prediction, seed: int, rng: np.random.Generator) -> FloatArray:
        """Of one objective, of the hypervolume, or in some turns of the front's ends: (B,)."""
        (mean, std), known = predicted.objectives, predicted.known
        if mean.shape[1] > 1 and rng.integers(_TURNS) == 0:
            worth = np.ones(mean.shape[1]) if predicted.worth is None else predicted.worth
            gain = expected_improvement_of_ends(mean, std, known, worth)
            if gain.any():
                return gain
        return expected_hypervolume_improvement(mean, std, known, seed)


@dataclass(frozen=True, slots=True)
class PosteriorMean:
    """By the predicted values alone, in the order that results have (the paper's).

    Args:
        ranking: Of `optuna_agnet.core.ranking.RANKINGS`.
    """

    ranking: Ranking

    def order(self, predicted: Prediction, rng: np.random.Generator) -> IntArray:
        """Row numbers (B,), the best first."""
        return np.argsort(
            self.ranking(predicted.objectives[0], predicted.margins[0]), kind="stable"
        )
