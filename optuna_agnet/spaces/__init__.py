"""What may be searched: spaces of architectures, in numpy alone."""

from typing import Any

from optuna_agnet.core.deprecation import warn_of_old_name
from optuna_agnet.spaces.base import Decision, SearchSpace
from optuna_agnet.spaces.chain import Chain
from optuna_agnet.spaces.darts import DartsCell
from optuna_agnet.spaces.decision import Ordered, ordered
from optuna_agnet.spaces.edge_cell import EdgeCell
from optuna_agnet.spaces.graphs import Graphs
from optuna_agnet.spaces.network import Network
from optuna_agnet.spaces.node_cell import NodeCell
from optuna_agnet.spaces.one_of import OneOf
from optuna_agnet.spaces.presets import (
    darts,
    fbnet,
    mobile_net,
    nas_bench_101,
    nas_bench_201,
    nas_bench_nlp,
    vision_transformer,
)
from optuna_agnet.spaces.recurrent import RecurrentCell
from optuna_agnet.spaces.repeat import Repeat
from optuna_agnet.spaces.stack import Stack


def __getattr__(name: str) -> Any:
    if name != "CellSpace":
        raise AttributeError(f"module 'optuna_agnet.spaces' has no attribute '{name}'")
    warn_of_old_name("CellSpace", "SearchSpace")
    return SearchSpace


__all__ = [
    "Chain",
    "DartsCell",
    "Decision",
    "EdgeCell",
    "Graphs",
    "Network",
    "NodeCell",
    "OneOf",
    "Ordered",
    "RecurrentCell",
    "Repeat",
    "SearchSpace",
    "Stack",
    "darts",
    "fbnet",
    "mobile_net",
    "nas_bench_101",
    "nas_bench_201",
    "nas_bench_nlp",
    "ordered",
    "vision_transformer",
]
