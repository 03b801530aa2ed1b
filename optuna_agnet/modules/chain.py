"""Networks of one chosen block a layer: a plain chain, and FBNet's macro skeleton.

Source of the latter: Wu et al. 2019, tables 1 and 2, as in HW-NAS-Bench's code (hw_nas_bench_api/fbnet_models).
Letters: B images, C channels, H and W height and width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules.network import ImageNetwork, Size, Stem, classifier
from optuna_agnet.modules.operations import OperationBuilder, build_operation
from optuna_agnet.spaces import Chain

# Table 1: channels, layers, and the stride of the first of them, a stage.
_FBNET_STAGES = (
    (16, 1, 1),
    (24, 4, 2),
    (32, 4, 2),
    (64, 4, 2),
    (112, 4, 1),
    (184, 4, 2),
    (352, 1, 1),
)
_FBNET_HEAD = {"cifar": 1504, "imagenet": 1984}  # the former is HW-NAS-Bench's


@dataclass(frozen=True, slots=True)
class ChainSize(Size):
    """How large the network around a chain is.

    Args:
        channels: Channels after the stem; every later stage has twice those of the one before.
        stages: Stages, among which the layers are shared out evenly; the first layer of a later one has stride 2.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
    """

    channels: int = 16
    stages: int = 3
    num_classes: int = 10
    in_channels: int = 3


@dataclass(frozen=True, slots=True)
class FBNetSize(Size):
    """How large an FBNet is.

    Args:
        channels: Channels after the stem, 16 in FBNet; those of all other layers are scaled with it, to even numbers.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        stem: "imagenet" is FBNet's; "cifar" has stride 1 in the stem and in the second stage, as in HW-NAS-Bench.
    """

    channels: int = 16
    num_classes: int = 10
    in_channels: int = 3
    stem: Stem = "cifar"


class MobileBlock(nn.Module):
    """FBNet's block: 1x1 convolution to more channels, a convolution a channel, 1x1 convolution, and the input added.

    Args:
        c_in: Input channels.
        c_out: Output channels.
        stride: Step of the kernel, in pixels.
        kernel: Side of the odd square kernel, in pixels.
        expansion: Inner channels an input channel.
        groups: Of the 1x1 convolutions; their channels are shuffled where there are more than one.

    Example:
        >>> import torch
        >>> MobileBlock(4, 8, stride=2, kernel=5, expansion=3)(torch.zeros(2, 4, 7, 7)).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(
        self, c_in: int, c_out: int, stride: int, kernel: int, expansion: int, groups: int = 1
    ) -> None:
        super().__init__()
        inner = expansion * c_in
        self.branch = nn.Sequential(
            nn.Conv2d(c_in, inner, 1, groups=groups, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.ChannelShuffle(groups) if groups > 1 else nn.Identity(),
            nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, c_out, 1, groups=groups, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, H/stride, W/stride)
        """The block's output."""
        y: Tensor = self.branch(x)
        return x + y if self.residual else y


def _skip(c_in: int, c_out: int, stride: int) -> nn.Module:
    return nn.Identity() if stride == 1 and c_in == c_out else _conv_bn_relu(c_in, c_out, 1, stride)


def _conv_bn_relu(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


def _block(kernel: int, expansion: int, groups: int = 1) -> OperationBuilder:
    return lambda c_in, c_out, stride: MobileBlock(c_in, c_out, stride, kernel, expansion, groups)


FBNET_OPERATIONS: Mapping[str, OperationBuilder] = MappingProxyType(
    {
        "k3_e1": _block(3, 1),
        "k3_e1_g2": _block(3, 1, 2),
        "k3_e3": _block(3, 3),
        "k3_e6": _block(3, 6),
        "k5_e1": _block(5, 1),
        "k5_e1_g2": _block(5, 1, 2),
        "k5_e3": _block(5, 3),
        "k5_e6": _block(5, 6),
        "skip": _skip,
    }
)
"""``builder(c_in, c_out, stride)`` of FBNet's nine blocks (Table 2)."""


class Layers(nn.Module):
    """The chosen blocks one after the other.

    Args:
        names: The choice a layer.
        builders: A builder for every choice.
        shapes: ``(c_in, c_out, stride)`` a layer.

    Example:
        >>> import torch
        >>> layers = Layers(["k3_e3", "skip"], FBNET_OPERATIONS, [(4, 8, 2), (8, 8, 1)])
        >>> layers(torch.zeros(2, 4, 8, 8)).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(
        self,
        names: list[str],
        builders: Mapping[str, OperationBuilder],
        shapes: list[tuple[int, int, int]],
    ) -> None:
        super().__init__()
        self.shapes = shapes
        pairs = zip(names, shapes, strict=True)
        self.operations = nn.ModuleList(
            build_operation(builders, name, *shape) for name, shape in pairs
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C', H', W')
        """The last layer's output."""
        for operation in self.operations:
            x = operation(x)
        return x


def chain_network(
    space: Chain, arch: Architecture, builders: Mapping[str, OperationBuilder], size: ChainSize
) -> nn.Sequential:
    """A convolution as stem, the layers in stages of doubled width, classifier.

    For widths and strides of your own, join the layers yourself: ``arch.nodes[1:-1]`` are the choices.

    Args:
        space: Where ``arch`` comes from.
        arch: One choice a layer.
        builders: A builder for every choice, which takes a stride.
        size: Width and number of stages.

    Returns:
        A network (B, in_channels, H, W) -> (B, num_classes); parts ``stem``, ``cells``, ``head``.

    Raises:
        ValueError: There are more stages than layers.

    Example:
        >>> space = Chain([("k3_e1", "k5_e1")] * 3)
        >>> network = chain_network(
        ...     space, space.parse("k3_e1,k5_e1,k3_e1"), FBNET_OPERATIONS, ChainSize(channels=4)
        ... )
        >>> network.cells.shapes
        [(4, 4, 1), (4, 8, 2), (8, 16, 2)]
    """
    count = len(space.layers)
    if size.stages > count:
        raise ValueError(f"stages={size.stages} is more than the {count} layers of {space!r}")
    stage_of = [i * size.stages // count for i in range(count)]
    shapes, c_in = [], size.channels
    for i, stage in enumerate(stage_of):
        starts = i > 0 and stage != stage_of[i - 1]
        shapes.append((c_in, size.channels * 2**stage, 2 if starts else 1))
        c_in = size.channels * 2**stage
    stem = _conv_bn_relu(size.in_channels, size.channels, 3)
    return _joined(arch, builders, stem, shapes, classifier(c_in, size.num_classes))


def fbnet_network(
    space: Chain, arch: Architecture, builders: Mapping[str, OperationBuilder], size: FBNetSize
) -> nn.Sequential:
    """FBNet: stem, 22 layers in seven stages, a 1x1 convolution, classifier (Wu et al. 2019, Table 1).

    Args:
        space: `spaces.fbnet()`.
        arch: One block a layer.
        builders: A builder for every block.
        size: Width and stem.

    Returns:
        A network (B, in_channels, H, W) -> (B, num_classes); parts ``stem``, ``cells``, ``head``.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.fbnet()
        >>> arch = space.random_architecture(0)
        >>> network = fbnet_network(space, arch, FBNET_OPERATIONS, FBNetSize())
        >>> network.cells.shapes[0], network.cells.shapes[-1]
        ((16, 16, 1), (184, 352, 1))
    """
    large = size.stem == "imagenet"

    def scaled(channels: int) -> int:
        return 2 * max(1, round(channels * size.channels / 16 / 2))

    shapes, c_in = [], scaled(16)
    for c_out, stride in _fbnet_layers(large):
        shapes.append((c_in, scaled(c_out), stride))
        c_in = scaled(c_out)
    last = scaled(_FBNET_HEAD[size.stem])
    stem = _conv_bn_relu(size.in_channels, scaled(16), 3, 2 if large else 1)
    head = nn.Sequential(_conv_bn_relu(c_in, last, 1), classifier(last, size.num_classes))
    return _joined(arch, builders, stem, shapes, head)


def _fbnet_layers(large: bool) -> Iterator[tuple[int, int]]:
    """Channels and stride of every layer."""
    for stage, (channels, layers, stride) in enumerate(_FBNET_STAGES):
        yield channels, stride if large or stage != 1 else 1
        yield from [(channels, 1)] * (layers - 1)


def _joined(
    arch: Architecture,
    builders: Mapping[str, OperationBuilder],
    stem: nn.Module,
    shapes: list[tuple[int, int, int]],
    head: nn.Module,
) -> nn.Sequential:
    cells = Layers(list(arch.nodes[1:-1]), builders, shapes)
    return ImageNetwork(OrderedDict(stem=stem, cells=cells, head=head))
