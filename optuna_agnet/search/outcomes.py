"""Outcomes: what is measured or predicted of architectures, objectives and constraints side by side.

Surrogates learn all outcomes alike, as columns. This is the one place that knows which column means what.

Letters: B architectures, M objectives, C constraints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from optuna_agnet.core.arrays import BoolArray, FloatArray


@dataclass(frozen=True)
class Outcomes:
    """M objectives and, behind them, the margins of C constraints, of B architectures; larger is better in all.

    Args:
        values: (B, M + C), NaN is unknown.
        feasibility_threshold: (C,), where a margin of 0 lies in the units of the values.
        names: Of the C constraints, where they have any.

    Example:
        >>> values = np.array([[0.9, -1.0], [0.7, 2.0], [0.8, np.nan]])
        >>> found = Outcomes(values, np.zeros(1), ("latency",))
        >>> found.objectives.ravel(), found.feasible, found.kept
        (array([0.9, 0.7, 0.8]), array([False,  True,  True]), array([False,  True, False]))
    """

    values: FloatArray
    feasibility_threshold: FloatArray
    names: tuple[str, ...] = ()

    @property
    def num_objectives(self) -> int:
        """M."""
        return int(self.values.shape[1]) - len(self.feasibility_threshold)

    @cached_property
    def objectives(self) -> FloatArray:
        """(B, M)."""
        return self.values[:, : self.num_objectives]

    @cached_property
    def margins(self) -> FloatArray:
        """(B, C): how far from their limits the constraints are; at least 0 is feasible."""
        return self.values[:, self.num_objectives :] - self.feasibility_threshold

    @cached_property
    def feasible(self) -> BoolArray:
        """(B,): which break no known constraint."""
        return np.all(~(self.margins < 0), axis=1)  # type: ignore[no-any-return]

    @cached_property
    def kept(self) -> BoolArray:
        """(B,): which keep every constraint for certain."""
        return np.all(self.margins >= 0, axis=1)  # type: ignore[no-any-return]

    def predicted(self, values: FloatArray, thresholds: FloatArray) -> Outcomes:
        """The same outcomes as a surrogate sees them: values (P, M + C), and where 0 lies in each column (M + C,)."""
        return replace(self, values=values, feasibility_threshold=thresholds[self.num_objectives :])
