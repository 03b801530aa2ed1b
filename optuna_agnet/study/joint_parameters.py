"""Which parameters beside the space a study has in all trials: they are searched together with the architecture."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.distributions import BaseDistribution
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study

from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters


class JointParameters:
    """Parameters that every complete trial of a study has, with one and the same distribution (Optuna's rule).

    So what only some trials ask for stays with the independent sampler, and so does one that has changed its range.

    Args:
        space: Whose decisions are none of them.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._own = {d.name for d in space.decisions}
        self._intersection = IntersectionSearchSpace()
        self._distributions: dict[str, BaseDistribution] = {}
        self.hyperparameters: Hyperparameters = NONE

    def update(self, study: Study) -> Mapping[str, BaseDistribution]:
        """Look at the study as a trial first saw it; parameters of a single value are left out."""
        common = self._intersection.calculate(study, use_cache=True)  # of the list that others read
        found = {n: d for n, d in common.items() if n not in self._own and not d.single()}
        if found != self._distributions:
            self._distributions, self.hyperparameters = found, Hyperparameters.of(found)
        return self._distributions
