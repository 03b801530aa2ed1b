"""Successive halving: what goes on as long as too few trainings are whole for a model of curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.study.attributes import FellBehind
from optuna_agnet.study.study_curves import final
from optuna_agnet.surrogate.curves import (
    ends_with_objective,
    num_passed,
    reaches_rung,
    read,
    rungs,
)

_LEAST_SHARE = 0.25
"""Of those at a rung that goes on, however far the next one is, or where that is not known."""


class Halving(NamedTuple):
    """What a training is compared with at each rung, the steps at which curves are compared.

    The best of those that have come to a rung go on: the share that the steps so far are of those at the next rung,
    half where rungs are log-spaced, so that each rung gets as many steps (Jamieson and Talwalkar 2016). Each is judged
    when it comes there, among those before it (ASHA; Li et al. 2020).
    """

    steps: IntArray  # (G,): rungs
    shares: FloatArray  # (G,): of those at each rung that go on
    values: FloatArray  # (N, G) of finished trainings; larger is better, NaN where one has not come there
    sign: float

    @classmethod
    def of(cls, done: Sequence[FrozenTrial], sign: float) -> Halving:
        """Of finished trials, with ``sign`` 1 where larger values are better, else -1; at least one is whole."""
        steps = rungs([t.intermediate_values for t in done if t.state == TrialState.COMPLETE])
        curves = read((t.intermediate_values for t in done), steps, sign)
        over = ends_with_objective(np.column_stack([curves, [final(t, sign) for t in done]]))
        last = 1.0 if over or len(steps) > 1 else _LEAST_SHARE
        shares = np.maximum((steps[:-1] + 1) / (steps[1:] + 1), _LEAST_SHARE)
        return cls(steps, np.append(shares, last), curves, sign)

    def behind(self, trial: FrozenTrial, top: int) -> FellBehind | None:
        """Where a trial stands that has to stop; None where it goes on, as ``top`` of each rung do at least."""
        reported = trial.intermediate_values
        if not reaches_rung(self.steps, reported):
            return None
        rung = num_passed(self.steps, reported) - 1
        others = self.values[:, rung]
        (own,) = read([reported], self.steps[rung : rung + 1], self.sign)[0]
        place, of = 1 + int((others > own).sum()), 1 + int((~np.isnan(others)).sum())
        if np.isnan(own) or place <= max(int(of * self.shares[rung]), top):
            return None
        return FellBehind(max(reported), place, of)
