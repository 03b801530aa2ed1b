"""Whole networks with hyperparameters beside them, on functions that are drawn anew for each seed.

Each seed is a problem of its own, so nothing can be tuned to one. The value depends on traits that people reason in,
such as depth, total width or the share of one kind of block: a bowl around a random point, in which some traits count
much and others little, and waves in random directions (Rahimi and Recht 2007). A score is what is missing of the way
from the median random network to the best one that 3,000 evaluations of evolution find, in percent.

- `blocks`: one to six blocks of two kinds with parts of their own; learning rate and weight decay beside them. The best
  learning rate depends on depth and number of parameters.
- `mlp`: depth, width and activation; learning rate, weight decay, dropout, batch size and optimizer beside them. The
  best learning rate depends on optimizer and batch size, and each optimizer suits some activations.

Letters: B networks, T traits, W waves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.search.mutants import mutants
from optuna_agnet.spaces import Network, OneOf, Repeat, ordered
from optuna_agnet.spaces.hyperparameters import Hyperparameters

Value: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], float]
"""From a network's plain values and those of the hyperparameters to what it is worth."""

_ACTIVATIONS, _OPTIMIZERS = ("relu", "gelu", "tanh"), ("sgd", "adam", "adamw", "lion")
_BLOCK = OneOf(
    conv=Network(width=ordered(16, 32, 64, 128, 256), kernel=ordered(3, 5, 7)),
    mixer=Network(heads=ordered(1, 2, 4, 8), ratio=ordered(1, 2, 4), gate=(True, False)),
)
_WAVES = 200
_SAMPLES, _KEPT, _CHILDREN, _GENERATIONS = 1000, 8, 50, 40  # of the search for the best


@dataclass(frozen=True)
class Surface:
    """A random function of traits between 0 and 1."""

    weights: FloatArray  # (T,)
    top: FloatArray  # (T,)
    waves: FloatArray  # (W, T)
    phases: FloatArray  # (W,)
    height: float

    @classmethod
    def draw(cls, traits: int, rng: np.random.Generator, height: float = 0.5) -> Surface:
        weights = rng.gamma(0.7, size=traits)
        waves = rng.normal(size=(_WAVES, traits)) / np.exp(rng.normal(0.0, 0.7, traits))
        phases = rng.uniform(0, 2 * np.pi, _WAVES)
        top = rng.uniform(0.1, 0.9, traits)
        return cls(weights / weights.sum(), top, waves, phases, height * (2 / _WAVES) ** 0.5)

    def at(self, traits: Sequence[float]) -> float:
        t = np.asarray(traits)
        bowl = -3 * len(t) ** 0.5 * (self.weights @ (t - self.top) ** 2)
        return float(bowl + self.height * np.cos(self.waves @ t + self.phases).sum())


@dataclass(frozen=True)
class Drawn:
    """A problem of one seed: what is searched, and what it is worth."""

    space: Network
    beside: Mapping[str, BaseDistribution]
    value: Value

    def evaluate(
        self, noise: float, seed: int
    ) -> Callable[[IntArray, optuna.Trial, np.random.Generator], tuple[float, float]]:
        """As `JointProblem.evaluate`; the noise in standard deviations of random networks' values."""
        spread, middle, best = self._scale(np.random.default_rng((47, seed)))

        def evaluate(
            x: IntArray, trial: optuna.Trial, rng: np.random.Generator
        ) -> tuple[float, float]:
            given = {name: _suggest(trial, name, d) for name, d in self.beside.items()}
            found = self.value(self.space.part.read(x), given)
            return found + noise * spread * rng.normal(), 100 * (best - found) / (best - middle)

        return evaluate

    def _scale(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """Standard deviation and median of random networks, and the best by evolution from them."""
        beside = Hyperparameters.of(self.beside)

        def values(x: IntArray, z: FloatArray) -> FloatArray:
            pairs = zip(x, z, strict=True)
            return np.array(
                [self.value(self.space.part.read(a), beside.values(b)) for a, b in pairs]
            )

        x, z = self.space.sample(_SAMPLES, rng), beside.sample(_SAMPLES, rng)
        y = values(x, z)
        spread, middle = float(y.std()), float(np.median(y))
        for _ in range(_GENERATIONS):
            kept = np.argsort(-y, kind="stable")[:_KEPT]
            x, z, y = x[kept], z[kept], y[kept]
            parents = rng.integers(_KEPT, size=_CHILDREN)
            same = rng.random((_CHILDREN, 1)) < 0.5  # half of the children are known networks
            bred = np.where(
                same, x[parents], self.space.repair(mutants(self.space, x[parents], _CHILDREN, rng))
            )
            near = beside.perturb(z[parents], rng)
            x, z, y = (
                np.concatenate([x, bred]),
                np.concatenate([z, near]),
                np.append(y, values(bred, near)),
            )
        return spread, middle, float(y.max())


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def _mean(numbers: Sequence[float], none: float = 0.5) -> float:
    return sum(numbers) / len(numbers) if numbers else none


def _is(value: str, choices: Sequence[str]) -> list[float]:
    return [float(value == choice) for choice in choices]


def blocks(seed: int) -> Drawn:
    """One to six blocks, learning rate and weight decay."""
    rng = np.random.default_rng((45, seed))
    shape, decay = Surface.draw(12, rng), Surface.draw(4, rng, height=0.2)
    by_size, by_depth = rng.uniform(-0.6, 0.2), rng.uniform(-0.35, -0.05)
    rate, cost = rng.normal(-2.5, 0.3), rng.uniform(0.15, 0.5)

    def value(network: Mapping[str, Any], beside: Mapping[str, Any]) -> float:
        layers, depth = network["blocks"], len(network["blocks"])
        conv = [b["conv"] for b in layers if "conv" in b]
        mixer = [b["mixer"] for b in layers if "mixer" in b]
        widths = [b["width"] for b in conv] + [32 * b["heads"] for b in mixer]
        factors = [b["kernel"] for b in conv] + [2 + b["ratio"] for b in mixer]
        size = np.log10(sum(w**2 * f for w, f in zip(widths, factors, strict=True)))
        traits = [
            depth / 6,
            np.log2((sum(widths) + network["stem"]) / 32) / 6,
            size / 7,
            len(conv) / depth,
            _mean([b["kernel"] / 7 for b in conv]),
            _mean([b["ratio"] / 4 for b in mixer]),
            _mean([float(b["gate"]) for b in mixer]),
            np.log2(network["stem"] / 16) / 2,
            float("conv" in layers[0]),
            *_is(network["act"], _ACTIVATIONS),
        ]
        best = rate + by_size * (size - 5) + by_depth * (depth - 3)
        far = abs(np.log10(beside["lr"]) - best)
        lost = cost * (min(far, 1.5) ** 2 + 3 * max(far - 1.5, 0.0))
        log_decay = (np.log10(beside["weight_decay"]) + 6) / 5
        return (
            shape.at(traits) - lost + 0.3 * decay.at([*traits[:1], size / 7, log_decay, traits[3]])
        )

    space = Network(stem=ordered(16, 32, 64), act=_ACTIVATIONS, blocks=Repeat(_BLOCK, 1, 6))
    return Drawn(space, _rates(1e-5, 1e-1), value)


def mlp(seed: int) -> Drawn:
    """Depth, width and activation, and five hyperparameters."""
    rng = np.random.default_rng((46, seed))
    surface, suits = Surface.draw(13, rng, height=0.6), rng.normal(0, 0.35, (4, 3))
    faster = dict(zip(_OPTIMIZERS, rng.normal(0, 0.15, 4), strict=True))

    def value(network: Mapping[str, Any], beside: Mapping[str, Any]) -> float:
        batch = (beside["log2_batch"] - 4) / 5
        rate = (np.log10(beside["lr"]) + 5) / 5 + faster[beside["optimizer"]] + 0.3 * (batch - 0.5)
        traits = [
            (network["depth"] - 1) / 7,
            np.log2(network["width"] / 32) / 4,
            batch,
            rate,
            (np.log10(beside["weight_decay"]) + 6) / 5,
            beside["dropout"] / 0.7,
            *_is(beside["optimizer"], _OPTIMIZERS),
            *_is(network["act"], _ACTIVATIONS),
        ]
        at = _OPTIMIZERS.index(beside["optimizer"]), _ACTIVATIONS.index(network["act"])
        return surface.at(traits) + float(suits[at])

    space = Network(
        act=_ACTIVATIONS, depth=ordered(*range(1, 9)), width=ordered(32, 64, 128, 256, 512)
    )
    beside = {
        **_rates(1e-5, 1.0),
        "dropout": FloatDistribution(0.0, 0.7),
        "log2_batch": IntDistribution(4, 9),
        "optimizer": CategoricalDistribution(_OPTIMIZERS),
    }
    return Drawn(space, beside, value)


def _rates(low: float, high: float) -> dict[str, BaseDistribution]:
    return {
        "lr": FloatDistribution(low, high, log=True),
        "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
    }
