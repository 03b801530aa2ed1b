"""How generator and surrogate are used: the search itself, without Optuna."""

from optuna_agnet.search.agnet import AGNet, Proposal
from optuna_agnet.search.candidates import SpaceExhausted
from optuna_agnet.search.config import AGNetConfig
from optuna_agnet.search.observations import Told

__all__ = ["AGNet", "AGNetConfig", "Proposal", "SpaceExhausted", "Told"]
