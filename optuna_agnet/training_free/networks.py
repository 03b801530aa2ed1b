"""What all scores of an untrained network share: a copy that is safe to run, and what its activations see.

Letters: B images.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import replace_all_batch_norm_modules_
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

ACTIVATIONS: frozenset[Callable[..., Any]] = frozenset(
    {
        *(torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu, F.relu6),
        *(F.leaky_relu, F.rrelu, F.prelu, F.elu, F.selu, F.celu),
        *(F.gelu, F.silu, F.mish, F.hardswish),
        F.hardtanh,  # what the module ReLU6 calls
    }
)
"""Functions that switch at 0, which is what linear regions and activation patterns are about."""


def check_images(images: Tensor) -> None:
    """Refuse what is no batch of floating-point numbers.

    Raises:
        TypeError: No tensor.
        ValueError: Fewer than two images, or of another type.
    """
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images are a {type(images).__name__}: give a tensor, such as torch.as_tensor(images)"
        )
    if images.dim() == 0 or len(images) < 2 or not images.is_floating_point():
        raise ValueError(
            f"images of shape {tuple(images.shape)} and type {images.dtype}: give at least two, "
            "as floating-point numbers"
        )


def check_model(model: nn.Module) -> None:
    """Refuse what is no network.

    Raises:
        TypeError: No module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model={model!r} is no torch.nn.Module: give the network of an architecture, such as"
            " build_model(space, arch)"
        )


def check_inputs(model: nn.Module, images: Tensor) -> None:
    """Both `check_model` and `check_images`."""
    check_model(model)
    check_images(images)


def checked_output(network: nn.Module, output: object) -> Tensor:
    """The output of a network as it is.

    Raises:
        TypeError: It is no tensor.
    """
    if not isinstance(output, Tensor):
        raise TypeError(
            f"{type(network).__name__} returns a {type(output).__name__}: a score needs one tensor, such as the"
            " logits; wrap the network in a module that returns them alone"
        )
    return output


def untracked(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode, but with batch normalisation by the batch's own statistics."""
    return replace_all_batch_norm_modules_(deepcopy(model)).eval()


def watch_activations(
    network: nn.Module,
    images: Tensor,  # (B, ...)
    record: Callable[[Tensor, Tensor], None],
) -> Tensor:
    """The network's output, while ``record`` sees the input of each activation and where it is positive.

    Modules and functions are seen alike. The second argument is boolean, (B, units); it is taken before the
    activation runs, which may be in place.

    Raises:
        ValueError: No activation is called, or one sees another number of images.
    """
    count = len(images)
    seen = 0

    def note(x: Tensor) -> None:
        nonlocal seen
        seen += 1
        if x.dim() == 0 or len(x) % count:
            raise ValueError(
                f"an activation of {type(network).__name__} sees a tensor of shape {tuple(x.shape)}, which does not"
                f" begin with the {count} images: activations must keep the batch in front"
            )
        record(x, x.detach().reshape(count, -1) > 0)

    with _Watch(note):
        output: Tensor = network(images)
    if not seen:
        raise ValueError(
            f"{type(network).__name__} calls no activation such as torch.nn.ReLU: what this score counts is where"
            " activations switch"
        )
    return output


class _Watch(TorchFunctionMode):
    """Shows the input of every activation that is called inside to ``note``."""

    def __init__(self, note: Callable[[Tensor], None]) -> None:
        super().__init__()
        self._note = note

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func in ACTIVATIONS:
            self._note(args[0] if args else given["input"])
        return func(*args, **given)
