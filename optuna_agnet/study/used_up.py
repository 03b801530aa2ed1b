"""What happens when no new architecture is left: which one a trial gets nevertheless, and when `optimize` ends.

Letters as in `spaces.base`: D decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from optuna import TrialPruned
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_agnet.core.arrays import IntArray
from optuna_agnet.core.seeds import Stream, seed_from
from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.search import Proposal, Proposer, Snapshot, SpaceExhausted
from optuna_agnet.search.candidates import Filter, Inventory
from optuna_agnet.spaces.base import Choice
from optuna_agnet.study.attributes import REPEAT
from optuna_agnet.study.fixed_parameters import Fixed, decisions_fixed_for_all
from optuna_agnet.study.storage_view import StudyState

_DRAWS = 256  # random architectures with fixed decisions


class UsedUp:
    """Proposals where the search has found nothing new, and the end of a study whose space is used up.

    Args:
        warn: Tells that nothing new is left.
    """

    def __init__(self, warn: WarnOnce) -> None:
        self._warn = warn
        self._inventory: Inventory | None = None

    def proposal(
        self,
        study: Study,
        search: Proposer,
        snapshot: Snapshot,
        fixed: Fixed,
        exhausted: SpaceExhausted,
    ) -> Proposal:
        """What there is to propose when the search has found nothing new.

        Raises:
            SpaceExhausted: No architecture keeps the limits.
            TrialPruned: All trials alike have nothing new, and `optimize` ends.
        """
        joint = len(search.hyperparameters) > 0
        if fixed.decisions and not joint:
            row = _unrepaired(search, snapshot, fixed.decisions)
            if row is not None:
                self._warn(
                    "unrepaired",
                    f"{search.space!r} writes no new architecture with {dict(fixed.decisions)}: random ones from now"
                    " on, which have these parameters and are written in another way",
                )
                return Proposal(row, "random", 0)
        known = (snapshot.observations.x, snapshot.pending, snapshot.excluded)
        if search.limits and search.limits.first(np.concatenate(known)) is None:
            raise exhausted
        if fixed.by_sampler:
            self._say(f"{exhausted}")
            if _stop(study):
                raise TrialPruned(f"{exhausted}") from None
        row = _least_evaluated(search, snapshot, fixed.decisions)
        z = _hyperparameters(search, snapshot, fixed, row) if joint else None
        return Proposal(row, REPEAT, 0, z)

    def _say(self, why: str) -> None:
        self._warn(
            "exhausted",
            f"{why}. optimize() stops after the running trials; an ask-and-tell loop gets architectures again",
        )

    def stop_after(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        search: Proposer,
        view: StudyState,
    ) -> None:
        """End `optimize` with the last architecture, rather than with a trial that gets none."""
        space = search.space
        fixed = decisions_fixed_for_all(study, space)
        inventory = self._inventory or Inventory(space, search.config.dedup)
        if not inventory.may_be_used_up(trial.number + 1, fixed):
            return
        self._inventory = inventory
        snapshot = view.read_after(study, trial, state)
        left = replace(search.untaken(snapshot).architectures, fixed=fixed)
        if inventory.is_used_up(left) and _stop(study):
            self._say(
                f"no new architecture is left in {space!r}: {len(left.taken)} are taken. Widen the space, or set"
                " AGNetConfig(allow_duplicates=True)"
            )


def _unrepaired(
    search: Proposer, snapshot: Snapshot, fixed: Mapping[str, Choice]
) -> IntArray | None:
    """Decisions (D,) that have the fixed ones and stand for a new architecture, although not as it is written."""
    space, rng = search.space, _rng(search, snapshot)
    every = space.enumerate()
    x = space.sample(_DRAWS, rng) if every is None else rng.permutation(every)
    x = space.assign(x, fixed)
    repaired = space.repair(x)
    new = search.untaken(snapshot).architectures.new(repaired)
    within = search.limits.first(repaired[new])
    return None if within is None else np.asarray(x[new[within]])


def _least_evaluated(search: Proposer, snapshot: Snapshot, fixed: Mapping[str, Choice]) -> IntArray:
    """The best (D,) of the least-evaluated architectures within the limits; a random one where there is none."""
    results, space = len(snapshot.observations), search.space
    known = np.concatenate([snapshot.observations.x, snapshot.pending])
    rows, inverse, counts = np.unique(known, axis=0, return_inverse=True, return_counts=True)
    rank = np.full(len(rows), float(len(known)))
    np.minimum.at(rank, inverse.reshape(-1)[:results], search.ranks(snapshot.observations))
    rows = rows[np.lexsort((rank, counts))]
    rows = rows[Filter(space, search.config.dedup, frozenset(), fixed).fits(rows)]
    within = search.limits.first(rows)
    if within is not None:
        return np.asarray(rows[within])
    drawn = space.sample(1, _rng(search, snapshot))
    return np.asarray(space.assign(drawn, fixed)[0])


def _hyperparameters(
    search: Proposer, snapshot: Snapshot, fixed: Fixed, row: IntArray
) -> np.ndarray:
    """(H,): those of the architecture's first result, or random ones; the fixed ones in any case."""
    known = snapshot.observations.pairs
    same = np.flatnonzero((known.x == row).all(1))
    drawn = search.hyperparameters.sample(1, _rng(search, snapshot))[0]
    z = known.z[same[0]] if len(same) else drawn
    return np.where(np.isnan(fixed.hyperparameters), z, fixed.hyperparameters)


def _rng(search: Proposer, snapshot: Snapshot) -> np.random.Generator:
    return np.random.default_rng(seed_from(search.seed, Stream.REPEAT, snapshot.position))


def _stop(study: Study) -> bool:
    """End ``study.optimize`` after the running trials; False in an ask-and-tell loop, which nobody can stop."""
    try:
        study.stop()
    except RuntimeError:
        return False
    return True
