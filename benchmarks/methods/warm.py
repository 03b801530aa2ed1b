"""A warm start: `agnet-warm` begins with what a search on CIFAR-10 found (NAS-Bench-201), which costs it no query here.

That source is the default's own search with the same seed and 192 queries. `agnet-misled` has the same source with all
its values negated: what a source that is wrong costs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

from benchmarks import problems
from benchmarks.methods.agnet import agnet
from benchmarks.methods.base import Factory
from benchmarks.problems.base import Problem
from optuna_agnet import AGNet, AGNetConfig
from optuna_agnet.search.observations import Observations

SOURCE, QUERIES = "nb201-c10", 192
CONFIG = AGNetConfig(dedup="encoding")


@lru_cache(maxsize=1)
def source(seed: int) -> Observations:
    """The results of the search on CIFAR-10."""
    problem = problems.load(SOURCE)
    search = agnet(CONFIG)(problem, seed)
    for _ in range(QUERIES):
        arch = search.ask()
        values, _, _ = problem.evaluate(problem.space.choices([arch]))
        search.tell(arch, values[0].tolist())
    assert isinstance(search, AGNet)
    return search.observations


def warm(problem: Problem, seed: int, sign: float) -> AGNet:
    if problem.space != problems.load(SOURCE).space or len(problem.directions) > 1:
        raise ValueError(
            f"a warm start from {SOURCE} needs its space and one objective: {problem.name}"
        )
    observations = source(seed)
    return AGNet(
        problem.space,
        problem.directions,
        seed=seed,
        config=CONFIG,
        prior_observations=[replace(observations, y=sign * observations.y)],
    )


METHODS: dict[str, Factory] = {
    "agnet-warm": partial(warm, sign=1.0),
    "agnet-misled": partial(warm, sign=-1.0),
}
