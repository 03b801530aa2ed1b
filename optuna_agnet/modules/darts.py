"""Networks of a normal and a reduction cell: the macro skeleton of DARTS, for CIFAR and for ImageNet.

Source: Liu et al. 2019, section 3 and appendix A, and their code (quark0/darts, cnn/model.py).
Letters: B images, C channels, H and W height and width, n intermediate nodes of a cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules.darts_operations import FactorizedReduce
from optuna_agnet.modules.network import NetworkSize, Stem, TakesImages, classifier
from optuna_agnet.modules.operations import OperationBuilder, ReLUConvBN, build_operation
from optuna_agnet.spaces import DartsCell, Stack


@dataclass(frozen=True, slots=True)
class DartsSize(NetworkSize):
    """How large a network of DARTS cells is.

    Args:
        channels: C; a cell of n nodes in the first stage has n C channels, in later stages twice those before.
        cells_per_stage: Normal cells in a stage. A reduction cell stands between two stages.
        stages: Stages.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        stem: "cifar" keeps the size of the image, "imagenet" divides it by eight.
        auxiliary: Add a second classifier behind the last reduction cell, for training.
        drop_path: Probability in training that an image loses an operation's result; at first, see `DartsNetwork`.

    Raises:
        ValueError: A count is no positive integer, ``drop_path`` is not in [0, 1), or the auxiliary classifier or
            the ImageNet stem has no place in so small a network.

    Example:
        >>> DartsSize(channels=48, cells_per_stage=4, stages=3, stem="imagenet").widths
        (48, 96, 192)
    """

    stem: Stem = "cifar"
    auxiliary: bool = False
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        NetworkSize.__post_init__(self)  # slots make a new class, which super() does not know
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path={self.drop_path!r} must be at least 0 and less than 1")
        if self.auxiliary and self.stages < 2:
            raise ValueError("auxiliary=True needs a reduction cell: use stages=2 or more")
        if self.stem == "imagenet" and self.channels < 2:
            raise ValueError("channels=1 is too few for stem='imagenet', which halves them")


DARTS_CIFAR_SIZE = DartsSize(channels=36, cells_per_stage=6, stages=3)  # 20 cells


class DartsCellModule(nn.Module):
    """One cell: a node sums two operations on earlier values; the output concatenates the nodes.

    Args:
        space: Where ``arch`` comes from.
        arch: The cell.
        builders: A builder for every operation, which takes a stride.
        inputs: Channels of the outputs of the cell before the previous one and of the previous one.
        channels: Channels of each node.
        reduction: Operations that read the cell's inputs have stride 2.
        previous_reduction: The previous cell was a reduction cell, so the first input is twice as large as the other.

    Example:
        >>> from optuna_agnet.modules.darts_operations import DARTS_OPERATIONS
        >>> space = DartsCell(nodes=2)
        >>> cell = DartsCellModule(
        ...     space, space.random_architecture(0), DARTS_OPERATIONS, (3, 4), 5, reduction=True
        ... )
        >>> cell(torch.zeros(2, 3, 8, 8), torch.zeros(2, 4, 8, 8)).shape
        torch.Size([2, 10, 4, 4])
    """

    def __init__(
        self,
        space: DartsCell,
        arch: Architecture,
        builders: Mapping[str, OperationBuilder],
        inputs: tuple[int, int],
        channels: int,
        reduction: bool = False,
        previous_reduction: bool = False,
    ) -> None:
        super().__init__()
        shrink = FactorizedReduce if previous_reduction else _project
        self.preprocess = nn.ModuleList(
            [shrink(inputs[0], channels), _project(inputs[1], channels)]
        )
        params = space.to_params(space.canonical(arch))
        self.sources: list[int] = []  # of each operation, two a node
        self.droppable: list[bool] = []
        self.operations = nn.ModuleDict()
        for node in range(2, space.nodes + 2):
            sources = [int(source) for source in str(params[f"node_{node}_inputs"]).split("_")]
            for k, source in enumerate(sources):
                name = str(params[f"node_{node}_op_{k}"])
                stride = 2 if reduction and source < 2 else 1
                built = build_operation(builders, name, channels, channels, stride)
                self.operations[f"node_{node}_op_{k}"] = built
                self.sources.append(source)
                self.droppable.append(not isinstance(built, nn.Identity))

    def forward(self, before: Tensor, x: Tensor, drop_path: float = 0.0) -> Tensor:
        """The cell's output (B, n C, H, W).

        Args:
            before: Output of the cell before the previous one.
            x: Output of the previous cell.
            drop_path: Probability that an image loses an operation's result, in training.
        """
        values = [self.preprocess[0](before), self.preprocess[1](x)]
        for k, operation in enumerate(self.operations.values()):
            y = operation(values[self.sources[k]])
            if self.training and drop_path > 0 and self.droppable[k]:
                y = _dropped(y, drop_path)
            if k % 2 == 0:  # the first of a node's two
                values.append(y)
            else:
                values[-1] = values[-1] + y
        return torch.cat(values[2:], dim=1)


class DartsNetwork(TakesImages):
    """Stem, stages of normal cells with a reduction cell between them, classifier.

    Args:
        cells: ``(space, architecture)`` of the normal and of the reduction cell.
        builders: A builder for every operation.
        size: `DARTS_CIFAR_SIZE` is DARTS's own.

    Attributes:
        drop_path: Probability that an image loses an operation's result in training, skip connections apart. DARTS
            raises it in equal steps over the epochs: ``model.drop_path = 0.2 * epoch / epochs``.

    Example:
        >>> from optuna_agnet.modules.darts_operations import DARTS_OPERATIONS
        >>> space = DartsCell()
        >>> cell = (space, space.random_architecture(0))
        >>> size = DartsSize(channels=2, cells_per_stage=1, stages=2, auxiliary=True)
        >>> network = DartsNetwork((cell, cell), DARTS_OPERATIONS, size)
        >>> images = torch.zeros(4, 3, 8, 8)
        >>> logits, auxiliary_logits = network(images)
        >>> network.eval()(images).shape, len(network.cells)
        (torch.Size([4, 10]), 3)
    """

    def __init__(
        self,
        cells: tuple[tuple[DartsCell, Architecture], tuple[DartsCell, Architecture]],
        builders: Mapping[str, OperationBuilder],
        size: DartsSize,
    ) -> None:
        super().__init__()
        self.drop_path = size.drop_path
        self.stem, inputs = _stem(size)
        self.cells = nn.ModuleList()
        previous_reduction = size.stem == "imagenet"
        for stage, width in enumerate(size.widths):
            kinds = [stage > 0] * (stage > 0) + [False] * size.cells_per_stage
            for reduction in kinds:
                space, arch = cells[reduction]
                cell = DartsCellModule(
                    space, arch, builders, inputs, width, reduction, previous_reduction
                )
                self.cells.append(cell)
                inputs = (inputs[1], space.nodes * width)
                previous_reduction = reduction
                if reduction:
                    self._last_reduction, reduced = len(self.cells) - 1, inputs[1]
        self.head = classifier(inputs[1], size.num_classes)
        self.auxiliary_head = (
            _auxiliary_head(reduced, size.num_classes, size.stem) if size.auxiliary else None
        )

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits (B, num_classes); in training with an auxiliary classifier, its logits as well."""
        before = self.stem[0](x)
        current = self.stem[1](before)
        auxiliary: Tensor | None = None
        for i, cell in enumerate(self.cells):
            before, current = current, cell(before, current, self.drop_path)
            if self.auxiliary_head is not None and self.training and i == self._last_reduction:
                auxiliary = self.auxiliary_head(current)
        logits: Tensor = self.head(current)
        if auxiliary is None:
            return logits
        return logits, auxiliary


def darts_network(
    space: Stack | DartsCell,
    arch: Architecture,
    builders: Mapping[str, OperationBuilder],
    size: DartsSize,
) -> DartsNetwork:
    """The network of a normal and a reduction cell; of a single cell, which takes both parts.

    Args:
        space: Where ``arch`` comes from: a stack of cells ``normal`` and ``reduce``, or a single cell.
        arch: Both cells, or the one.
        builders: A builder for every operation of the cells.
        size: `DARTS_CIFAR_SIZE` is DARTS's own.

    Returns:
        A network (B, in_channels, H, W) -> (B, num_classes); parts ``stem``, ``cells``, ``head``, ``auxiliary_head``.

    Example:
        >>> from optuna_agnet import spaces
        >>> from optuna_agnet.modules.darts_operations import DARTS_OPERATIONS
        >>> space = spaces.darts()
        >>> network = darts_network(
        ...     space, space.random_architecture(0), DARTS_OPERATIONS, DARTS_CIFAR_SIZE
        ... )
        >>> len(network.cells)
        20
    """
    if isinstance(space, DartsCell):
        return DartsNetwork(((space, arch), (space, arch)), builders, size)
    parts = space.split(arch)
    normal, reduce = ((darts_cells(space)[name], parts[name]) for name in ("normal", "reduce"))
    return DartsNetwork((normal, reduce), builders, size)


def darts_cells(space: Stack) -> dict[str, DartsCell]:
    """The cells of a stack from which a DARTS network can be built.

    Raises:
        ValueError: They are not two DARTS cells named ``normal`` and ``reduce``.

    Example:
        >>> from optuna_agnet import spaces
        >>> sorted(darts_cells(spaces.darts()))
        ['normal', 'reduce']
    """
    cells = {name: cell for name, cell in space.cells.items() if isinstance(cell, DartsCell)}
    if set(space.cells) != {"normal", "reduce"} or len(cells) != 2:
        raise ValueError(
            f"build_model has no network for {space!r}: of stacks it builds those of two DartsCell spaces named "
            "'normal' and 'reduce'; build the cells of another one from space.split(arch)"
        )
    return cells


def _project(c_in: int, c_out: int) -> nn.Module:
    return ReLUConvBN(c_in, c_out, 1)


def _dropped(x: Tensor, probability: float) -> Tensor:
    """``x`` (B, C, H, W) with whole images set to zero, the others scaled up."""
    keep = 1 - probability
    mask = x.new_empty([x.shape[0], 1, 1, 1]).bernoulli_(keep)
    return x * mask / keep


def _stem(size: DartsSize) -> tuple[nn.Sequential, tuple[int, int]]:
    """Two parts, whose outputs the first cell reads, and the channels of both."""
    c, images = size.channels, size.in_channels
    if size.stem == "cifar":
        first = nn.Sequential(
            nn.Conv2d(images, 3 * c, 3, padding=1, bias=False), nn.BatchNorm2d(3 * c)
        )
        return nn.Sequential(first, nn.Identity()), (3 * c, 3 * c)
    half = c // 2
    first = nn.Sequential(
        nn.Conv2d(images, half, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(inplace=True),
        nn.Conv2d(half, c, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(c),
    )
    return nn.Sequential(first, ReLUConvBN(c, c, 3, stride=2)), (c, c)


def _auxiliary_head(channels: int, num_classes: int, stem: Stem) -> nn.Sequential:
    """DARTS's, with the same weights; its pooling takes images of any size instead of 8 x 8 or 7 x 7 alone."""
    layers: list[nn.Module] = [
        nn.ReLU(),  # not in place: the next cell reads the same values
        nn.AdaptiveAvgPool2d(2),
        nn.Conv2d(channels, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(inplace=True),
        nn.Conv2d(128, 768, 2, bias=False),
    ]
    if stem == "cifar":
        layers.append(
            nn.BatchNorm2d(768)
        )  # left out by mistake for ImageNet in DARTS, so there too
    return nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(768, num_classes))
