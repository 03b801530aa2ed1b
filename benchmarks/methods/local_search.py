"""Local search (White et al. 2021, "Exploring the Loss Landscape in Neural Architecture Search").

The neighbours (one changed decision) of the best of ``n_init`` random architectures are evaluated in random order until
one is better; then its neighbours, and so on. What follows a local optimum is the difference of the three methods:

- ``local-search``: 10 random architectures again (the release's defaults);
- ``local-search-1``, ``local-search-16``: the neighbours of the next best architecture, after 1 and 16 random ones
  (settings (a) and (b) of AG-Net's appendix C.6; ``stop_at_minimum=False`` of the release).

Constraints: the best is "the next best architecture in terms of accuracy that satisfies the latency constraint" (C.6).
While none satisfies them it is the one with the smallest violation; the paper leaves that open.

Budget protocol: one proposal at a time. Differs: no row is evaluated twice, also not by a random start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from benchmarks.methods.base import Factory
from benchmarks.methods.rounds import Rounds
from benchmarks.problems.base import Problem
from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import IntArray


class LocalSearch(Rounds):
    """See the module.

    Args:
        problem: With one objective and any constraints.
        seed: Of all random choices.
        n_init: Random architectures of a start.
        restart: Whether a local optimum is followed by a new start, instead of the next best architecture.

    Example:
        >>> from optuna_agnet import spaces
        >>> problem = Problem("demo", spaces.nas_bench_201(), lambda rows: ..., data="none")
        >>> search = LocalSearch(problem, seed=0)
        >>> for _ in range(100):
        ...     arch = search.ask()
        ...     search.tell(arch, [str(arch).count("nor_conv_3x3")])
        >>> float(search.y.max())
        6.0
    """

    takes_constraints: ClassVar[bool] = True

    def __init__(
        self, problem: Problem, seed: int, n_init: int = 10, *, restart: bool = True
    ) -> None:
        super().__init__(problem, seed, n_init)
        self.restart = restart
        self._violation: list[float] = []  # of the told rows, 0 where feasible
        self._searched: set[int] = set()  # told rows whose neighbours were looked at
        self._center: int | None = None  # the one whose neighbours are being looked at
        self._start = 0  # first told row since the last start

    def tell(
        self,
        architecture: Architecture,
        values: Sequence[float] | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """As in `Rounds.tell`; an improvement ends the round."""
        super().tell(architecture, values, constraints)
        if values is None:
            return
        self._violation.append(sum(max(0.0, v) for v in (constraints or {}).values()))
        if self._center is not None and self._worth(len(self.y) - 1) > self._worth(self._center):
            self.queue.clear()

    def _worth(self, told: int) -> tuple[float, float]:
        return -self._violation[told], float(self.y[told])

    def propose(self) -> IntArray:
        """All new neighbours of the next architecture in line, in random order, or a new start."""
        ranked = sorted(range(self._start, len(self.y)), key=self._worth, reverse=True)
        for told in ranked[:1] if self.restart else ranked:
            if told in self._searched:
                continue
            self._searched.add(told)
            neighbors = self.new(self.space.neighbors(self.x[[told]]))
            if len(neighbors):
                self._center = told
                return self.rng.permutation(neighbors)
        self._center, self._start = None, len(self.y)
        return self.random(self.n_init)


METHODS: dict[str, Factory] = {
    "local-search": LocalSearch,
    "local-search-1": partial(LocalSearch, n_init=1, restart=False),
    "local-search-16": partial(LocalSearch, n_init=16, restart=False),
}
