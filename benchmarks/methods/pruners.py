"""Samplers and pruners of `benchmarks.pruning`, by name, and AG-Net's with a part changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
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
from optuna_agnet.study.foretold_trials import ForetoldTrials
from optuna_agnet.study.pruned_trials import FinalValues

IGNORING, PLACES = "agnet-ignoring", "agnet-places"
CONTINUING = "agnet-continuing"
FLAT, FLAT_CONTINUING, CAREFUL = "agnet-flat", "agnet-flat-continuing", "agnet-careful"
LINEAR = "agnet-linear"
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
    FLAT: lambda space, *_: AGNetPruner(space),
    FLAT_CONTINUING: lambda space, *_: AGNetPruner(space),
    LINEAR: lambda space, *_: AGNetPruner(space),
    CAREFUL: lambda space, *_: AGNetPruner(space, min_chance=0.5),
    WILCOXON: lambda *_: WilcoxonPruner(),
}


def _linear(rung: int, waits: IntArray) -> float:
    return rung / min(2, len(waits))


def variant(name: str) -> AbstractContextManager[object]:
    """What is changed in the package while a search with this sampler or pruner runs."""
    share = "optuna_agnet.study.pruner._share"
    if name == IGNORING:
        return mock.patch.object(FinalValues, "estimate", return_value=None)
    if name == PLACES:
        return mock.patch.object(ForetoldTrials, "judged", return_value=None)
    if name in (FLAT, FLAT_CONTINUING):
        return mock.patch(share, return_value=1.0)
    return mock.patch(share, _linear) if name == LINEAR else nullcontext()
