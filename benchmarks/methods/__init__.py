"""Search methods, by name; one small file each, imported here."""

from __future__ import annotations

from benchmarks.methods import (
    agnet,
    bananas,
    bayesian_optimization,
    local_search,
    optuna_samplers,
    regularized_evolution,
    weaknas,
)
from benchmarks.methods.base import AskTell, Factory

METHODS: dict[str, Factory] = {
    **agnet.METHODS,
    **optuna_samplers.METHODS,
    **local_search.METHODS,
    **regularized_evolution.METHODS,
    **bayesian_optimization.METHODS,
    **bananas.METHODS,
    **weaknas.METHODS,
}

__all__ = ["METHODS", "AskTell", "Factory"]
