"""The networks of once-for-all's mobile space (Cai et al. 2020): MobileNetV3 with stages of searched blocks.

Widths, strides, activations and squeeze-and-excitation are those of the authors' OFAMobileNetV3 with width 1.0.
Letters: B images, C channels, H and W height and width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules.network import ImageNetwork, Size, Stem, classifier
from optuna_agnet.modules.operations import OperationBuilder
from optuna_agnet.spaces import Network

# channels, stride of the first block, squeeze-and-excitation, h-swish instead of ReLU; the first stage is not searched
_STEM = 16
_STAGES = (
    (24, 2, False, False),
    (40, 2, True, False),
    (80, 2, False, True),
    (112, 1, True, True),
    (160, 2, True, True),
)
_HEAD = (960, 1280)
_SQUEEZE = 4


@dataclass(frozen=True, slots=True)
class MobileNetSize(Size):
    """How large a network of `spaces.mobile_net` is.

    Args:
        channels: Channels after the stem, 16 in once-for-all; those of all other layers are scaled with it, to
            multiples of 8.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        stem: "imagenet" is once-for-all's; "cifar" has stride 1 in the stem and in the first searched stage.
    """

    channels: int = 16
    num_classes: int = 10
    in_channels: int = 3
    stem: Stem = "cifar"


def divisible(channels: float) -> int:
    """The nearest multiple of 8 that is at least 8 and not more than a tenth smaller (MobileNet's rule).

    Example:
        >>> divisible(90), divisible(3)
        (88, 8)
    """
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


class SqueezeExcitation(nn.Module):
    """Channels weighted by what the whole image shows (Hu et al. 2018).

    Args:
        channels: C.

    Example:
        >>> import torch
        >>> SqueezeExcitation(16)(torch.zeros(2, 16, 4, 4)).shape
        torch.Size([2, 16, 4, 4])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = divisible(channels // _SQUEEZE)
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, inner, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels, 1),
            nn.Hardsigmoid(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H, W)
        """The weighted channels."""
        y: Tensor = x * self.weights(x)
        return y


class InvertedResidual(nn.Module):
    """MobileNetV3's block: 1x1 convolution to more channels, a convolution a channel, 1x1 convolution back.

    Args:
        c_in: Input channels.
        c_out: Output channels.
        stride: Step of the kernel, in pixels.
        kernel: Side of the odd square kernel, in pixels.
        expansion: Inner channels an input channel; with 1 the first convolution is left out.
        squeeze: Whether inner channels are weighted by `SqueezeExcitation`.
        swish: Whether the activation is h-swish instead of ReLU.

    Example:
        >>> import torch
        >>> InvertedResidual(16, 24, 2, kernel=5, expansion=4)(torch.zeros(2, 16, 8, 8)).shape
        torch.Size([2, 24, 4, 4])
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        stride: int,
        kernel: int,
        expansion: int,
        squeeze: bool = False,
        swish: bool = False,
    ) -> None:
        super().__init__()
        inner = c_in if expansion == 1 else divisible(c_in * expansion)
        parts = [] if expansion == 1 else [_conv(c_in, inner, 1, swish=swish)]
        parts.append(_conv(inner, inner, kernel, stride, inner, swish))
        if squeeze:
            parts.append(SqueezeExcitation(inner))
        linear = (nn.Conv2d(inner, c_out, 1, bias=False), nn.BatchNorm2d(c_out))
        self.branch = nn.Sequential(*parts, *linear)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, H/stride, W/stride)
        """The block's output."""
        y: Tensor = self.branch(x)
        return x + y if self.residual else y


def _conv(
    c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1, swish: bool = True
) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out),
        nn.Hardswish(inplace=True) if swish else nn.ReLU(inplace=True),
    )


def mobile_net(
    space: Network,
    arch: Architecture,
    builders: Mapping[str, OperationBuilder],
    size: MobileNetSize,
) -> nn.Sequential:
    """Stem, a fixed block, five stages of searched ones, two 1x1 convolutions, classifier.

    Args:
        space: `spaces.mobile_net()`, or another one with stages of such blocks.
        arch: Kernel and expansion of every block.
        builders: None are needed.
        size: Width and stem.

    Returns:
        A network (B, in_channels, H, W) -> (B, num_classes); parts ``stem``, ``cells``, ``head``.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.mobile_net()
        >>> arch = space.random_architecture(0)
        >>> network = mobile_net(space, arch, {}, MobileNetSize())
        >>> len(network.cells) == sum(map(len, space.values(arch).values()))
        True
    """
    large = size.stem == "imagenet"

    def scaled(channels: int) -> int:
        return divisible(channels * size.channels / _STEM)

    c_in, cells = scaled(_STEM), []
    first = InvertedResidual(c_in, c_in, 1, kernel=3, expansion=1)
    stem = nn.Sequential(_conv(size.in_channels, c_in, 3, 2 if large else 1), first)
    stages = zip(space.values(arch).values(), _STAGES, strict=True)
    for number, (blocks, (channels, step, squeeze, swish)) in enumerate(stages):
        for i, block in enumerate(blocks):
            stride = step if i == 0 and (large or number > 0) else 1
            c_out = scaled(channels)
            cells.append(
                InvertedResidual(c_in, c_out, stride, **block, squeeze=squeeze, swish=swish)
            )
            c_in = c_out
    inner, last = map(scaled, _HEAD)
    mixed = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(inner, last, 1, bias=False), nn.Hardswish(inplace=True)
    )
    head = nn.Sequential(_conv(c_in, inner, 1), mixed, classifier(last, size.num_classes))
    return ImageNetwork(OrderedDict(stem=stem, cells=nn.Sequential(*cells), head=head))
