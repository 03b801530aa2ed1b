"""Search spaces of published benchmarks."""

from __future__ import annotations

from optuna_agnet.spaces.edge_cell import EdgeCell
from optuna_agnet.spaces.node_cell import NodeCell


def nas_bench_201() -> EdgeCell:
    """The topology space of NAS-Bench-201 (Dong and Yang 2020): 15,625 cells, 5 operations on 6 edges.

    Example:
        >>> nas_bench_201().num_combinations
        15625
    """
    ops = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    return EdgeCell(nodes=4, ops=ops, name="nas_bench_201")


def nas_bench_101() -> NodeCell:
    """The space of NAS-Bench-101 (Ying et al. 2019): 423,624 different cells of at most 7 nodes and 9 edges.

    Example:
        >>> len(nas_bench_101().decisions)
        26
    """
    ops = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
    return NodeCell(max_nodes=7, max_edges=9, ops=ops, name="nas_bench_101")
