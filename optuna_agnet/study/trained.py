"""What trials trained, as features that the kernel compares: each trial is read once.

Letters: D decisions, K trials of which it is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from optuna.trial import FrozenTrial

from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.surrogate.kernel import Features, Featurizer, KernelParams, covariance

_REACH = 0.5  # of each hyperparameter, on its range from 0 to 1


class _Read(NamedTuple):
    params: Mapping[str, Any]
    row: IntArray | None

    def is_of(self, trial: FrozenTrial) -> bool:
        """Whether a trial with this number is the same one: numbers begin anew where a study is made again."""
        return bool(self.params == trial.params)


class Trained:
    """Reads what trials trained, and remembers it of those that have ended.

    Args:
        space: Of the architectures.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space, self._warn = space, WarnOnce()
        self._ended: dict[int, _Read] = {}  # those that were last asked for, by number
        self._hyperparameters = NONE
        self._featurizer = Featurizer(self._space)

    def features(
        self, trials: Sequence[FrozenTrial], hyperparameters: Hyperparameters
    ) -> tuple[IntArray, Features | None]:
        """The trials (K,) of which is known what was trained, and that; None where there are none."""
        nobody = np.zeros(0, dtype=np.int64), None
        if isinstance(self._space, NoArchitecture) and not len(hyperparameters):
            return nobody
        rows = self._rows(trials)
        z = hyperparameters.rows([trial.params for trial in trials])
        has_row: BoolArray = np.array([row is not None for row in rows], dtype=bool)
        known = np.flatnonzero(has_row & ~np.isnan(z).any(1))
        if not len(known):
            return nobody
        x = np.array([rows[k] for k in known.tolist()], dtype=np.int64)
        return known, self._featurize(x, z[known], hyperparameters)

    def _rows(self, trials: Sequence[FrozenTrial]) -> Sequence[IntArray | None]:
        """Decisions (D,) of each, None where it has no architecture of the space."""
        known = {t.number: r for t in trials if (r := self._ended.get(t.number)) and r.is_of(t)}
        new = [trial for trial in trials if trial.number not in known]
        x, missing = self._space.params_to_rows([trial.params for trial in new])
        x, strangers = self._space.repair(x), set(np.flatnonzero(missing.any(1)).tolist())
        for k, trial in enumerate(new):
            known[trial.number] = _Read(trial.params, None if k in strangers else x[k])
            if k in strangers and trial.params:
                self._warn(
                    "space",
                    f"trial {trial.number} has no architecture of {self._space!r}: it is judged by its curve alone, and"
                    " so are others like it. Suggest architectures with space.suggest(trial)",
                )
        if all(trial.state.is_finished() for trial in trials):
            self._ended = known
        return [known[trial.number].row for trial in trials]

    def _featurize(self, x: IntArray, z: FloatArray, hyperparameters: Hyperparameters) -> Features:
        if hyperparameters != self._hyperparameters:
            self._hyperparameters = hyperparameters
            self._featurizer = Featurizer(self._space, hyperparameters.unordered)
        features = self._featurizer(x, z)
        # the next ones are made in the same memory
        return replace(features, counts=features.counts.clone())


def similarity(some: Features, others: Features) -> FloatArray:
    """Prior correlations (N, P) of what was trained: a factor for the architecture and one a hyperparameter."""
    gaps = some.distances(others)
    size = len(gaps.gaps)
    kernel = replace(KernelParams(), reaches=(_REACH,) * size, shares=(1.0,) * (size + 1))
    found: FloatArray = covariance(gaps, kernel).numpy()
    return found
