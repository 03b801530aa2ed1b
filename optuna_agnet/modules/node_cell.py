"""Networks of cells with operations on nodes: the macro skeleton of NAS-Bench-101.

Source: Ying et al. 2019, section 2, and their code (google-research/nasbench, model_builder.py).
Letters: n vertices of a pruned cell, 0 the input and n - 1 the output.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules.network import ImageNetwork, NetworkSize, classifier
from optuna_agnet.modules.operations import ConvBNReLU, OperationBuilder, build_operation
from optuna_agnet.spaces import NodeCell

NAS_BENCH_101_SIZE = NetworkSize(channels=128, cells_per_stage=3, stages=3)


def vertex_channels(arch: Architecture, c_in: int, c_out: int) -> tuple[int, ...]:
    """Channels of every vertex, by NAS-Bench-101's rule (its ``compute_vertex_channels``).

    The output's channels are divided among the inner vertices that feed it, the first of them
    taking one more each where the division leaves a remainder; any other inner vertex has as many
    as the widest vertex that reads it.

    Args:
        arch: A pruned cell.
        c_in: Channels of the cell's input.
        c_out: Channels of the cell's output.

    Returns:
        n channel counts, in the order of the vertices.

    Raises:
        ValueError: More vertices feed the output than it has channels, or the cell is not pruned.

    Example:
        >>> arch = Architecture(("input", "a", "b", "output"), ((0, 1), (0, 2), (1, 3), (2, 3)))
        >>> vertex_channels(arch, 4, 5)
        (4, 3, 2, 5)
    """
    last = len(arch.nodes) - 1
    feeders = [v for v in range(1, last) if (v, last) in arch.edges]
    if len(feeders) > c_out:
        raise ValueError(
            f"{c_out} channels cannot be divided among the {len(feeders)} vertices that feed the "
            f"output of '{arch}'; use channels={len(feeders)} or more"
        )
    channels = [c_in] + [0] * (last - 1) + [c_out]
    for rank, v in enumerate(feeders):
        channels[v] = c_out // len(feeders) + (rank < c_out % len(feeders))
    for v in range(last - 1, 0, -1):
        if v not in feeders:
            channels[v] = max((channels[t] for s, t in arch.edges if s == v), default=0)
    reached = {t for _, t in arch.edges}
    if not all(channels) or any(v not in reached for v in range(1, last + 1)):
        raise ValueError(f"'{arch}' has vertices on no path from input to output: prune it first")
    return tuple(channels)


class NodeCellModule(nn.Module):
    """One cell: a vertex applies its operation to a sum; the output concatenates its vertices.

    What reads the cell's input reads a 1x1 projection of it, and inner values are cut to the
    reader's channels. The output adds a projection where the input feeds it directly.

    Args:
        arch: A pruned cell.
        builders: A builder for every operation.
        c_in: Input channels.
        c_out: Output channels.

    Raises:
        ValueError: See `vertex_channels`.

    Example:
        >>> from optuna_agnet.modules.operations import BUILT_IN
        >>> arch = Architecture(("input", "maxpool3x3", "output"), ((0, 1), (1, 2)))
        >>> NodeCellModule(arch, BUILT_IN, c_in=4, c_out=8)(torch.zeros(2, 4, 6, 6)).shape
        torch.Size([2, 8, 6, 6])
    """

    def __init__(
        self, arch: Architecture, builders: Mapping[str, OperationBuilder], c_in: int, c_out: int
    ) -> None:
        super().__init__()
        self.channels = list(vertex_channels(arch, c_in, c_out))
        last = len(arch.nodes) - 1
        self.edges = [(s, t) for t in range(1, last + 1) for s in range(t) if (s, t) in arch.edges]
        self.operations = nn.ModuleDict(
            {
                f"vertex_{v}": build_operation(
                    builders, arch.nodes[v], self.channels[v], self.channels[v]
                )
                for v in range(1, last)
            }
        )
        self.projections = nn.ModuleDict(
            {
                f"vertex_{t}": ConvBNReLU(c_in, self.channels[t], 1)
                for t in range(1, last + 1)
                if (0, t) in arch.edges
            }
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, H, W)
        """The cell's output."""
        projected: dict[str, Tensor] = {}
        for name, projection in self.projections.items():
            projected[name] = projection(x)
        values = [x]
        for k, (name, operation) in enumerate(self.operations.items()):
            channels = self.channels[k + 1]
            read = [value[:, :channels] for value in self._inner_sources(k + 1, values)]
            if name in projected:
                read.append(projected[name])
            values.append(operation(_sum(read)))
        last = len(self.channels) - 1
        joined = self._inner_sources(last, values)
        read = [torch.cat(joined, dim=1)] if len(joined) > 0 else []
        name = f"vertex_{last}"
        if name in projected:
            read.append(projected[name])
        return _sum(read)

    def _inner_sources(self, v: int, values: list[Tensor]) -> list[Tensor]:
        """The values that vertex v reads, without the cell's input, which it reads through a projection."""
        read = []
        for s, t in self.edges:
            if t == v and s > 0:
                read.append(values[s])
        return read


def _sum(values: list[Tensor]) -> Tensor:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def most_feeders(space: NodeCell) -> int:
    """How many inner vertices may feed the output of a cell; each needs an edge in and an edge out.

    Example:
        >>> from optuna_agnet import spaces
        >>> most_feeders(spaces.nas_bench_101())
        4
    """
    return max(1, min(space.max_nodes - 2, space.max_edges // 2))


def node_cell_network(
    space: NodeCell,
    arch: Architecture,
    builders: Mapping[str, OperationBuilder],
    size: NetworkSize,
) -> nn.Sequential:
    """Stem, stages of equal cells with max-pooling between them, classifier.

    Odd sides are rounded up where they are halved, as TensorFlow's "same" padding does.

    Args:
        space: Where ``arch`` comes from.
        arch: The pruned cell.
        builders: A builder for every operation of the space.
        size: `NAS_BENCH_101_SIZE` is the benchmark's.

    Returns:
        A network (B, in_channels, H, W) -> (B, num_classes); parts ``stem``, ``cells``, ``head``.

    Raises:
        ValueError: Too few channels for some cell of the space; said for all its cells, so that a
            search does not stop in the middle.

    Example:
        >>> from optuna_agnet import spaces
        >>> from optuna_agnet.modules.operations import BUILT_IN
        >>> arch = Architecture(("input", "maxpool3x3", "output"), ((0, 1), (1, 2)))
        >>> network = node_cell_network(spaces.nas_bench_101(), arch, BUILT_IN, NAS_BENCH_101_SIZE)
        >>> len(network.cells)
        11
    """
    least = most_feeders(space)
    if size.channels < least:
        raise ValueError(
            f"channels={size.channels} is too few: {least} vertices may feed the output of "
            f"a cell of this space, so use channels={least} or more"
        )
    cells: list[nn.Module] = []
    c_in = size.channels
    for stage, width in enumerate(size.widths):
        if stage > 0:
            cells.append(nn.MaxPool2d(2, 2, ceil_mode=True))
        for _ in range(size.cells_per_stage):
            cells.append(NodeCellModule(arch, builders, c_in, width))
            c_in = width
    stem = ConvBNReLU(size.in_channels, size.channels, 3)
    head = classifier(size.widths[-1], size.num_classes)
    return ImageNetwork(OrderedDict(stem=stem, cells=nn.Sequential(*cells), head=head))
