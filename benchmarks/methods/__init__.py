"""Search methods, by name; one small file each, imported here."""

from __future__ import annotations

from benchmarks.methods import agnet, optuna_samplers
from benchmarks.methods.base import AskTell, Factory

METHODS: dict[str, Factory] = {**agnet.METHODS, **optuna_samplers.METHODS}

__all__ = ["METHODS", "AskTell", "Factory"]
