"""What may be searched: spaces of architectures, in numpy alone."""

from optuna_agnet.spaces.base import CellSpace, Decision, Graphs
from optuna_agnet.spaces.edge_cell import EdgeCell
from optuna_agnet.spaces.node_cell import NodeCell
from optuna_agnet.spaces.presets import nas_bench_101, nas_bench_201

__all__ = [
    "CellSpace",
    "Decision",
    "EdgeCell",
    "Graphs",
    "NodeCell",
    "nas_bench_101",
    "nas_bench_201",
]
