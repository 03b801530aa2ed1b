"""Claims: which architectures belong to trials that have not ended, although no parameter of theirs is stored yet.

Workers share nothing but the storage. What keeps them from evaluating an architecture twice is that a worker writes
which one its trial takes, then reads the study again, and picks another one if somebody else holds it
(`StudyState.confirm_claim`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.search.observations import Pairs
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.study.attributes import CLAIM, CLAIMED_HYPERPARAMETERS
from optuna_agnet.study.fixed_parameters import settled


def write_claim(
    study: Study,
    trial: FrozenTrial,
    row: IntArray | None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> None:
    """Tell other workers which architecture (D,) a trial takes, before its parameters are stored; None for none.

    Hyperparameters by name are written first: who sees the claim sees them as well.
    """
    if hyperparameters:
        study._storage.set_trial_system_attr(
            trial._trial_id, CLAIMED_HYPERPARAMETERS, dict(hyperparameters)
        )
    text = None if row is None else json.dumps(row.tolist(), separators=(",", ":"))
    study._storage.set_trial_system_attr(trial._trial_id, CLAIM, text)


def parse_claim(claim: object, num_choices: Sequence[int]) -> IntArray | None:
    """Decisions (D,), or None where the text is torn or of something else."""
    try:
        row = json.loads(claim)  # type: ignore[arg-type]
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(row, list) or len(row) != len(num_choices):
        return None
    fits = all(type(k) is int and 0 <= k < n for k, n in zip(row, num_choices, strict=True))
    return np.array(row, dtype=np.int64) if fits else None


class Claims:
    """Reads what trials hold that run or wait: their parameters where all are settled, else what they claim.

    Args:
        space: What is searched.
        warn: Tells of claims that are none.
    """

    def __init__(self, space: SearchSpace, warn: WarnOnce | None = None) -> None:
        self._space, self._warn = space, warn or WarnOnce(stacklevel=2)

    def held(
        self, trials: Sequence[FrozenTrial], hyperparameters: Hyperparameters
    ) -> tuple[list[FrozenTrial], Pairs]:
        """Those of the trials whose architecture and hyperparameters are both settled, and these pairs."""
        if not trials:
            nothing = np.empty((0, len(self._space.decisions)), dtype=np.int64)
            return [], Pairs(nothing, hyperparameters.free[None][:0])
        params = [settled(trial) for trial in trials]
        x, missing = self._space.params_to_rows(params)
        x = np.array(self._space.repair(x))
        unknown = set[int]()
        for number in np.flatnonzero(missing.any(1)).tolist():
            claim = self._claim_of(trials[number])
            if claim is None:
                unknown.add(number)
            else:
                x[number] = claim
        z = hyperparameters.rows(
            [
                {**_claimed_hyperparameters(trial), **given}
                for trial, given in zip(trials, params, strict=True)
            ]
        )
        known = set(np.flatnonzero(~np.isnan(z).any(1)).tolist()) - unknown
        rows = np.array(sorted(known), dtype=np.int64)
        return [trials[row] for row in sorted(known)], Pairs(x[rows], z[rows])

    def choosing(
        self, trials: Sequence[FrozenTrial], hyperparameters: Hyperparameters
    ) -> list[int]:
        """Numbers of trials whose parameters don't make a pair yet.

        Of one that has its architecture, be it enqueued, and asks for a learning rate next, only the claim tells the
        latter. It may be unknown: a list in memory can hold trials that get their parameters later, and no claim.
        """
        params = [settled(trial) for trial in trials]
        _, missing = self._space.params_to_rows(params)
        open_ = missing.any(1) | np.isnan(hyperparameters.rows(params)).any(1)
        return [trials[k].number for k in np.flatnonzero(open_).tolist()]

    def _claim_of(self, trial: FrozenTrial) -> IntArray | None:
        claim = trial.system_attrs.get(CLAIM)
        if claim is None:
            return None
        row = parse_claim(claim, self._space.num_choices.tolist())
        if row is None:
            self._warn(
                "claim",
                f"trial {trial.number} holds the claim {str(claim)[:80]!r}, which is none of the space {self._space!r}:"
                " it is ignored, and so are others like it",
            )
        return row


def _claimed_hyperparameters(trial: FrozenTrial) -> dict[str, Any]:
    claimed = trial.system_attrs.get(CLAIMED_HYPERPARAMETERS)
    return claimed if isinstance(claimed, dict) else {}
