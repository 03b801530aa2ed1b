"""The search of one study: proposals that a trial holds, and no other one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.progress import LOGGER
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.search import Proposal, Proposer, Snapshot, SpaceExhausted
from optuna_agnet.search.candidates import Filter
from optuna_agnet.search.known_constraints import InvalidConstraint
from optuna_agnet.search.observations import Pairs
from optuna_agnet.search.pairs import PairFilter
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.study.attributes import REPEAT, describe
from optuna_agnet.study.claims import write_claim
from optuna_agnet.study.fixed_parameters import Fixed
from optuna_agnet.study.joint_parameters import JointParameters
from optuna_agnet.study.storage_view import StudyState
from optuna_agnet.study.trials import listed_for_a_trial
from optuna_agnet.study.used_up import UsedUp

_ATTEMPTS = 50  # at an architecture that no other worker takes at the same moment

NewSearch = Callable[[Study, Hyperparameters], Proposer]
"""Makes the search of a study with these hyperparameters, nothing told yet."""


class StudySearch:
    """Proposes to the trials of one study. All that it knows comes from there, so it is only a cache.

    Args:
        space: What is searched.
        state: The study as the search sees it.
        joint: Finds the parameters that are searched together with the architecture; None where there are none.
        new_search: Makes a search.
        warn: Tells of what is no error.
    """

    def __init__(
        self,
        space: SearchSpace,
        state: StudyState,
        joint: JointParameters | None,
        new_search: NewSearch,
        warn: WarnOnce,
    ) -> None:
        self.state, self.joint = state, joint
        self._search: Proposer | None = None
        self._decisions = frozenset(d.name for d in space.decisions)
        self._space, self._new_search, self._warn = space, new_search, warn
        self._used_up = UsedUp(warn)

    def params_for(
        self, study: Study, trial: FrozenTrial, names: Collection[str], start: float
    ) -> tuple[dict[str, Any], set[str]]:
        """Parameters of an architecture, and hyperparameters, that no other trial has together; and what is left.

        Args:
            study: The study.
            trial: Which asks for them.
            names: Of the parameters that it asks for.
            start: When it did, on this process's own clock.

        Returns:
            Parameters by name, those asked for that the architecture has; and names that the search does not know.

        Raises:
            ValueError: The study's recorded parameters don't fit the space.
            SpaceExhausted: No architecture keeps the known constraints.
            TrialPruned: Nothing new is left, and `optimize` stops.
            InvalidConstraint: A known constraint returned something else than a number (a TypeError).
        """
        hyperparameters = NONE if self.joint is None else self.joint.hyperparameters
        left = set(names) - self._decisions - set(hyperparameters.names)
        if len(left) == len(names):
            return {}, left
        fixed = Fixed.of(study, trial, self._space, hyperparameters)
        params = fixed.everything
        if params is None:
            params = self._new_params(study, trial, hyperparameters, fixed, start)
        return {name: params[name] for name in names if name in params}, left

    def _new_params(
        self,
        study: Study,
        trial: FrozenTrial,
        hyperparameters: Hyperparameters,
        fixed: Fixed,
        start: float,
    ) -> Mapping[str, Any]:
        """Parameters that agree with the fixed ones and that no other trial has together."""
        try:
            search = self._search_with(study, hyperparameters)
            picked, values = self._claimed(study, trial, search, fixed)
            seconds = time.perf_counter() - start
            describe(study, trial, picked.source, picked.version, seconds)
        except Exception:
            with suppress(Exception):  # the storage may be gone; the first error tells why
                write_claim(study, trial, None)
            raise
        LOGGER.debug(
            "Trial %d: an architecture from %s in %.3f s", trial.number, picked.source, seconds
        )
        return {**self._space.row_to_params(picked.row), **values}

    def _search_with(self, study: Study, hyperparameters: Hyperparameters) -> Proposer:
        search = self._search
        if search is None or search.hyperparameters != hyperparameters:
            self._search = search = self._new_search(study, hyperparameters)
        return search

    def _claimed(
        self, study: Study, trial: FrozenTrial, search: Proposer, fixed: Fixed
    ) -> tuple[Proposal, dict[str, Any]]:
        """A proposal that the trial holds, and no other one; its hyperparameters by name."""
        state, hyperparameters = self.state, search.hyperparameters
        free = Filter(self._space, search.config.dedup, frozenset(), {})
        keys = PairFilter(hyperparameters, free, frozenset(), fixed.hyperparameters).keys
        # good enough to choose from; what decides is read behind the claim
        listed: list[FrozenTrial] | None = listed_for_a_trial(study)
        for _ in range(_ATTEMPTS):
            snapshot = state.read(study, trial.number, hyperparameters, listed)
            listed = None
            try:
                picked = self._proposed(search, snapshot, fixed)
            except SpaceExhausted as exhausted:
                picked = self._used_up.proposal(study, search, snapshot, fixed, exhausted)
            row, z = self._space.repair(picked.row[None]), picked.z
            values = {} if z is None else hyperparameters.values(z)
            write_claim(study, trial, row[0], values)
            if search.config.allow_duplicates or picked.source == REPEAT:
                break
            pair = Pairs(row, np.empty((1, 0)) if z is None else z[None])
            if state.confirm_claim(study, trial.number, pair, keys, hyperparameters):
                break
        return picked, values

    def _proposed(self, search: Proposer, snapshot: Snapshot, fixed: Fixed) -> Proposal:
        """The search's proposal; a random new architecture where the model fails."""
        ask = partial(
            search.propose, snapshot, fixed=fixed.decisions, fixed_z=fixed.hyperparameters
        )
        try:
            return ask()
        except (SpaceExhausted, InvalidConstraint):
            raise
        except Exception as error:  # a trial must not die of the model
            self._warn(
                "model",
                f"the model failed ({type(error).__name__}: {error}); random architectures until it works again",
            )
            return ask(at_random=True)

    def stop_if_used_up(self, study: Study, trial: FrozenTrial, state: TrialState) -> None:
        """End `optimize` with the last architecture, rather than with a trial that gets none."""
        search = self._search
        if search is None or search.hyperparameters.parameters or self._space.num_combinations == 1:
            return  # whether pairs are used up shows when one is asked for
        if not search.config.allow_duplicates:
            self._used_up.stop_after(study, trial, state, search, self.state)
