"""The space of a study without architectures: there is one, of which nobody speaks."""

# ruff: noqa: D102 - what overrides a method of SearchSpace is documented there

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optuna_agnet.core.architecture import INPUT, OUTPUT, Architecture
from optuna_agnet.core.arrays import BoolArray, IntArray
from optuna_agnet.spaces.base import Choice, Decision, SearchSpace
from optuna_agnet.spaces.graphs import Graphs

if TYPE_CHECKING:
    import optuna

_OUTPUT, _INPUT = 0, 1
_TEXT = "no architecture"


class NoArchitecture(SearchSpace):
    """Nothing to choose and no parameters, for searches of hyperparameters alone.

    Example:
        >>> space = NoArchitecture()
        >>> space.to_params(space.random_architecture(0))
        {}
    """

    def __init__(self) -> None:
        super().__init__("none", [Decision("agnet:none", (_TEXT,))], operations=(), num_nodes=2)

    def __repr__(self) -> str:
        return "NoArchitecture()"

    @cached_property
    def has_isomorphic(self) -> bool:
        return False

    @property
    def allowed_types(self) -> BoolArray:
        return np.eye(2, dtype=bool)[[_INPUT, _OUTPUT]]

    @property
    def fixed_edges(self) -> npt.NDArray[np.int8]:
        return np.ones(1, dtype=np.int8)

    def active(self, x: IntArray) -> BoolArray:
        return np.zeros(x.shape, dtype=bool)

    def features(self, x: IntArray) -> npt.NDArray[np.float32]:
        return np.ones((len(x), 1), dtype=np.float32)  # the decision exists in none: no distance

    def encode(self, x: IntArray) -> Graphs:
        types = np.tile(np.array([_INPUT, _OUTPUT]), (len(x), 1))
        return Graphs(types, np.ones((len(x), 1), dtype=bool))

    def decode(self, graphs: Graphs) -> tuple[IntArray, BoolArray]:
        count = len(graphs.types)
        return np.zeros((count, 1), dtype=np.int64), np.ones(count, dtype=bool)

    def neighbors(self, x: IntArray) -> IntArray:
        return x[:0]

    def parse(self, text: str) -> Architecture:
        if text.strip() != _TEXT:
            raise ValueError(f"'{text}' is no text of {self!r}; it has '{_TEXT}' alone")
        return self._architecture(np.zeros(1, dtype=np.int64))

    def distributions(self) -> dict[str, optuna.distributions.CategoricalDistribution]:
        return {}

    def row_to_params(self, row: IntArray) -> dict[str, Choice]:
        return {}

    def params_to_rows(self, params: Iterable[Mapping[str, object]]) -> tuple[IntArray, BoolArray]:
        count = len(list(params))
        return np.zeros((count, 1), dtype=np.int64), np.zeros((count, 1), dtype=bool)

    def _architecture(self, row: IntArray) -> Architecture:
        return Architecture((INPUT, OUTPUT), ((0, 1),), _TEXT)

    def _row(self, architecture: Architecture) -> Sequence[int]:
        if len(architecture.nodes) != 2:
            raise ValueError("nodes differ")
        return [0]
