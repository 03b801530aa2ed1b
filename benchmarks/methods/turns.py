"""AG-Net on DARTS cells as in the paper's appendix C.5: one cell after the other, 310 queries.

After 16 random architectures a random reduction cell is fixed, one a seed, and the normal cell searched until query
155; then the best normal cell so far is fixed and the reduction cell searched until query 310. `agnet` and
`agnet-paper` search both cells together.

`agnet-turns` is our default in these turns (`AGNetConfig.turns`), with its generator of both cells. The paper's
generator makes one cell: "we do not distinguish between generating a normal or a reduction cell". So
`agnet-paper-turns` searches the space of one cell twice, each time told of that cell in the 16 random architectures,
with the 15 epochs that Table 14 has for NAS-Bench-301. XGBoost's variants likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.methods.ablations import PAPER, PAPER_CHANGES
from benchmarks.methods.agnet import agnet, for_space
from benchmarks.methods.base import Factory
from benchmarks.problems.base import Problem
from optuna_agnet import AGNet, AGNetConfig, Architecture
from optuna_agnet.spaces import Stack

STARTUP = 16
TURNS = (("normal", 155 - STARTUP), ("reduce", 155))
EPOCHS = 15  # Table 14


class CellByCell:
    """The paper's search of one cell after the other, each in the space of that cell.

    Args:
        problem: Of a stack of the cells that have turns, with one objective.
        seed: Same seed, same results, same proposals.
        config: Of the search of a cell.

    Raises:
        ValueError: The space is no such stack, or there are several objectives.
    """

    def __init__(self, problem: Problem, seed: int, config: AGNetConfig) -> None:
        space, cells = problem.space, [cell for cell, _ in TURNS]
        if not isinstance(space, Stack) or not set(cells) <= set(space.cells):
            raise ValueError(f"turns need a Stack of the cells {cells}, not {space!r}: see nb301")
        if len(problem.directions) != 1:
            raise ValueError(f"turns have one objective, not {len(problem.directions)}")
        self.space, self.directions, self.seed, self.config = (
            space,
            problem.directions,
            seed,
            config,
        )
        self._rng = np.random.default_rng(seed)
        self._told: list[tuple[Architecture, float]] = []
        self._turn, self._fixed = "", self._random()
        self._search: AGNet | None = None

    def ask(self) -> Architecture:
        """Random ones first, then the cell that has its turn, beside the fixed one."""
        if len(self._told) < STARTUP:
            return self._random()
        self._begin()
        assert self._search is not None
        return self._with(self._search.ask())

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """The value of what was asked for; without one, the evaluation failed."""
        value = np.nan if values is None else float(values[0])
        self._told.append((architecture, value))
        if self._search is not None:
            self._search.tell(self.space.split(architecture)[self._turn], values)

    def _random(self) -> Architecture:
        return self.space.architectures(self.space.sample(1, self._rng))[0]

    def _with(self, cell: Architecture) -> Architecture:
        return self.space.join(**{**self.space.split(self._fixed), self._turn: cell})

    def _begin(self) -> None:
        """The next turn, where one begins: a search that knows the startup alone."""
        ends = np.cumsum([STARTUP, *(queries for _, queries in TURNS[:-1])])
        turn = TURNS[int((len(self._told) >= ends).sum()) - 1][0]
        if turn == self._turn:
            return
        if self._turn:
            sign = 1.0 if self.directions[0] == "maximize" else -1.0
            values = sign * np.array([value for _, value in self._told])
            self._fixed = self._told[int(np.nanargmax(values))][0]
        self._turn = turn
        cell = self.space.cells[turn]
        config = for_space(self.config, cell)
        self._search = AGNet(cell, self.directions, seed=self.seed, config=config)
        for architecture, value in self._told[:STARTUP]:
            known = None if np.isnan(value) else value
            self._search.tell(self.space.split(architecture)[turn], known)


def cell_by_cell(changes: Mapping[str, Any]) -> Factory:
    training = replace(changes.get("training", PAPER), epochs=EPOCHS)
    config = AGNetConfig.paper(dedup="encoding", **{**changes, "training": training})

    def method(problem: Problem, seed: int) -> CellByCell:
        return CellByCell(problem, seed, config)

    return method


METHODS: dict[str, Factory] = {
    "agnet-turns": agnet(AGNetConfig(dedup="encoding", turns=TURNS)),
    "agnet-paper-turns": cell_by_cell({}),
    "agnet-paper-xgb-turns": cell_by_cell(PAPER_CHANGES["xgb"]),
    "agnet-paper-xgb-ranking-turns": cell_by_cell(PAPER_CHANGES["xgb-ranking"]),
}
