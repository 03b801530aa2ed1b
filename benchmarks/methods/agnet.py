"""AG-Net, as the package has it.

The tables hold isomorphic cells as rows with values of their own, so duplicates are told by their encoding.
`agnet-known` may look constraints up before it proposes, as with a latency table; an unmeasured one rules a cell out.

The paper's generator learns all of a graph but its first node and edge, for 78,000 steps a space. Weights of that form
come with the package for NAS-Bench-101 and 201. Elsewhere, and for a DARTS cell even after 40,000 steps
(`benchmarks.darts_cell`; the release reads invalid ones as the nearest cell, docs/released_code.md, sec. 4), it would
hardly make a valid graph, and the search would be a random one. There it is given what all valid graphs share, as ours
is, and 2,000 steps (`new_search`). Networks and chains, whose graphs are all valid, have what a user gets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.methods.base import Factory
from benchmarks.problems.base import Problem
from optuna_agnet import AGNet, AGNetConfig, Architecture
from optuna_agnet.generator.files import bundled
from optuna_agnet.generator.pretraining import pretrained
from optuna_agnet.generator.training import TrainingConfig
from optuna_agnet.search.source_schedule import sources_of, use_generator
from optuna_agnet.spaces import Chain, Network
from optuna_agnet.spaces.base import SearchSpace

FEWER_EPOCHS = frozenset({"nb101", "nb301"})


def new_search(
    space: SearchSpace, directions: Sequence[str], seed: int, config: AGNetConfig, **given: Any
) -> AGNet:
    """A search with a generator that makes valid graphs without weights that took hours."""
    if not use_generator(sources_of(config, space)):
        return AGNet(space, directions, seed=seed, config=config, **given)
    shape = config.generator
    if bundled(space, shape) is None:
        shape = replace(shape, structured=True)
    steps = None if isinstance(space, Network | Chain) else 2000
    generator = pretrained(space, shape, steps=steps)
    config = replace(config, generator=shape)
    return AGNet(space, directions, seed=seed, config=config, generator=generator, **given)


def agnet(config: AGNetConfig) -> Factory:
    def method(problem: Problem, seed: int) -> AGNet:
        return new_search(problem.space, problem.directions, seed, config)

    return method


def as_in_table_14(config: AGNetConfig, problem: Problem) -> AGNetConfig:
    """A search of the paper's with half of NAS-Bench-201's 30 epochs where the paper has 15."""
    if problem.name not in FEWER_EPOCHS:
        return config
    return replace(config, training=replace(config.training, epochs=config.training.epochs // 2))


def paper(problem: Problem, seed: int) -> AGNet:
    """Tables 14 and 15: the latter where there are limits or several objectives."""
    hardware = bool(problem.constraint_names) or len(problem.directions) > 1
    training = TrainingConfig.paper_hardware() if hardware else TrainingConfig.paper()
    config = as_in_table_14(AGNetConfig.paper(dedup="encoding", training=training), problem)
    return new_search(problem.space, problem.directions, seed, config)


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
    "agnet-paper": paper,
    "agnet-known": known,
}
