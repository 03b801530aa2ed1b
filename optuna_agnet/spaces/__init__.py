"""What may be searched: spaces of architectures, in numpy alone."""

from optuna_agnet.spaces.base import CellSpace, Decision, Graphs
from optuna_agnet.spaces.chain import Chain
from optuna_agnet.spaces.darts import DartsCell
from optuna_agnet.spaces.edge_cell import EdgeCell
from optuna_agnet.spaces.node_cell import NodeCell
from optuna_agnet.spaces.presets import (
    darts,
    fbnet,
    nas_bench_101,
    nas_bench_201,
    nas_bench_nlp,
)
from optuna_agnet.spaces.recurrent import RecurrentCell
from optuna_agnet.spaces.stack import Stack

__all__ = [
    "CellSpace",
    "Chain",
    "DartsCell",
    "Decision",
    "EdgeCell",
    "Graphs",
    "NodeCell",
    "RecurrentCell",
    "Stack",
    "darts",
    "fbnet",
    "nas_bench_101",
    "nas_bench_201",
    "nas_bench_nlp",
]
