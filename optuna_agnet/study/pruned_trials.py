"""What a training that was stopped early would have come to, judged by its place among those that ran to their end."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.arrays import FloatArray


class FinalValues:
    """Trainings that ran to their end; they place those that were stopped.

    A stopped training is compared at the last step at which it and some of them reported a value. Where it is as good
    as k of them there, its estimate is the k-th worst of their final values, so never better than their best. Whatever
    learns from values here reads ranks alone, so a place is all that has to be known.

    Args:
        direction: "maximize" or "minimize", of the values and of those on the way alike.

    Example:
        >>> finals = FinalValues("maximize")
        >>> for accuracy, final in ((50.0, 70.0), (60.0, 80.0), (55.0, 90.0)):
        ...     finals.add({10: accuracy}, final)
        >>> finals.estimate({5: 20.0, 10: 57.0}), finals.estimate({5: 20.0})
        (80.0, None)
    """

    def __init__(self, direction: str) -> None:
        self._sign = 1.0 if direction == "maximize" else -1.0
        self._added: list[tuple[Mapping[int, float], float]] = []

    def add(self, intermediate: Mapping[int, float], value: float) -> None:
        """A training with its values by step and its final one."""
        if intermediate:
            self._added.append((intermediate, value))

    def estimate(self, intermediate: Mapping[int, float]) -> float | None:
        """The final value of a training that was stopped after these values by step; None where there is no telling.

        NaN on the way is worse than any number.
        """
        for step in sorted(intermediate, reverse=True):
            found = [(values[step], final) for values, final in self._added if step in values]
            if found:
                reached, finals = np.sort(self._goodness(found), axis=0).T  # the worst first
                beaten = int((reached <= self._goodness(intermediate[step])).sum())
                return self._sign * float(finals[max(beaten - 1, 0)])
        return None

    def _goodness(self, values: npt.ArrayLike) -> FloatArray:
        """Larger is better, NaN is worst."""
        return np.where(np.isnan(values), -np.inf, self._sign * np.asarray(values))
