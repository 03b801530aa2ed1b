"""Which parameters beside the space a study has in all trials: they are searched together with the architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters


class JointParameters:
    """Parameters that every complete trial of an architecture has, with one and the same distribution (Optuna's rule).

    Trials without one, such as an imported baseline, teach the search nothing and so don't count. What only some trials
    ask for stays with the independent sampler, and so does one that has changed its range. Optuna's
    `IntersectionSearchSpace` finds the same of trials of architectures; it compares the space's decisions as well, and
    a worker that joins a long study would wait for that.

    Args:
        space: Whose decisions are none of them.
        warn: Tells of what has changed its range, if anybody is to know.
    """

    def __init__(self, space: SearchSpace, warn: WarnOnce | None = None) -> None:
        self._warn = warn
        self._own = set(space.distributions())
        self._seen: set[int] = set()  # numbers of complete trials
        self._common: dict[str, BaseDistribution] | None = None
        self._distributions: dict[str, BaseDistribution] = {}
        self.hyperparameters: Hyperparameters = NONE

    @property
    def known(self) -> bool:
        """Whether a complete trial has shown them, when the study was looked at last."""
        return self._common is not None

    def update(
        self, study: Study, listed: Sequence[FrozenTrial] | None = None
    ) -> Mapping[str, BaseDistribution]:
        """Look at the study again; parameters of a single value are left out.

        Args:
            study: The study.
            listed: A list of all trials that was just read; None reads one.
        """
        if listed is None:
            listed = study._storage.get_all_trials(study._study_id, deepcopy=False)
        for trial in listed:
            if trial.number not in self._seen and trial.state == TrialState.COMPLETE:
                self._seen.add(trial.number)
                if not self._own or not self._own.isdisjoint(trial.params):
                    self._learn(trial)
        common = sorted((self._common or {}).items())
        found = {name: d for name, d in common if not d.single()}
        if found != self._distributions:
            self._distributions, self.hyperparameters = found, Hyperparameters.of(found)
        return self._distributions

    def _learn(self, trial: FrozenTrial) -> None:
        others = {n: d for n, d in trial.distributions.items() if n not in self._own}
        if self._common is None:
            self._common = others
        if self._warn is not None:
            self._tell_of_changes(trial.number, self._common, others, self._warn)
        self._common = {n: d for n, d in self._common.items() if others.get(n) == d}

    @staticmethod
    def _tell_of_changes(
        number: int,
        known: Mapping[str, BaseDistribution],
        others: Mapping[str, BaseDistribution],
        warn: WarnOnce,
    ) -> None:
        for name in known.keys() & others.keys():
            if known[name] != others[name]:
                warn(
                    f"range {name}",
                    f"the parameter '{name}' has another range in trial {number} than before ({known[name]}, then"
                    f" {others[name]}): it leaves the model of architecture and hyperparameters, and the independent"
                    " sampler chooses it from now on. For a new range make a new study that learns from this one:"
                    " AGNetSampler(..., source_studies=[study])",
                )
