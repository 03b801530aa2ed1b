"""The operations of a cell: the benchmarks' own, and the user's builders beside them.

Letters: B images, C channels, H and W height and width; every feature map is (B, C, H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy

_SIDE = 8  # of the images on which an operation is tried

OperationBuilder: TypeAlias = Callable[..., nn.Module]
"""``builder(c_in, c_out)`` gives a module (B, c_in, H, W) -> (B, c_out, H, W).

Where operations may halve the image, in DARTS cells and chains, it is ``builder(c_in, c_out, stride)`` with a stride
of 1 or 2, and the module gives height and width divided by it, rounded up.
"""


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, batch normalisation: NAS-Bench-201's order (Dong & Yang 2020).

    Args:
        c_in: Input channels.
        c_out: Output channels.
        kernel: Side of the odd square kernel, in pixels.
        stride: Step of the kernel, in pixels.

    Example:
        >>> import torch
        >>> ReLUConvBN(4, 8, kernel=3)(torch.zeros(2, 4, 5, 5)).shape
        torch.Size([2, 8, 5, 5])
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReLU(),  # not in place: a node's value has several readers
            nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
        )


class ConvBNReLU(nn.Sequential):
    """Convolution, batch normalisation, ReLU: NAS-Bench-101's order (Ying et al. 2019).

    Args:
        c_in: Input channels.
        c_out: Output channels.
        kernel: Side of the odd square kernel, in pixels.

    Example:
        >>> import torch
        >>> ConvBNReLU(4, 8, kernel=1)(torch.zeros(2, 4, 5, 5)).shape
        torch.Size([2, 8, 5, 5])
    """

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
        )


class Zero(nn.Module):
    """Zeros of the input's shape; the operation ``none``.

    A product, as in the NAS-Bench-201 code, so that parameters before it get gradients of zero
    rather than none at all (`DistributedDataParallel` refuses the latter).

    Example:
        >>> import torch
        >>> float(Zero()(torch.ones(1, 1, 2, 2)).sum())
        0.0
    """

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H, W)
        """Zeros with the shape, type and device of ``x``."""
        return x * 0.0


BUILT_IN: Mapping[str, OperationBuilder] = MappingProxyType(
    {
        # NAS-Bench-201
        "none": lambda c_in, c_out: Zero(),
        "skip_connect": lambda c_in, c_out: nn.Identity(),
        "nor_conv_1x1": lambda c_in, c_out: ReLUConvBN(c_in, c_out, 1),
        "nor_conv_3x3": lambda c_in, c_out: ReLUConvBN(c_in, c_out, 3),
        "avg_pool_3x3": lambda c_in, c_out: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        # NAS-Bench-101
        "conv1x1-bn-relu": lambda c_in, c_out: ConvBNReLU(c_in, c_out, 1),
        "conv3x3-bn-relu": lambda c_in, c_out: ConvBNReLU(c_in, c_out, 3),
        "maxpool3x3": lambda c_in, c_out: nn.MaxPool2d(3, 1, 1),
    }
)
"""Operations that need no builder from the user; those without weights need c_in == c_out."""


def operation_builders(
    names: Iterable[str],
    ops: Mapping[str, OperationBuilder] | None = None,
    built_in: Mapping[str, OperationBuilder] = BUILT_IN,
) -> dict[str, OperationBuilder]:
    """A builder for every operation of a space; the user's go before the built-in ones.

    Args:
        names: The space's operations.
        ops: The user's builders, ``{name: builder}``.
        built_in: What needs none from the user.

    Returns:
        ``{name: builder}`` in the order of ``names``.

    Raises:
        ValueError: An operation has no builder, or a builder no operation.
        TypeError: A builder is no function, or ``ops`` no mapping.

    Example:
        >>> list(operation_builders(["none", "wide"], {"wide": lambda i, o: ReLUConvBN(i, o, 7)}))
        ['none', 'wide']
    """
    if not isinstance(ops, Mapping | None):
        raise TypeError(
            f"ops={ops!r} must be a dict of builders, {{name: (c_in, c_out) -> Module}}"
        )
    names, given = tuple(names), dict(ops or {})
    arguments = ", ".join(signature(next(iter(built_in.values()))).parameters)
    for name, builder in given.items():
        if name not in names:
            raise ValueError(
                f"ops={{{name!r}: ...}} names no operation of the space that takes a builder; it has "
                f"{', '.join(names) or 'none'}"
            )
        if not callable(builder) or isinstance(builder, nn.Module):
            raise TypeError(
                f"ops[{name!r}]={builder!r} must be a function ({arguments}) -> Module, such as lambda {arguments}: ..."
            )
    known = {**built_in, **given}
    for name in names:
        if name not in known:
            raise ValueError(
                f"unknown operation {name!r}: known are {', '.join(known)}; give build_model a "
                f"builder for it, ops={{{name!r}: lambda {arguments}: ...}}"
            )
    return {name: known[name] for name in names}


def build_operation(
    builders: Mapping[str, OperationBuilder], name: str, *arguments: int
) -> nn.Module:
    """The module of operation ``name``, tried once for what it gives.

    Args:
        builders: A builder for every operation.
        name: The operation.
        arguments: Channels in and out, and the stride where the builder takes one.

    Raises:
        TypeError: The builder takes other arguments, or gave something other than a module.
        ValueError: The module gives another shape, or changes its input in place.

    Example:
        >>> build_operation(BUILT_IN, "maxpool3x3", 4, 4).kernel_size
        3
    """
    wanted = ", ".join(("c_in", "c_out", "stride")[: len(arguments)])
    try:
        signature(builders[name]).bind(*arguments)
    except ValueError:  # some callables have no signature
        pass
    except TypeError as error:
        raise TypeError(
            f"the builder of operation {name!r} is called with ({wanted}): {error}"
        ) from None
    module = builders[name](*arguments)
    if not isinstance(module, nn.Module):
        raise TypeError(f"the builder of operation {name!r} gave {module!r}, not a torch.nn.Module")
    _check_result(name, module, *arguments)
    return module


def _check_result(name: str, module: nn.Module, c_in: int, c_out: int, stride: int = 1) -> None:
    """Refuse a module that gives another shape, which could broadcast silently where values are summed.

    It is tried once, here, on images and weights without data: a check in ``forward`` would be in the way of
    TorchScript and torch.fx. What can't be computed without data (or on 8 x 8 pixels) is left to the first real images.

    Raises:
        ValueError: The result has another shape, or the input was changed.
    """
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if any(is_lazy(tensor) for tensor in state.values()):
        return
    with torch.inference_mode(False), torch.no_grad():
        x = torch.empty(2, c_in, _SIDE, _SIDE, device="meta")
        before = x._version
        try:
            y = functional_call(module, {k: v.to("meta") for k, v in state.items()}, (x,))
        except Exception:
            return
    if x._version != before:
        raise ValueError(
            f"operation {name!r} changed its input in place, which other operations read too: let it begin with"
            " something else, or without inplace=True"
        )
    side = -(-_SIDE // stride)
    if y.shape != (2, c_out, side, side):
        raise ValueError(
            f"operation {name!r} turned shape {tuple(x.shape)} into {tuple(y.shape)} instead of "
            f"{(2, c_out, side, side)}: it must give c_out channels and divide height and width by its stride, "
            "rounded up (padding kernel // 2)"
        )
