"""Ablations: of the paper's algorithm (Tables 1, 2 and 6, Fig. 9) and of our default, each a few other values.

What each of `agnet-paper-...` is in the paper, and what the authors' release does instead:

- ``top1``: "adding only the best-performing architecture (top-1) to the training data instead of top-16" (sec. 4.1).
  Here 2 epochs a query instead of 30: as many gradient steps as `agnet-paper`, where 30 would take 16 times as many.
- ``no-lso``: "the lack of weighted retraining" (sec. 4.4): all weights are equal, everything else stays.
- ``no-lso-released``: what the release does, which trains on the 16 random architectures of the startup for ever.
- ``no-backprop``: without "the backpropagation ability" (sec. 4.4): the MLP's loss trains the MLP alone. The release
  also trains that MLP on true graphs, on which it is never used, and counts errors of nodes twice.
- ``xgb``: XGBoost on "the vector representation of the architectures" (sec. 3.1, C.1), fitted to all evaluated ones.
  Epochs of Table 14, like all variants here; the release has 1, too little for a generator that is valid at first.
- ``xgb-ranking``: "a gradient estimation for rank-based metrics [45]. This way, we are able to include gradient
  information to the generator" (sec. 3.1). In the release none reaches it: the loss is a constant.
- ``oracle``: "the benchmark query input itself" ranks the candidates (B.1); to look at them costs no query.
- ``oracle-ranking``: "also including the ranking metric as for XGB" (B.1).

And of `agnet-...`, the default with one part taken out or put in:

- ``no-generator``: random architectures where the generator's samples were; neighbours keep their turns.
- ``generator-only``: no turns for neighbours.
- ``with-generator``: the generator's three turns of four also where decisions are many, which are left to mutants.
- ``mutants``: mutants also where decisions are few, which are left to the generator.
- ``no-lso``: no weighted retraining, all weights are equal.
- ``unpaired``: each architecture is trained on a latent vector of its own, as in the paper.
- ``gradient``: the surrogate's ranking of generated graphs trains the generator too; the default has no such gradient.
- ``batch16``: 16 proposals a model instead of one.
- ``mlp``: the paper's surrogate, trained end to end for the paper's 30 epochs; nothing else can it rank than what the
  generator makes, so neighbours have no turns.
- ``xgb``: trees in the place of the Gaussian process, without an uncertainty: the best prediction is proposed.
- ``gnn``: an ensemble of graph neural networks in its place, with an uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.methods.agnet import agnet, as_in_table_14, new_search
from benchmarks.methods.base import Factory
from benchmarks.problems.base import Problem
from optuna_agnet import AGNet, AGNetConfig
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.core.ranking import signs
from optuna_agnet.generator.training import TrainingConfig
from optuna_agnet.search import PaperOptions
from optuna_agnet.surrogate.base import Candidates

PAPER = TrainingConfig.paper()
ALONE = replace(PAPER, alpha=0.0)  # the surrogate teaches the generator nothing


class Oracle:
    """A surrogate that is always right.

    Args:
        problem: Whose values it knows.
    """

    fitted: FloatArray

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.feasibility_threshold = np.zeros(
            len(problem.directions) + len(problem.constraint_names)
        )
        self._columns = np.argsort(problem.constraint_names)  # the search has them by name

    def fit(self, x: IntArray, y: FloatArray, rank: FloatArray) -> None:
        self.fitted = y

    def condition_on_pending(self, x: IntArray) -> None:
        """Nothing: it knows all values."""

    def predict(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """The true values and margins; failures are worse than all of them."""
        values, constraints, _ = self.problem.evaluate(candidates.x)
        margins = -constraints[:, self._columns]
        mean = np.concatenate([values * signs(self.problem.directions), margins], axis=1)
        return np.nan_to_num(mean, nan=-math.inf, neginf=-math.inf), np.zeros_like(mean)


def of_the_paper(config: AGNetConfig, *, oracle: bool = False) -> Factory:
    def method(problem: Problem, seed: int) -> AGNet:
        surrogate = Oracle(problem) if oracle else None
        own = as_in_table_14(config, problem)
        return new_search(problem.space, problem.directions, seed, own, surrogate=surrogate)

    return method


PAPER_CHANGES: dict[str, dict[str, Any]] = {
    "top1": {"round_size": 1, "retrain_every": 1, "training": replace(PAPER, epochs=2)},
    "no-lso": {"weight_factor": math.inf},
    "no-lso-released": {"weight_factor": math.inf, "learn_from": 16},
    "no-backprop": {"training": replace(PAPER, backpropagate=False)},
    "xgb": {"surrogate": "xgboost", "training": ALONE},
    "xgb-ranking": {"surrogate": "xgboost"},
}
DEFAULT = TrainingConfig()
CHANGES: dict[str, dict[str, Any]] = {
    "no-generator": {"candidate_sources": ("random", "random", "random", "neighbors")},
    "generator-only": {"candidate_sources": ("generator",)},
    "with-generator": {"candidate_sources": ("generator", "generator", "generator", "neighbors")},
    "mutants": {"candidate_sources": ("mutants",)},
    "no-lso": {"weight_factor": math.inf},
    "unpaired": {"training": replace(DEFAULT, latents=0)},
    "gradient": {"training": replace(DEFAULT, alpha=0.5)},
    "batch16": {"paper_options": PaperOptions(round_size=16), "retrain_every": 16},
    "mlp": {
        "surrogate": "mlp",
        "acquisition": "mean",
        "candidate_sources": ("generator",),
        "retrain_every": 16,
        "training": replace(DEFAULT, steps=0, epochs=PAPER.epochs, alpha=PAPER.alpha),
    },
    "xgb": {"surrogate": "xgboost", "acquisition": "mean"},
    "gnn": {"surrogate": "gnn"},
}
PAPER_CONFIGS = {
    f"agnet-paper-{name}": AGNetConfig.paper(dedup="encoding", **changes)
    for name, changes in PAPER_CHANGES.items()
}
DEFAULT_CONFIGS = {
    f"agnet-{name}": AGNetConfig(dedup="encoding", **changes) for name, changes in CHANGES.items()
}
CONFIGS = {**PAPER_CONFIGS, **DEFAULT_CONFIGS}
ORACLES = {
    "agnet-paper-oracle": AGNetConfig.paper(dedup="encoding", training=ALONE),
    "agnet-paper-oracle-ranking": AGNetConfig.paper(dedup="encoding"),
}

METHODS: dict[str, Factory] = {
    **{name: of_the_paper(config) for name, config in PAPER_CONFIGS.items()},
    **{name: agnet(config) for name, config in DEFAULT_CONFIGS.items()},
    **{name: of_the_paper(config, oracle=True) for name, config in ORACLES.items()},
}
