"""``constraints_func``: constraints of a trial from a function that is called when it has ended, as in Optuna 4."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.study.attributes import set_constraints

ConstraintsFunc: TypeAlias = Callable[[FrozenTrial], Sequence[float]]
"""Called after a trial, returns all its constraints, at most 0 where kept."""


class Constraints:
    """Stores what the user's function says of a trial; an error in it costs the constraints, never the trial's result.

    Args:
        function: The user's.
        warn: Tells of its errors.
    """

    def __init__(self, function: ConstraintsFunc, warn: WarnOnce) -> None:
        self._function, self._warn = function, warn

    @classmethod
    def of(cls, function: ConstraintsFunc | None, warn: WarnOnce) -> Constraints | None:
        """The same; None for no function.

        Raises:
            TypeError: It is something else.
        """
        if function is not None and not callable(function):
            raise TypeError(
                f"constraints_func={function!r} must be a function of a trial that returns its constraints"
            )
        return None if function is None else cls(function, warn)

    def store(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Ask for the constraints of a trial that is about to end so, unless it failed."""
        if state not in (TrialState.COMPLETE, TrialState.PRUNED):
            return
        done = copy.copy(trial)
        done.state, done.values = state, values
        unknown = f"in trial {trial.number}; the constraints of such trials stay unknown"
        try:
            given = self._function(done)
        except Exception as error:  # the user's own code; the trial's result must not be lost
            self._warn(
                "constraints_func",
                f"constraints_func raised {type(error).__name__}: {error} {unknown}",
            )
            return
        try:
            found = [float(value) for value in given]
        except (TypeError, ValueError):
            self._warn(
                "no numbers",
                f"constraints_func returned {given!r} {unknown}. It must return a sequence of numbers, at most 0 where"
                " the limit is kept, such as (latency - 4.0,)",
            )
            return
        if any(math.isnan(value) for value in found):
            self._warn(
                "NaN",
                f"constraints_func returned NaN: {found} {unknown}",
            )
            return
        set_constraints(study, trial, found)
