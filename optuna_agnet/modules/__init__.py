"""From an architecture to a network: `build_model`, the operations, one file a macro skeleton."""

from optuna_agnet.modules.build import Skeleton, build_model, skeleton_of
from optuna_agnet.modules.chain import FBNET_OPERATIONS
from optuna_agnet.modules.darts_operations import DARTS_OPERATIONS
from optuna_agnet.modules.network import NetworkSize
from optuna_agnet.modules.operations import BUILT_IN, OperationBuilder

__all__ = [
    "BUILT_IN",
    "DARTS_OPERATIONS",
    "FBNET_OPERATIONS",
    "NetworkSize",
    "OperationBuilder",
    "Skeleton",
    "build_model",
    "skeleton_of",
]
