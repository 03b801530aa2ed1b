"""Spaces of many decisions with a known optimum: layers in a row, with effects of their own and of neighbouring pairs.

The value of an architecture is the sum of an effect for each layer's choice, normal, and of one for each pair of
neighbouring layers' choices, half as strong; both are drawn for each seed. Values are scaled for each seed so that the
median of random architectures is 0 and the optimum, which dynamic programming finds, is 100.

Letters: B rows, L layers, k choices a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.problems.base import Evaluate, Outcomes, Problem, unconstrained
from optuna_agnet.core.arrays import BoolArray, FloatArray, IntArray
from optuna_agnet.spaces import Chain, Network, Repeat
from optuna_agnet.spaces.base import SearchSpace

CHOICES = 12
LEAST_DEPTH = 10
_SAMPLES = 20_000  # of which the median is 0
_PAIRS = 0.5  # of a layer's own effect
_SPARSE = 0.25  # share of the layers that matter ...
_REST = 0.05  # ... and what the others count
_BAD = 0.2  # share of the layers with a useless choice ...
_LOSS = 25.0  # ... and what it costs


@dataclass(frozen=True)
class Effects:
    """What choices add: ``own`` (L, k) and ``pairs`` (L - 1, k, k) of each layer and the next."""

    own: FloatArray
    pairs: FloatArray

    def of(self, x: IntArray, active: BoolArray | None = None) -> FloatArray:
        """Values (B,) of choices (B, L); of the layers that are active (B, L), the first ones of each row."""
        active = np.ones(x.shape, dtype=bool) if active is None else active
        layer = np.arange(len(self.own))
        own = self.own[layer, x]
        pairs = self.pairs[layer[:-1], x[:, :-1], x[:, 1:]]
        total: FloatArray = (own * active).sum(1) + (pairs * active[:, 1:]).sum(1)
        return total

    def best(self, depths: Sequence[int]) -> float:
        """The highest value of all rows with so many layers."""
        ending = self.own[0]  # (k,): of the best rows that end with each choice
        reached = {1: ending.max()}
        for depth in range(2, len(self.own) + 1):
            ending = (ending[:, None] + self.pairs[depth - 2]).max(0) + self.own[depth - 1]
            reached[depth] = ending.max()
        return float(max(reached[depth] for depth in depths))


def paired(layers: int, rng: np.random.Generator) -> Effects:
    """Effects of layers and, half as strong, of neighbouring pairs."""
    own = rng.normal(size=(layers, CHOICES))
    return Effects(own, _PAIRS * rng.normal(size=(layers - 1, CHOICES, CHOICES)))


def additive(layers: int, rng: np.random.Generator) -> Effects:
    """Effects of layers alone."""
    effects = paired(layers, rng)
    return Effects(effects.own, 0 * effects.pairs)


def sparse(layers: int, rng: np.random.Generator) -> Effects:
    """A quarter of the layers matters."""
    effects = paired(layers, rng)
    weight = np.where(rng.random(layers) < _SPARSE, 1.0, _REST)
    weight[0] = 1.0
    both = np.minimum(weight[1:], weight[:-1])
    return Effects(effects.own * weight[:, None], effects.pairs * both[:, None, None])


def skewed(layers: int, rng: np.random.Generator) -> Effects:
    """A fifth of the layers has a choice that ruins the architecture."""
    effects = paired(layers, rng)
    bad = np.flatnonzero(rng.random(layers) < _BAD)
    effects.own[bad, rng.integers(CHOICES, size=len(bad))] -= _LOSS
    return effects


def chain(name: str, layers: int, draw: Callable[[int, np.random.Generator], Effects]) -> Problem:
    """Every architecture has all layers."""
    space = Chain([tuple(f"block_{k}" for k in range(CHOICES))] * layers)
    depths = [layers]
    return _problem(
        name, space, depths, lambda seed: draw(layers, _rng(seed)), lambda e, x: e.of(x)
    )


def blocks(name: str, layers: int) -> Problem:
    """Architectures of ten to all layers; those beyond the depth don't exist."""
    block = Network(op=tuple(f"block_{k}" for k in range(CHOICES)))
    space = Network(blocks=Repeat(block, LEAST_DEPTH, layers))
    depth = [d.name for d in space.decisions].index("blocks.depth")

    def value(effects: Effects, x: IntArray) -> FloatArray:
        rest = np.delete(np.arange(x.shape[1]), depth)
        return effects.of(x[:, rest], space.active(x)[:, rest])

    depths = range(LEAST_DEPTH, layers + 1)
    return _problem(name, space, depths, lambda seed: paired(layers, _rng(seed)), value)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng((40, seed))


def _problem(
    name: str,
    space: SearchSpace,
    depths: Sequence[int],
    draw: Callable[[int], Effects],
    value: Callable[[Effects, IntArray], FloatArray],
) -> Problem:
    def of_seed(seed: int) -> Evaluate:
        effects = draw(seed)
        middle = np.median(value(effects, space.sample(_SAMPLES, np.random.default_rng(seed))))
        width = effects.best(depths) - middle

        def evaluate(rows: IntArray) -> Outcomes:
            return unconstrained(100 * (value(effects, rows) - middle) / width)

        return evaluate

    return Problem(name, space, of_seed(0), "drawn", optimum=100.0, noisy=of_seed)


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "chain40": lambda: chain("chain40", 40, paired),
    "chain40-additive": lambda: chain("chain40-additive", 40, additive),
    "chain40-sparse": lambda: chain("chain40-sparse", 40, sparse),
    "chain40-skewed": lambda: chain("chain40-skewed", 40, skewed),
    "chain20": lambda: chain("chain20", 20, paired),
    "blocks40": lambda: blocks("blocks40", 40),
}
