"""Search methods, by name; one small file each, imported here."""

from __future__ import annotations

from benchmarks.methods import (
    ablations,
    agnet,
    at_once,
    bananas,
    bayesian_optimization,
    latent_space,
    local_search,
    optuna_samplers,
    regularized_evolution,
    scores,
    turns,
    warm,
    weaknas,
)
from benchmarks.methods.base import AskTell, Factory

METHODS: dict[str, Factory] = {
    **agnet.METHODS,
    **ablations.METHODS,
    **turns.METHODS,
    **latent_space.METHODS,
    **optuna_samplers.METHODS,
    **local_search.METHODS,
    **regularized_evolution.METHODS,
    **bayesian_optimization.METHODS,
    **bananas.METHODS,
    **weaknas.METHODS,
    **warm.METHODS,
    **scores.METHODS,
    **at_once.METHODS,
}

__all__ = ["METHODS", "AskTell", "Factory"]
