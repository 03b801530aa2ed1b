"""AG-Net: neural architecture search as an Optuna sampler and an ask/tell optimizer.

Everything is imported on first use, so that ``import optuna_agnet`` costs nothing, and what needs no torch loads none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from optuna_agnet.core.version import VERSION

if TYPE_CHECKING:
    from optuna_agnet import hardware, spaces, visualization
    from optuna_agnet.analysis.report import report
    from optuna_agnet.core.architecture import Architecture
    from optuna_agnet.generator import load_generator, pretrain
    from optuna_agnet.modules import build_model
    from optuna_agnet.search import AGNet, AGNetConfig
    from optuna_agnet.study.continuations import continued_from
    from optuna_agnet.study.pruner import AGNetPruner
    from optuna_agnet.study.sampler import AGNetSampler
    from optuna_agnet.study.trials import best_trials

__version__ = VERSION

_LAZY = {
    "AGNet": "optuna_agnet.search",
    "AGNetConfig": "optuna_agnet.search",
    "AGNetPruner": "optuna_agnet.study.pruner",
    "AGNetSampler": "optuna_agnet.study.sampler",
    "Architecture": "optuna_agnet.core.architecture",
    "best_trials": "optuna_agnet.study.trials",
    "build_model": "optuna_agnet.modules",
    "continued_from": "optuna_agnet.study.continuations",
    "hardware": "",
    "load_generator": "optuna_agnet.generator",
    "pretrain": "optuna_agnet.generator",
    "report": "optuna_agnet.analysis.report",
    "spaces": "",
    "visualization": "",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'optuna_agnet' has no attribute '{name}'")
    home = _LAZY[name]
    return getattr(import_module(home), name) if home else import_module(f"optuna_agnet.{name}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])


__all__ = [
    "AGNet",
    "AGNetConfig",
    "AGNetPruner",
    "AGNetSampler",
    "Architecture",
    "best_trials",
    "build_model",
    "continued_from",
    "hardware",
    "load_generator",
    "pretrain",
    "report",
    "spaces",
    "visualization",
]
