"""AG-Net, as the package has it.

The tables hold isomorphic cells as rows with values of their own, so duplicates are told by their encoding.
"""

from __future__ import annotations

from benchmarks.methods.base import Factory
from benchmarks.problems.base import Problem
from optuna_agnet import AGNet, AGNetConfig


def agnet(config: AGNetConfig) -> Factory:
    def method(problem: Problem, seed: int) -> AGNet:
        return AGNet(problem.space, problem.directions, seed=seed, config=config)

    return method


METHODS: dict[str, Factory] = {
    "agnet": agnet(AGNetConfig(dedup="encoding")),
    "agnet-paper": agnet(AGNetConfig.paper(dedup="encoding")),
}
