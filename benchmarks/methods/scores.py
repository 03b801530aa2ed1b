"""AG-Net with scores that cost no query: `agnet+synflow`, NAS-Bench-201 cells and the published scores of `nb201_zc`.

CIFAR-10 and CIFAR-100 have the scores of CIFAR-10 batches, ImageNet16-120 those of its own. `agnet+scores` has three of
them that say much the same, `agnet+synflow+naswot+zen` three that do not. The others say what a score costs that
misleads: negated, drawn by lot, or unknown for half of the cells. DARTS cells have NASWOT alone, computed by
`benchmarks.proxies`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from benchmarks.methods.agnet import new_search
from benchmarks.methods.base import Factory
from benchmarks.problems.base import Problem, data_file
from optuna_agnet import AGNet, AGNetConfig, Architecture, spaces
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.spaces.base import SearchSpace

BATCHES = {"nb201-c10": "c10", "nb201-c100": "c10", "nb201-in16": "in16"}
THREE = {"synflow": "synflow", "naswot": "nwot", "parameters": "params"}
UNLIKE = {"synflow": "synflow", "naswot": "nwot", "zen": "zen"}


@lru_cache
def published(column: str) -> dict[str, float]:
    """A score by key: cells that do the same share one."""
    import pandas as pd

    space = spaces.nas_bench_201()
    file = data_file("nb201_zc/nb201_zc_proxies.csv.gz")
    table = pd.read_csv(file, usecols=["arch", column])
    keys = space.keys(space.choices([space.parse(text) for text in table.arch]))
    return dict(zip(keys.tolist(), table[column], strict=True))


@lru_cache
def computed() -> dict[str, float]:
    """NASWOT of the DARTS cells that a search asks for, by key."""
    from benchmarks.proxies import searched

    space, found = spaces.darts(), searched()
    keys = space.keys(space.choices([space.parse(text) for text in found]))
    return dict(zip(keys.tolist(), found.values(), strict=True))


def known_scores(problem: str, column: str) -> dict[str, float]:
    """A score of a problem's cells by key.

    Raises:
        ValueError: The problem has no such score.
    """
    if problem in BATCHES:
        return published(f"{column}_{BATCHES[problem]}")
    if (problem, column) == ("nb301", "nwot"):
        return computed()
    raise ValueError(
        f"no score {column!r} of {problem}: there are those of {', '.join(BATCHES)}, and nwot of nb301"
    )


def score(
    space: SearchSpace,
    values: dict[str, float],
    rng: np.random.Generator,
    sign: float = 1.0,
    noise: bool = False,
    known: float = 1.0,
) -> Callable[[Architecture], float]:
    """A function of a cell; NaN where the score is unknown."""
    drawn: dict[str, FloatArray] = {}

    def of(architecture: Architecture) -> float:
        key = space.keys(space.choices([architecture]))[0]
        luck = drawn.setdefault(key, rng.random(2))
        if luck[0] > known:
            return float("nan")
        return float(luck[1]) if noise else sign * values[key]

    return of


def with_scores(problem: Problem, seed: int, columns: dict[str, str], **changes: float) -> AGNet:
    rng = np.random.default_rng(seed)
    scores = {
        name: score(problem.space, known_scores(problem.name, column), rng, **changes)
        for name, column in columns.items()
    }
    config = AGNetConfig(dedup="encoding")
    return new_search(problem.space, problem.directions, seed, config, scores=scores)


SYNFLOW, PARAMETERS = {"synflow": "synflow"}, {"parameters": "params"}
METHODS: dict[str, Factory] = {
    "agnet+scores": partial(with_scores, columns=THREE),
    "agnet+synflow+naswot+zen": partial(with_scores, columns=UNLIKE),
    "agnet+synflow": partial(with_scores, columns=SYNFLOW),
    "agnet+naswot": partial(with_scores, columns={"naswot": "nwot"}),
    "agnet+parameters": partial(with_scores, columns=PARAMETERS),
    "agnet+synflow-negated": partial(with_scores, columns=SYNFLOW, sign=-1.0),
    "agnet+parameters-negated": partial(with_scores, columns=PARAMETERS, sign=-1.0),
    "agnet+scores-negated": partial(with_scores, columns=THREE, sign=-1.0),
    "agnet+synflow+naswot+zen-negated": partial(with_scores, columns=UNLIKE, sign=-1.0),
    "agnet+synflow-half": partial(with_scores, columns=SYNFLOW, known=0.5),
    "agnet+noise": partial(with_scores, columns=SYNFLOW, noise=True),
}
