"""What finished trials say: their constraints, in the form of any Optuna version, and which of them are best."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.ranking import fronts, signs
from optuna_agnet.spaces.base import SearchSpace

CONSTRAINTS = "constraints"
"""A list of all constraints of a trial (Optuna 4); with ":" and a name behind it, one of them (Optuna 5)."""


def directions_of(study: Study) -> tuple[str, ...]:
    """A study's directions as "maximize" and "minimize"."""
    return tuple(direction.name.lower() for direction in study.directions)


def listed_for_a_trial(study: Study) -> list[FrozenTrial]:
    """All trials as they were when a running trial of this thread first looked; Optuna keeps this list for it."""
    return study._get_trials(deepcopy=False, use_cache=True)


def constraints_of(trial: FrozenTrial) -> dict[str, float]:
    """A trial's constraints by name, at most 0 where kept; those of Optuna 4's list are named "0", "1" and so on.

    Example:
        >>> import optuna
        >>> constraints_of(
        ...     optuna.create_trial(value=1.0, system_attrs={"constraints": [0.5, -1.0]})
        ... )
        {'0': 0.5, '1': -1.0}
    """
    attrs = trial.system_attrs
    listed = attrs.get(CONSTRAINTS)
    found = {str(i): v for i, v in enumerate(listed if isinstance(listed, (list, tuple)) else ())}
    prefix = f"{CONSTRAINTS}:"
    found.update({k[len(prefix) :]: value for k, value in attrs.items() if k.startswith(prefix)})
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and not math.isnan(value)
    }


def constraint_names(trials: Iterable[FrozenTrial]) -> tuple[str, ...]:
    """Names of the constraints that any of the trials has, in the order in which they turn up."""
    return tuple(dict.fromkeys(name for trial in trials for name in constraints_of(trial)))


def is_feasible(trial: FrozenTrial, names: Sequence[str] = ()) -> bool:
    """Whether a trial keeps all of its constraints, and those of ``names``: one that it never set is not kept.

    Example:
        >>> import optuna
        >>> trial = optuna.create_trial(value=1.0, system_attrs={"constraints:latency_ms": -0.5})
        >>> is_feasible(trial), is_feasible(trial, names=["latency_ms", "megabytes"])
        (True, False)
    """
    found = constraints_of(trial)
    return all(found.get(name, math.inf) <= 0 for name in (*found, *names))


def best_trials(study: Study, *, unknown_as_feasible: bool = False) -> list[FrozenTrial]:
    """Complete, feasible trials that no other one dominates, by number; with one objective, all of the best value.

    Unlike ``study.best_trials`` it works for one objective as well, and reads constraints of every Optuna version.

    Args:
        study: The study.
        unknown_as_feasible: Whether a trial counts as feasible that never set a constraint which other trials of the
            study have, as where a measurement failed. By default it is left out, with a warning.

    Example:
        >>> import optuna
        >>> study = optuna.create_study(directions=["maximize", "minimize"])
        >>> for values in ([1.0, 3.0], [2.0, 5.0], [1.0, 4.0]):
        ...     study.add_trial(optuna.create_trial(values=values))
        >>> [trial.values for trial in best_trials(study)]
        [[1.0, 3.0], [2.0, 5.0]]
    """
    trials = study.get_trials(states=(TrialState.COMPLETE,))
    return _best_of(trials, study, unknown_as_feasible)


def best_architectures(study: Study, space: SearchSpace) -> list[FrozenTrial]:
    """`best_trials` among those that have an architecture: an imported baseline, or another sampler's trial, has none.

    Args:
        study: The study.
        space: Of the architectures.
    """
    trials = study.get_trials(states=(TrialState.COMPLETE,))
    return _best_of([t for t in trials if space.is_complete(t.params)], study)


def _best_of(
    trials: Sequence[FrozenTrial], study: Study, unknown_as_feasible: bool = False
) -> list[FrozenTrial]:
    """Those of complete trials that `best_trials` says."""
    feasible = [trial for trial in trials if is_feasible(trial)]
    if not unknown_as_feasible:
        feasible = _without_unknown(feasible, constraint_names(study.get_trials(deepcopy=False)))
    if not feasible:
        return []
    y = np.array([trial.values for trial in feasible]) * signs(directions_of(study))
    return [trial for trial, front in zip(feasible, fronts(y), strict=True) if front == 0]


def _without_unknown(trials: Sequence[FrozenTrial], names: Sequence[str]) -> list[FrozenTrial]:
    """The trials that set all constraints; a warning names the others."""
    known = [trial for trial in trials if is_feasible(trial, names)]
    unknown = [trial.number for trial in trials if not is_feasible(trial, names)]
    if unknown:
        shown = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        warnings.warn(
            f"{len(unknown)} complete trials ({shown}) lack a constraint that other trials of the study have"
            f" ({', '.join(names)}): whether they keep it is unknown, so they are not among the best. To count them as"
            " feasible: best_trials(study, unknown_as_feasible=True)",
            UserWarning,
            stacklevel=4,
        )
    return known
