"""What an ask/tell search was told and what it waits for: all that a stored search consists of, besides its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.search.observations import (
    Failures,
    Observations,
    Pairs,
    Result,
    Snapshot,
    check_result,
    hopeless,
    is_observed,
)
from optuna_agnet.search.parts import SearchParts
from optuna_agnet.search.proposer import Proposal
from optuna_agnet.spaces.hyperparameters import Hyperparameter

_SAME = 1e-6
"""Of a range: what single precision, or a sum with a large number, may change in a value on its way to `tell`."""


class Results:
    """Results in the order in which they came, and pairs without one. Arguments are checked as `AGNet.tell` says.

    Args:
        parts: Of the search.
    """

    def __init__(self, parts: SearchParts) -> None:
        self.space, self.directions = parts.space, tuple(parts.directions)
        self.hyperparameters = parts.hyperparameters
        self._told: list[Result] = []
        self._told_z: list[FloatArray] = []  # hyperparameters of what was told
        self._pending: list[Pairs] = []  # one in each
        self._asked = 0

    def begin(self, proposal: Proposal) -> Architecture:
        """A proposal is being evaluated."""
        self._asked += 1
        z = np.empty(0) if proposal.z is None else proposal.z
        self._pending.append(Pairs(proposal.row[None], z[None]))
        return self.architectures(self._pending[-1])[0]

    def withdraw(self, count: int) -> None:
        """The last proposals are not being evaluated after all."""
        self._asked -= count
        del self._pending[len(self._pending) - count :]

    def add(
        self,
        architecture: Architecture,
        values: float | Sequence[float] | None,
        constraints: Mapping[str, float],
    ) -> None:
        """What came of it, or of another architecture."""
        row, z = self.space.choices([architecture])[0], self._z_of(architecture)
        known, found = check_result(architecture, values, constraints, self.directions)
        self._told.append((row, known, found))
        self._told_z.append(z)
        gaps = [
            np.abs(pending.z - z).max(initial=0.0) if (pending.x == row).all() else np.inf
            for pending in self._pending
        ]
        if gaps and min(gaps) <= _SAME:  # of two that are nearly the same it was the nearer one
            del self._pending[int(np.argmin(gaps))]

    def _z_of(self, architecture: Architecture) -> FloatArray:
        names, given = self.hyperparameters.names, architecture.hyperparameters
        if set(names) != set(given):
            raise ValueError(
                f"'{architecture}' comes with the hyperparameters {sorted(given)}, the search has {sorted(names)}: tell"
                " what ask() gave, or architecture.with_hyperparameters(...)"
            )
        for parameter in self.hyperparameters.parameters:
            if not parameter.has(given[parameter.name]):
                raise ValueError(
                    f"'{architecture}' comes with {parameter.name}={given[parameter.name]!r}, which must be"
                    f" {_allowed(parameter)}"
                )
        return self.hyperparameters.rows([given])[0]  # type: ignore[no-any-return]

    @property
    def observations(self) -> Observations:
        """All results so far that say something."""
        z = None
        if len(self.hyperparameters):
            z = np.array(self._told_z).reshape(len(self._told), len(self.hyperparameters))
        return Observations.of(self._told, self.directions, len(self.space.decisions), z)

    def snapshot(self) -> Snapshot:
        """What the next proposal is made from."""
        observations, pending = self.observations, self._joined(self._pending)
        told = zip(self._told, self._told_z, strict=True)
        given_up = [
            (Pairs(result[0][None], z[None]), is_observed(result))
            for result, z in told
            if result[1] is None
        ]
        failed = self._joined([pair for pair, _ in given_up])
        excluded = failed.x
        if len(self.hyperparameters):  # other values of them may do
            excluded = hopeless(failed.x, observations.x)
        broken = self._joined([pair for pair, observed in given_up if not observed])
        observed = np.array([is_observed(result) for result in self._told], dtype=bool)
        return Snapshot(
            observations,
            pending.x,
            excluded,
            self._asked,
            pending.z,
            failed,
            failed=Failures(broken, np.cumsum(observed)[~observed]),
        )

    def _joined(self, pairs: Sequence[Pairs]) -> Pairs:
        x = [p.x for p in pairs] or [np.empty((0, len(self.space.decisions)), dtype=np.int64)]
        z = [p.z for p in pairs] or [np.empty((0, len(self.hyperparameters)))]
        return Pairs(np.concatenate(x), np.concatenate(z))

    def architectures(self, pairs: Pairs) -> list[Architecture]:
        """Pairs as values."""
        found = self.space.architectures(pairs.x)
        if not len(self.hyperparameters):
            return found
        values = map(self.hyperparameters.values, pairs.z)
        return [a.with_hyperparameters(**v) for a, v in zip(found, values, strict=True)]

    def state(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "told": [
                [row.tolist(), None if values is None else list(values), constraints]
                for row, values, constraints in self._told
            ],
            "pending": [pair.x[0].tolist() for pair in self._pending],
            "asked": self._asked,
            "told_hyperparameters": [z.tolist() for z in self._told_z],
            "pending_hyperparameters": [pair.z[0].tolist() for pair in self._pending],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse; states of earlier versions have no hyperparameters."""
        self._told = [
            (np.array(row, dtype=np.int64), values and tuple(values), dict(constraints))
            for row, values, constraints in state["told"]
        ]
        told_z, pending_z = (
            state.get(f"{key}_hyperparameters", [[]] * len(state[key]))
            for key in ("told", "pending")
        )
        self._told_z = [np.array(z, dtype=np.float64) for z in told_z]
        self._pending = [
            Pairs(np.array([row], dtype=np.int64), np.array([z], dtype=np.float64))
            for row, z in zip(state["pending"], pending_z, strict=True)
        ]
        self._asked = state["asked"]


def _allowed(parameter: Hyperparameter) -> str:
    """The values of a hyperparameter, as somebody reads them who gave another one."""
    if parameter.choices:
        return f"one of {list(parameter.choices)}"
    if parameter.low == parameter.high:
        return f"{parameter.low}"
    kind = "a whole number " * parameter.integer
    grid = parameter.step is not None and not (parameter.integer and parameter.step == 1)
    steps = f", in steps of {parameter.step} from the first" * grid
    return f"{kind}between {parameter.low} and {parameter.high}{steps}"
