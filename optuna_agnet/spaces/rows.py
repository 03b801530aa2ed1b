"""Rows of decisions: which exist, how far apart they are, and what they are called in Optuna.

Letters: B rows in a batch, D decisions. A row is an integer array (D,): of every decision the index of its choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.spaces.decision import Choice, Decision

if TYPE_CHECKING:
    import optuna


class Rows:
    """Decisions, some of which may exist only under others.

    Args:
        decisions: In the order of the columns of a row; parents come before what depends on them.
    """

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self.decisions = tuple(decisions)
        self.num_choices = np.array([len(d.choices) for d in self.decisions], dtype=np.int64)
        self._conditions = [
            (column, d.parent, np.isin(np.arange(self.num_choices[d.parent]), d.when))
            for column, d in enumerate(self.decisions)
            if d.parent is not None
        ]

    @property
    def num_combinations(self) -> int:
        """Number of combinations of choices: an upper bound of the number of architectures."""
        product = 1
        for k in self.num_choices:
            product *= int(k)
        return product

    def active(self, x: IntArray) -> BoolArray:
        """Which decisions (B, D) exist in each of the architectures (B, D); those that don't are 0 in repaired rows."""
        active = np.ones(x.shape, dtype=bool)
        for column, parent, when in self._conditions:  # parents come before their children
            active[:, column] = active[:, parent] & when[x[:, parent]]
        return active

    def filled(self, x: IntArray) -> IntArray:
        """A copy of rows (B, D) in which decisions that don't exist have the choices that they would begin with."""
        return np.array(x)

    def assign(self, x: IntArray, params: Mapping[str, Choice]) -> IntArray:
        """Rows (B, D) with some decisions set, by name, not repaired; those that come into being by that are filled."""
        assigned = self.filled(x)
        for column, decision in enumerate(self.decisions):
            if decision.name in params:
                assigned[:, column] = decision.index(params[decision.name])
        return assigned

    def features(self, x: IntArray) -> npt.NDArray[np.float32]:
        """Decisions as features (B, F): the product of two rows is D minus the sum of the decisions' distances.

        Gower's (1971) distances: 0 or 1 without an order, else the difference of positions; 1 where a decision exists
        on one side only, and 0 where it exists on neither. So ``1 - product / D`` is their mean, in one matrix product.
        """
        if self._are_plain:
            return self.one_hot(x)
        row = np.where(self.active(x), x, self.num_choices)
        tables = [d.features for d in self.decisions]
        return np.concatenate([table[k] for table, k in zip(tables, row.T, strict=True)], 1)

    @property
    def feature_decisions(self) -> IntArray:
        """(F,): which decision each column of `features` belongs to."""
        plain = self._are_plain
        widths = self.num_choices if plain else [d.features.shape[1] for d in self.decisions]
        return np.repeat(np.arange(len(self.decisions)), widths)

    @property
    def _are_plain(self) -> bool:
        """Whether all decisions always exist and none has an order."""
        return not self._conditions and not any(d.ordered for d in self.decisions)

    def one_hot(self, x: IntArray) -> npt.NDArray[np.float32]:
        """Decisions (B, D) as 0 and 1, one column a choice of a decision; all 0 where it does not exist."""
        offsets = np.concatenate([[0], np.cumsum(self.num_choices)[:-1]])
        columns = np.zeros((len(x), int(self.num_choices.sum())), dtype=np.float32)
        np.put_along_axis(columns, x + offsets, self.active(x), 1)
        return columns

    # -- Optuna's parameters --------------------------------------------------------------------------------------

    def row_to_params(self, row: IntArray) -> dict[str, Choice]:
        """The Optuna parameters of one row (D,) of decisions: those that exist in it."""
        decided = zip(self.decisions, row, self.active(row[None])[0], strict=True)
        return {d.name: d.choices[int(k)] for d, k, active in decided if active}

    def params_to_rows(self, params: Iterable[Mapping[str, object]]) -> tuple[IntArray, BoolArray]:
        """Parameters of B architectures as rows (B, D), not repaired, and which of their decisions (B, D) are missing.

        A decision is missing where it exists and has no value that can be chosen; its column is 0 then, as are those of
        decisions that don't exist. Which decisions exist below a missing one follows from its first choice.
        """
        found = np.array(
            [
                [self._choice_index(k, given) for k in range(len(self.decisions))]
                for given in params
            ],
            dtype=np.int64,
        ).reshape(-1, len(self.decisions))
        exists = self.active(np.maximum(found, 0))
        return np.where(exists, np.maximum(found, 0), 0), exists & (found < 0)

    def _choice_index(self, column: int, params: Mapping[str, object]) -> int:
        """Which choice of a decision parameters take; -1 for none."""
        decision = self.decisions[column]
        if decision.name not in params:
            return -1
        value = params[decision.name]
        try:  # a search looks up each trial's decisions: one look into a table, not one comparison a choice
            return self._choice_places[column][isinstance(value, bool), value]
        except (KeyError, TypeError):
            pass
        try:  # numpy's numbers may be equal to a choice, and have another hash
            return decision.index(value)
        except ValueError:
            return -1

    @cached_property
    def _choice_places(self) -> list[dict[tuple[bool, object], int]]:
        """Of each decision the place of its choices; ``True`` is not 1, and of equal choices the first one counts."""
        return [
            {(isinstance(c, bool), c): k for k, c in reversed([*enumerate(d.choices)]) if c == c}
            for d in self.decisions
        ]

    def params_to_row(self, params: Mapping[str, object]) -> IntArray:
        """Parameters as one row (D,) of decisions, not repaired; those of decisions that don't exist in it are ignored.

        Raises:
            ValueError: A parameter of this space is missing or has an unknown value.
        """
        rows, missing = self.params_to_rows([params])
        for decision in itertools.compress(self.decisions, missing[0]):
            if decision.name not in params:
                raise ValueError(f"parameter '{decision.name}' of the space {self!r} is missing")
            raise ValueError(
                f"parameter '{decision.name}' is {params[decision.name]!r}; the space {self!r} knows"
                f" {list(decision.choices)}"
            )
        row: IntArray = rows[0]
        return row

    def is_complete(self, params: Mapping[str, object]) -> bool:
        """Whether parameters say all that an architecture needs; those that it lacks may be missing."""
        return not self.params_to_rows([params])[1].any()

    def known_choices(self, params: Mapping[str, object]) -> dict[str, Choice]:
        """Those of the parameters that are decisions of this space with a value that can be chosen, by name."""
        places = ((d, self._choice_index(k, params)) for k, d in enumerate(self.decisions))
        return {d.name: d.choices[k] for d, k in places if k >= 0}

    def _decide(self, choose: Callable[[Decision], int]) -> IntArray:
        """A row (D,) whose decisions are taken one after the other, only those that exist."""
        row = np.zeros(len(self.decisions), dtype=np.int64)
        exists = np.ones(len(self.decisions), dtype=bool)
        conditions = {column: (parent, when) for column, parent, when in self._conditions}
        for column, decision in enumerate(self.decisions):
            if column in conditions:
                parent, when = conditions[column]
                exists[column] = exists[parent] and when[row[parent]]
            if exists[column]:
                row[column] = choose(decision)
        return row

    def distributions(self) -> dict[str, optuna.distributions.CategoricalDistribution]:
        """All decisions in Optuna's terms, also those that only some architectures have.

        Categorical ones even where they are ordered: the grids of widths and heads are seldom even, a float keeps its
        exact value, and another value in a grid does not make the parameter one of another kind.
        """
        from optuna.distributions import CategoricalDistribution

        return {d.name: CategoricalDistribution(d.choices) for d in self.decisions}
