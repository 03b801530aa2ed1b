"""The operations of DARTS cells, with a stride of 1 or 2 (Liu et al. 2019; quark0/darts, cnn/operations.py).

Letters: B images, C channels, H and W height and width.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from optuna_agnet.modules.operations import OperationBuilder


class FactorizedReduce(nn.Module):
    """Half the height and width, rounded up, by two 1x1 convolutions that read the even and the odd pixels.

    Args:
        c_in: Input channels.
        c_out: Output channels, at least two.

    Example:
        >>> FactorizedReduce(4, 6)(torch.zeros(2, 4, 7, 8)).shape
        torch.Size([2, 6, 4, 4])
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(c_in, c_out - c_out // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, ceil(H/2), ceil(W/2))
        """Both halves of the channels, normalised."""
        x = self.relu(x)
        # Padding makes odd sides fit; for even ones, all that DARTS's own code takes, it changes nothing.
        shifted = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        y: Tensor = self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))
        return y


class DepthwiseConv(nn.Sequential):
    """ReLU, a convolution a channel, a 1x1 convolution, batch normalisation: DARTS's ``dil_conv``, half a ``sep_conv``.

    Args:
        c_in: Input channels.
        c_out: Output channels.
        kernel: Side of the odd square kernel, in pixels.
        stride: Step of the kernel, in pixels.
        dilation: Distance of the kernel's taps, in pixels.

    Example:
        >>> DepthwiseConv(4, 8, kernel=5, stride=2, dilation=2)(torch.zeros(2, 4, 7, 7)).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int = 1, dilation: int = 1
    ) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.ReLU(),  # not in place: a node's value has several readers
            nn.Conv2d(
                c_in, c_in, kernel, stride, padding, dilation=dilation, groups=c_in, bias=False
            ),
            nn.Conv2d(c_in, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )


def _separable(c_in: int, c_out: int, stride: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        DepthwiseConv(c_in, c_in, kernel, stride), DepthwiseConv(c_in, c_out, kernel)
    )


DARTS_OPERATIONS: Mapping[str, OperationBuilder] = MappingProxyType(
    {
        "max_pool_3x3": lambda c_in, c_out, stride: nn.MaxPool2d(3, stride, 1),
        "avg_pool_3x3": lambda c_in, c_out, stride: nn.AvgPool2d(
            3, stride, 1, count_include_pad=False
        ),
        "skip_connect": lambda c_in, c_out, stride: (
            nn.Identity() if stride == 1 else FactorizedReduce(c_in, c_out)
        ),
        "sep_conv_3x3": lambda c_in, c_out, stride: _separable(c_in, c_out, stride, 3),
        "sep_conv_5x5": lambda c_in, c_out, stride: _separable(c_in, c_out, stride, 5),
        "dil_conv_3x3": lambda c_in, c_out, stride: DepthwiseConv(c_in, c_out, 3, stride, 2),
        "dil_conv_5x5": lambda c_in, c_out, stride: DepthwiseConv(c_in, c_out, 5, stride, 2),
    }
)
"""``builder(c_in, c_out, stride)`` of DARTS's operations; those without weights need c_in == c_out."""
