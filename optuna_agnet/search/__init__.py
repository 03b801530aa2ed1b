"""How generator and surrogate are used: the search itself, without Optuna."""

from typing import Any

from optuna_agnet.core.deprecation import warn_of_old_name
from optuna_agnet.search.acquisition import (
    Acquisition,
    ExpectedImprovement,
    PosteriorMean,
    Prediction,
)
from optuna_agnet.search.agnet import AGNet
from optuna_agnet.search.candidates import (
    CandidateRequest,
    CandidateSource,
    GeneratorSource,
    NeighborSource,
    RandomSource,
    SpaceExhausted,
)
from optuna_agnet.search.config import AGNetConfig, PaperOptions
from optuna_agnet.search.mutants import MutantSource
from optuna_agnet.search.observations import Observations, Snapshot
from optuna_agnet.search.proposer import Proposal, Proposer
from optuna_agnet.surrogate.base import Candidates, Surrogate


def __getattr__(name: str) -> Any:
    if name != "Told":
        raise AttributeError(f"module 'optuna_agnet.search' has no attribute '{name}'")
    warn_of_old_name("Told", "Observations")
    return Observations


__all__ = [
    "AGNet",
    "AGNetConfig",
    "Acquisition",
    "CandidateRequest",
    "CandidateSource",
    "Candidates",
    "ExpectedImprovement",
    "GeneratorSource",
    "MutantSource",
    "NeighborSource",
    "Observations",
    "PaperOptions",
    "PosteriorMean",
    "Prediction",
    "Proposal",
    "Proposer",
    "RandomSource",
    "Snapshot",
    "SpaceExhausted",
    "Surrogate",
]
