"""In which order candidates would be proposed: what the fitted surrogate says of them, and the acquisition.

Letters: B candidates, N results, F incumbents, M objectives, C constraints.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.search.acquisition import Acquisition, Prediction
from optuna_agnet.search.observations import Observations
from optuna_agnet.search.outcomes import Outcomes
from optuna_agnet.surrogate.base import Candidates, Surrogate
from optuna_agnet.surrogate.targets import normal_scores

_BEST = 5  # results that tell how fast values rise at their best
_LEAST_DEVIATION = 1e-12  # of a prediction: an improvement is measured in deviations


@dataclass(frozen=True)
class CandidateOrder:
    """Orders candidates by a surrogate that knows the results, and by an acquisition.

    Args:
        surrogate: Fitted to the results.
        acquisition: Orders its predictions.
        observations: The results.
    """

    surrogate: Surrogate
    acquisition: Acquisition
    observations: Observations

    @cached_property
    def fitted(self) -> Outcomes:
        """What the surrogate says of the results (N, M + C)."""
        for name in ("fitted", "feasibility_threshold"):
            if not hasattr(self.surrogate, name):
                raise TypeError(
                    f"{type(self.surrogate).__name__} has no '{name}' after fit: set it there, as"
                    " optuna_agnet.search.Surrogate says"
                )
        said = self.surrogate.fitted, self.surrogate.feasibility_threshold
        return self.observations.measured.predicted(*said)

    @cached_property
    def known(self) -> FloatArray:
        """Of the incumbents among the results the objectives (F, M): what an improvement is measured from."""
        measured = self.observations.measured
        known = self.fitted.objectives[_incumbents(self.surrogate, self.observations, measured)]
        return known[~np.isnan(known).any(1)]

    @cached_property
    def worth(self) -> FloatArray | None:
        """What a unit of each objective is worth where it is best (M,), in interquartile ranges of the values.

        None with one objective. The surrogate may see ranks, and a rank more is worth nothing among values that are all
        but equal, such as the latencies of cells that compute nothing.
        """
        values, said = self.observations.measured.objectives, self.fitted.objectives
        if values.shape[1] == 1:
            return None
        return np.array(
            [_slope_at_best(*columns) for columns in zip(values.T, said.T, strict=True)]
        )

    def best_first(
        self, candidates: Candidates, rng: np.random.Generator, before: Prediction | None = None
    ) -> tuple[IntArray, Prediction]:
        """Row numbers (B,) of candidates, the one to evaluate first, and what is said of them.

        Args:
            candidates: To be ordered.
            rng: Of the acquisition.
            before: What was said of others, which are ordered with them and come before them in the numbers.

        Raises:
            TypeError: A surrogate of one's own lacks what `fit` has to set.
            ValueError: It predicts arrays of another shape, or an acquisition of one's own gives no row numbers.
        """
        mean, std = _predicted(self.surrogate, candidates, self.observations)
        noise = getattr(self.surrogate, "noise", None)
        predicted = Prediction(
            mean, std, self.fitted.feasibility_threshold, self.known, self.worth, noise
        )
        predicted = predicted if before is None else before.joined(predicted)
        return _row_numbers(self.acquisition, predicted, rng), predicted


def _slope_at_best(values: FloatArray, said: FloatArray) -> float:
    """How fast values (N,) rise over the best ones, in interquartile ranges, with a unit of what is said of them (N,).

    What is said need not tell those from one another that are alike, so the unit is that of all ranks.
    """
    finite = np.isfinite(values) & np.isfinite(said)
    if not finite.any():
        return 0.0
    unit = np.abs(values[finite]).max() or 1.0  # 1e308 - -1e308 would be infinite
    ordered = np.sort(values[finite] / unit)
    rise, run = (c[-1] - c[-_BEST:][0] for c in (ordered, normal_scores(ordered)))
    low, high = np.quantile(ordered, [0.25, 0.75])
    width = run * said[finite].std() * (high - low)
    return float(rise / width) if width > 0 else 0.0


def _predicted(
    surrogate: Surrogate, candidates: Candidates, observations: Observations
) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation, both (B, M + C); who is sure of everything is a little unsure, and has an order."""
    shape = len(candidates.x), observations.measured.values.shape[1]
    said = surrogate.predict(candidates)
    if not isinstance(said, tuple) or [np.shape(part) for part in said] != [shape, shape]:
        shapes = [np.shape(part) for part in said] if isinstance(said, tuple) else type(said)
        raise ValueError(
            f"{type(surrogate).__name__}.predict gave {shapes}: give a mean and a standard deviation of shape {shape},"
            " a row a candidate and a column an outcome"
        )
    mean, std = map(np.asarray, said)
    return mean, np.maximum(std, _LEAST_DEVIATION)


def _row_numbers(
    acquisition: Acquisition, predicted: Prediction, rng: np.random.Generator
) -> IntArray:
    """The acquisition's order, which names candidates that exist."""
    order, size = np.asarray(acquisition.order(predicted, rng)), len(predicted.mean)
    if order.ndim != 1 or order.dtype.kind not in "iu" or len(order) != size:
        raise ValueError(
            f"{type(acquisition).__name__}.order gave {order.dtype} of shape {order.shape} for {size} candidates: give"
            f" their row numbers, ({size},), the best first, such as np.argsort(-score)"
        )
    return order


def _incumbents(surrogate: Surrogate, observations: Observations, measured: Outcomes) -> BoolArray:
    """Which results (N,) keep the constraints, so that others have to improve on them.

    One whose constraints were not measured may be better than all others and worth nothing. It counts only while none
    is known to keep them all, as in a study that goes on from one without constraints: then the predicted margin stands
    in for the measured one. Where all that was measured breaks a constraint, the Gaussian process predicts the same of
    what was not, so none counts and the search looks for feasible ones first.
    """
    if not len(observations.x) or measured.kept.any():
        return measured.kept
    mean, _ = surrogate.predict(Candidates(observations.x, None, observations.z))
    guess = measured.predicted(mean, surrogate.feasibility_threshold).margins
    margins = np.where(np.isnan(measured.margins), guess, measured.margins)
    return np.all(margins >= 0, axis=1)  # type: ignore[no-any-return]
