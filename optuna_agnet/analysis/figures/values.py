"""What figures read of a study: its complete trials, their values and where these come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optuna_agnet.analysis.figures.style import SOURCES
from optuna_agnet.study.attributes import SOURCE

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from optuna_agnet.core.arrays import FloatArray

_FARTHEST = 1e300  # of the value axis: the difference of any two such values is a float
_SPREAD = 2.5  # interquartile ranges below the quartile that a figure shows


def complete_trials(study: optuna.Study, objective: int = 0) -> list[FrozenTrial]:
    """Complete trials, in the order of their numbers.

    Raises:
        ValueError: There is none, or the study has no such objective.
    """
    from optuna.trial import TrialState

    if not 0 <= objective < len(study.directions):
        raise ValueError(
            f"objective={objective}: the study has {len(study.directions)}, counted from 0"
        )
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not trials:
        raise ValueError(f"the study '{study.study_name}' has no complete trial yet")
    return trials


def source_of(trial: FrozenTrial) -> str:
    """Where a trial's architecture came from, one of `style.SOURCES`."""
    source = trial.system_attrs.get(SOURCE)
    return source if source in SOURCES else "other"


def is_maximized(study: optuna.Study, objective: int = 0) -> bool:
    """Whether larger values of an objective are better."""
    return study.directions[objective].name == "MAXIMIZE"


def value_name(study: optuna.Study, objective: int = 0) -> str:
    """An objective's name: the study's metric name, or Optuna's default."""
    names = study.metric_names
    if names:
        return names[objective]
    return "Objective Value" if len(study.directions) == 1 else f"Objective {objective}"


def worth_showing(study: optuna.Study, values: FloatArray, objective: int) -> list[float]:
    """Ends of the value axis: from the worst value that is not hopeless to the best one."""
    sign = 1.0 if is_maximized(study, objective) else -1.0
    good = np.clip(sign * values[np.isfinite(values)], -_FARTHEST, _FARTHEST)
    if not len(good):
        return [0.0, 1.0]
    low, high = np.quantile(good, [0.25, 0.75])
    bottom = max(good.min(), low - _SPREAD * max(high - low, 1e-9))
    room = 0.06 * (good.max() - bottom) or 1.0
    return sorted([sign * (bottom - room), sign * (good.max() + room)])
