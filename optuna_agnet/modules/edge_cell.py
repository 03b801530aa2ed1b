"""Networks of cells with operations on edges: the macro skeleton of NAS-Bench-201.

Source: Dong & Yang 2020, section 2.1, and their code (AutoDL-Projects, tiny_network.py).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules.network import ImageNetwork, NetworkSize, classifier
from optuna_agnet.modules.operations import OperationBuilder, ReLUConvBN, build_operation
from optuna_agnet.spaces import EdgeCell

NAS_BENCH_201_SIZE = NetworkSize(channels=16, cells_per_stage=5, stages=3)


class EdgeCellModule(nn.Module):
    """One cell: node j is the sum over i < j of the operation on edge (i, j) applied to node i.

    Edges that carry nothing to the output are built too, as in the benchmark: its parameter counts
    include them, and a convolution of zeros still adds its batch normalisation's bias.

    Args:
        labels: ``{"op_{i}_{j}": operation}`` for every i < j, what `EdgeCell.to_params` gives.
        nodes: Nodes of the cell, input and output among them.
        builders: A builder for every operation.
        channels: Channels in and out.

    Example:
        >>> import torch
        >>> from optuna_agnet.modules.operations import BUILT_IN
        >>> cell = EdgeCellModule({"op_0_1": "nor_conv_3x3"}, 2, BUILT_IN, channels=4)
        >>> cell(torch.zeros(2, 4, 8, 8)).shape
        torch.Size([2, 4, 8, 8])
    """

    def __init__(
        self,
        labels: Mapping[str, str],
        nodes: int,
        builders: Mapping[str, OperationBuilder],
        channels: int,
    ) -> None:
        super().__init__()
        edges = [(i, j) for j in range(1, nodes) for i in range(j)]
        self.edges = edges  # (source, target), in the order of the operations
        self.operations = nn.ModuleDict(
            {
                f"op_{i}_{j}": build_operation(builders, labels[f"op_{i}_{j}"], channels, channels)
                for i, j in edges
            }
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H, W)
        """The cell's output."""
        values = [x]
        for k, operation in enumerate(self.operations.values()):
            i, j = self.edges[k]
            y = operation(values[i])
            if i == 0:  # the first edge into node j
                values.append(y)
            else:
                values[j] = values[j] + y
        return values[-1]


class ResidualReduction(nn.Module):
    """NAS-Bench-201's residual block between stages: half the height and width.

    Odd sides are rounded up on both branches; the benchmark's own code only takes even ones.

    Args:
        c_in: Input channels.
        c_out: Output channels.

    Example:
        >>> import torch
        >>> ResidualReduction(4, 8)(torch.zeros(2, 4, 7, 7)).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            ReLUConvBN(c_in, c_out, 3, stride=2), ReLUConvBN(c_out, c_out, 3)
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(c_in, c_out, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, ceil(H/2), ceil(W/2))
        """The sum of both branches."""
        y: Tensor = self.shortcut(x) + self.branch(x)
        return y


def edge_cell_network(
    space: EdgeCell,
    arch: Architecture,
    builders: Mapping[str, OperationBuilder],
    size: NetworkSize,
) -> nn.Sequential:
    """Stem, stages of equal cells with residual reductions between them, classifier.

    Args:
        space: Where ``arch`` comes from.
        arch: The cell.
        builders: A builder for every operation of the space.
        size: `NAS_BENCH_201_SIZE` is the benchmark's.

    Returns:
        A network (B, in_channels, H, W) -> (B, num_classes); parts ``stem``, ``cells``, ``head``.

    Example:
        >>> from optuna_agnet import spaces
        >>> from optuna_agnet.modules.operations import BUILT_IN
        >>> space = spaces.nas_bench_201()
        >>> arch = space.parse(
        ...     "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
        ... )
        >>> network = edge_cell_network(space, arch, BUILT_IN, NAS_BENCH_201_SIZE)
        >>> len(network.cells)
        17
    """
    labels = {edge: str(name) for edge, name in space.to_params(arch).items()}
    cells: list[nn.Module] = []
    for stage, width in enumerate(size.widths):
        if stage > 0:
            cells.append(ResidualReduction(width // 2, width))
        for _ in range(size.cells_per_stage):
            cells.append(EdgeCellModule(labels, space.nodes, builders, width))
    stem = nn.Sequential(
        nn.Conv2d(size.in_channels, size.channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(size.channels),
    )
    last = size.widths[-1]
    head = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU(), classifier(last, size.num_classes))
    return ImageNetwork(OrderedDict(stem=stem, cells=nn.Sequential(*cells), head=head))
