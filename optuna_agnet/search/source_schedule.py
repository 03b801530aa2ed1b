"""Which sources of candidates a search has, and whose turn it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from optuna_agnet.search.candidates import (
    CandidateSource,
    CheckedSource,
    GeneratorSource,
    NeighborSource,
    RandomSource,
)
from optuna_agnet.search.config import STARTUP, AGNetConfig, Source
from optuna_agnet.search.mutants import MutantSource
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.spaces.chain import Chain
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.spaces.tree_graph import TreeGraph

MANY_DECISIONS = 32
"""With more than so many that make a difference in a random architecture, results are too few to train a generator."""
_MANY_UNLIKE = 16
"""The same of a network or a chain."""
_SAMPLES = 256
_FEWEST_STARTS = 8
_FEW: tuple[Source, ...] = ("generator", "generator", "generator", "neighbors")
_MANY: tuple[Source, ...] = ("mutants",)


@lru_cache(maxsize=64)
def _num_decisions(space: SearchSpace) -> float:
    """How many decisions make a difference, in a random architecture."""
    x = space.sample(_SAMPLES, np.random.default_rng(0))
    return float(space._matters(x).sum(1).mean())


def _has_more_than(limit: int, space: SearchSpace) -> bool:
    return len(space.decisions) > limit and _num_decisions(space) > limit


def many_decisions(space: SearchSpace) -> bool:
    """Whether a space is one of many decisions: more than 32 that make a difference, in a random architecture.

    Example:
        >>> from optuna_agnet import spaces
        >>> many_decisions(spaces.darts()), many_decisions(spaces.Chain([("conv", "skip")] * 40))
        (False, True)
    """
    return _has_more_than(MANY_DECISIONS, space)


def generator_suits(space: SearchSpace) -> bool:
    """Whether results are enough to train a generator: up to 32 decisions of cells, up to 16 of a network or a chain.

    The decisions of a cell act together, and a generator learns how. Those of a network act more for themselves: with
    20 layers mutants of the best results are ahead of it, with nine decisions they are level.

    Example:
        >>> from optuna_agnet import spaces
        >>> generator_suits(spaces.darts()), generator_suits(spaces.Chain([("conv", "skip")] * 20))
        (True, False)
    """
    most = _MANY_UNLIKE if unlike_decisions(space) else MANY_DECISIONS
    return not _has_more_than(most, space)


def unlike_decisions(space: SearchSpace) -> bool:
    """Whether results may say that some decisions count more than others: among the parts of a network, not in a cell.

    In cells, where all edges or nodes choose among the same operations, it changed nothing that could be measured.

    Example:
        >>> from optuna_agnet import spaces
        >>> (
        ...     unlike_decisions(spaces.nas_bench_201()),
        ...     unlike_decisions(spaces.Chain([("conv", "skip")] * 9)),
        ... )
        (False, True)
    """
    return isinstance(space, Chain | TreeGraph) or many_decisions(space)


def free_numbers(space: SearchSpace, hyperparameters: Hyperparameters) -> int:
    """How much is to be found: a choice among k without an order has k - 1 free numbers, all else has one.

    Example:
        >>> from optuna_agnet import spaces
        >>> from optuna_agnet.spaces.hyperparameters import NONE
        >>> free_numbers(spaces.nas_bench_201(), NONE)
        24
    """
    free = sum(1 if d.ordered else len(d.choices) - 1 for d in space.decisions)
    free += sum(len(p.choices) - 1 if p.unordered else 1 for p in hyperparameters.parameters)
    return free


def random_starts(config: AGNetConfig, space: SearchSpace, hyperparameters: Hyperparameters) -> int:
    """How many random proposals come before the model: one for each number that is free, from 8 to 16.

    With fewer than 16 `free_numbers` a model of 8 results is already worth more than chance; on cells, which have more,
    it is not. With hyperparameters there are 8: of a learning rate 8 results tell enough.

    Example:
        >>> from optuna_agnet import AGNetConfig, spaces
        >>> from optuna_agnet.spaces.hyperparameters import NONE
        >>> few = spaces.Network(depth=spaces.ordered(1, 2, 3), width=spaces.ordered(16, 32, 64))
        >>> [random_starts(AGNetConfig(), s, NONE) for s in (spaces.nas_bench_201(), few)]
        [16, 8]
    """
    if config.n_startup is not None or config.surrogate != "gp":
        return config.n_startup or STARTUP
    if len(hyperparameters):
        return _FEWEST_STARTS
    return min(max(free_numbers(space, hyperparameters), _FEWEST_STARTS), STARTUP)


def sources_of(config: AGNetConfig, space: SearchSpace) -> tuple[CandidateSource, ...]:
    """The sources that a config names, in the order of their turns; or those that suit the space."""
    known: dict[str, CandidateSource] = {
        "generator": GeneratorSource(
            config.samples_per_attempt, config.paper_options.uniform_latents
        ),
        "mutants": MutantSource(),
        "neighbors": NeighborSource(),
        "random": RandomSource(),
    }
    names = config.candidate_sources
    if names is None:
        gp = config.surrogate == "gp"  # the others learn from the generator, or teach it
        names = _MANY if gp and not generator_suits(space) else _FEW
        if space.num_combinations == 1:  # hyperparameters alone
            names = ("random",)
    return tuple(known[name] for name in names)


def use_generator(sources: Sequence[CandidateSource]) -> bool:
    """Whether any of them reads the generator."""
    return any(getattr(source, "uses_generator", True) for source in sources)


def check_sources(
    sources: Sequence[CandidateSource] | None, config: AGNetConfig, space: SearchSpace
) -> tuple[CandidateSource, ...]:
    """One's own sources, or those of config and space.

    Raises:
        TypeError: One is no source, or there is one instead of a sequence.
        ValueError: There is none.
    """
    if sources is None:
        return sources_of(config, space)
    if not isinstance(sources, Sequence) or not len(sources):
        raise (ValueError if isinstance(sources, Sequence) else TypeError)(
            f"candidate_sources={sources!r} must be a sequence of at least one source, such as"
            " [NeighborSource()]"
        )
    for source in sources:
        if not isinstance(source, CandidateSource) or not isinstance(source.name, str):
            raise TypeError(
                f"candidate_sources contains {source!r}: a source has a name and a method candidates(request), see"
                " optuna_agnet.search.CandidateSource"
            )
    return tuple(CheckedSource(source) for source in sources)
