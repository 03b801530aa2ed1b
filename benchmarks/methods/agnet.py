"""AG-Net, as the package has it.

The tables hold isomorphic cells as rows with values of their own, so duplicates are told by their encoding.
`agnet-known` may look constraints up before it proposes, as with a latency table; an unmeasured one rules a cell out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from benchmarks.methods.base import Factory
from benchmarks.problems.base import Problem
from optuna_agnet import AGNet, AGNetConfig, Architecture


def agnet(config: AGNetConfig) -> Factory:
    def method(problem: Problem, seed: int) -> AGNet:
        return AGNet(problem.space, problem.directions, seed=seed, config=config)

    return method


def known(problem: Problem, seed: int) -> AGNet:
    if not problem.constraint_names:
        raise ValueError(f"agnet-known needs a problem with constraints; {problem.name} has none")

    def lookup(column: int) -> Callable[[Architecture], float]:
        def constraint(architecture: Architecture) -> float:
            row = problem.space.choices([architecture])
            value = float(problem.evaluate(row).constraints[0, column])
            return math.inf if math.isnan(value) else value

        return constraint

    limits = {name: lookup(column) for column, name in enumerate(problem.constraint_names)}
    config = AGNetConfig(dedup="encoding")
    return AGNet(
        problem.space, problem.directions, seed=seed, config=config, known_constraints=limits
    )


METHODS: dict[str, Factory] = {
    "agnet": agnet(AGNetConfig(dedup="encoding")),
    "agnet-paper": agnet(AGNetConfig.paper(dedup="encoding")),
    "agnet-known": known,
}
