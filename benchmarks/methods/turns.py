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
from benchmarks.methods.agnet import agnet, new_search
from benchmarks.methods.base import Factory
from benchmarks.methods.rounds import Rounds
from benchmarks.problems.base import Problem
from optuna_agnet import AGNet, AGNetConfig, Architecture
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces import Stack

STARTUP = 16
TURNS = (("normal", 155 - STARTUP), ("reduce", 155))
EPOCHS = 15  # Table 14


class CellByCell(Rounds):
    """The paper's search of one cell after the other, each in the space of that cell.

    Args:
        problem: Of a stack of the cells that have turns, with one objective and no constraint.
        seed: Same seed, same results, same proposals.
        config: Of the search of a cell.

    Raises:
        ValueError: The space is no such stack, there are several objectives, or there are constraints.
    """

    def __init__(self, problem: Problem, seed: int, config: AGNetConfig) -> None:
        space, cells = problem.space, [cell for cell, _ in TURNS]
        if not isinstance(space, Stack) or not set(cells) <= set(space.cells):
            raise ValueError(f"turns need a Stack of the cells {cells}, not {space!r}: see nb301")
        super().__init__(problem, seed, n_init=STARTUP)
        self.stack, self.directions = space, problem.directions
        self.seed, self.config = seed, config
        self._fixed = self.random(1)[0]  # its other cells stay as they are
        self._turn = ""
        self._search: AGNet | None = None

    def random(self, size: int) -> IntArray:
        """As many draws of one row, so that the fixed one and those of the startup are of one sequence."""
        return np.concatenate([self.space.sample(1, self.rng) for _ in range(size)])

    def propose(self) -> IntArray:
        """What the search of the cell that has its turn proposes, beside the fixed ones."""
        search = self._begun()
        (fixed,) = self.space.architectures(self._fixed[None])
        cells = {**self.stack.split(fixed), self._turn: search.ask()}
        return self.space.choices([self.stack.join(**cells)])

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """As in `Rounds.tell`; the search of the cell learns it too."""
        super().tell(architecture, values, constraints)
        if self._search is not None:
            self._search.tell(self.stack.split(architecture)[self._turn], values)

    def _begun(self) -> AGNet:
        """The search of the cell that has its turn; at first it knows the startup alone."""
        ends = np.cumsum([STARTUP, *(queries for _, queries in TURNS[:-1])])
        turn = TURNS[int((len(self.y) >= ends).sum()) - 1][0]
        if self._search is not None and turn == self._turn:
            return self._search
        if self._search is not None:
            self._fixed = self.best(1)[0]
        cell = self.stack.cells[turn]
        search = new_search(cell, self.directions, self.seed, self.config)
        startup = self.space.architectures(self.x[:STARTUP])
        for architecture, value in zip(startup, self._sign * self.y[:STARTUP], strict=True):
            search.tell(self.stack.split(architecture)[turn], float(value))
        self._turn, self._search = turn, search
        return search


def cell_by_cell(changes: Mapping[str, Any]) -> Factory:
    training = replace(changes.get("training", PAPER), epochs=EPOCHS)
    config = AGNetConfig.paper(dedup="encoding", **{**changes, "training": training})

    def method(problem: Problem, seed: int) -> CellByCell:
        return CellByCell(problem, seed, config)

    return method


METHODS: dict[str, Factory] = {
    "agnet-turns": agnet(AGNetConfig(dedup="encoding", cell_schedule=TURNS)),
    "agnet-paper-turns": cell_by_cell({}),
    "agnet-paper-xgb-turns": cell_by_cell(PAPER_CHANGES["xgb"]),
    "agnet-paper-xgb-ranking-turns": cell_by_cell(PAPER_CHANGES["xgb-ranking"]),
}
