"""Samplers and pruners of `benchmarks.pruning`, by name, and AG-Net's with a part changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from unittest import mock

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from optuna.samplers import BaseSampler, TPESampler

from optuna_agnet import AGNetConfig, AGNetPruner, AGNetSampler
from optuna_agnet.core.arrays import IntArray
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.surrogate.curves import Forecast

IGNORING, PLACES = "agnet-ignoring", "agnet-places"
CONTINUING = "agnet-continuing"
FLAT, FLAT_CONTINUING, CAREFUL = "agnet-flat", "agnet-flat-continuing", "agnet-careful"
LINEAR, NORMAL = "agnet-linear", "agnet-normal"
FIVE = "agnet-five"  # whole trainings before the first one is stopped, as in all variants of before it halved
GO_ON = (CONTINUING, FLAT_CONTINUING)  # with what was stopped
WILCOXON = "wilcoxon"


def _agnet(space: SearchSpace, seed: int) -> BaseSampler:
    return AGNetSampler(space, seed=seed, config=AGNetConfig(dedup="encoding"))


SAMPLERS: dict[str, Callable[[SearchSpace, int], BaseSampler]] = {
    "agnet": _agnet,
    "tpe": lambda _, seed: TPESampler(multivariate=True, seed=seed),
    IGNORING: _agnet,
    PLACES: _agnet,
}


def _five(space: SearchSpace, *_: int) -> BasePruner:
    return AGNetPruner(space, n_warmup_curves=5)


PRUNERS: dict[
    str, Callable[[SearchSpace, int, int], BasePruner]
] = {  # first report, whole training
    "none": lambda *_: NopPruner(),
    "median": lambda *_: MedianPruner(),
    "percentile": lambda *_: PercentilePruner(25.0),
    "hyperband": lambda _, first, last: HyperbandPruner(min_resource=first, max_resource=last),
    "halving": lambda _, first, last: SuccessiveHalvingPruner(min_resource=first),
    "agnet": lambda space, *_: AGNetPruner(space),
    CONTINUING: lambda space, *_: AGNetPruner(space),
    FIVE: _five,
    FLAT: _five,
    FLAT_CONTINUING: _five,
    LINEAR: _five,
    NORMAL: _five,
    CAREFUL: lambda space, *_: AGNetPruner(space, n_warmup_curves=5, min_chance=0.5),
    WILCOXON: lambda *_: WilcoxonPruner(),
}


def _linear(rung: int, waits: IntArray) -> float:
    return rung / min(2, len(waits))


def _normal(forecast: Forecast, goal: float) -> float:
    """`Forecast.chance` where deviations count as known, and not as estimated from few trainings."""
    return float(0.5 * math.erfc((goal - forecast.mean[-1]) / (forecast.std[-1] * math.sqrt(2))))


_CHANGED: Mapping[str, Sequence[tuple[str, object]]] = {  # what stands for a part of the package
    IGNORING: [("pruned_trials.FinalValues.estimate", lambda *_: None)],
    PLACES: [("foretold_trials.ForetoldTrials.judged", lambda *_: None)],
    NORMAL: [("study_curves.Forecast.chance", _normal)],
    CAREFUL: [("study_curves.Forecast.chance", _normal)],
    FLAT: [("study_curves.Forecast.chance", _normal), ("pruner._share", lambda *_: 1.0)],
    LINEAR: [("study_curves.Forecast.chance", _normal), ("pruner._share", _linear)],
}


@contextmanager
def variant(name: str) -> Iterator[None]:
    """What is changed in the package while a search with this sampler or pruner runs."""
    with ExitStack() as stack:
        for part, other in _CHANGED.get(FLAT if name == FLAT_CONTINUING else name, ()):
            stack.enter_context(mock.patch(f"optuna_agnet.study.{part}", other))
        yield
