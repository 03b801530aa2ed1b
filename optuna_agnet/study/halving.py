"""Successive halving: what goes on as long as too few trainings are whole for a model of curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

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


def fell_behind(
    done: Sequence[FrozenTrial], trial: FrozenTrial, sign: float, top: int
) -> FellBehind | None:
    """Where a training stands that has to stop; None where it goes on, and between rungs.

    The best of those that have come to a rung go on: the share that the steps so far are of those at the next rung,
    half where rungs are log-spaced, so that each rung gets as many steps (Jamieson and Talwalkar 2016). Each is judged
    when it comes there, among those before it (ASHA; Li et al. 2020).

    Args:
        done: Finished trials that have reported and broke no constraint, at least one of them whole.
        trial: The one that runs.
        sign: 1 where larger values are better, else -1.
        top: So many of each rung go on at least.
    """
    reported = trial.intermediate_values
    steps = rungs([t.intermediate_values for t in done if t.state == TrialState.COMPLETE])
    if not reaches_rung(steps, reported):
        return None
    rung = num_passed(steps, max(reported)) - 1
    there = read((t.intermediate_values for t in (*done, trial)), steps[[rung]], sign)
    others, own = there[:-1], there[-1, 0]
    if rung + 1 < len(steps):
        share = max(float((steps[rung] + 1) / (steps[rung + 1] + 1)), _LEAST_SHARE)
    elif rung > 0 or ends_with_objective(np.hstack([others, [[final(t, sign)] for t in done]])):
        return None  # it is over
    else:
        share = _LEAST_SHARE
    place, of = 1 + int((others > own).sum()), 1 + int((~np.isnan(others)).sum())
    if np.isnan(own) or place <= max(int(of * share), top):
        return None
    return FellBehind(max(reported), place, of)
