"""What all macro skeletons share: their size, and the classifier at their end."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from torch import Tensor, nn

from optuna_agnet.core.validation import check_count

Stem: TypeAlias = Literal["cifar", "imagenet"]
"""What is in front of the cells: for small images, or with strides for large ones."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a network is; fields are what `build_model` takes for this kind of space.

    Raises:
        ValueError: An integer is not positive, or another field has no meaning.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "stem":
                if value not in ("cifar", "imagenet"):
                    raise ValueError(f"stem={value!r} must be 'cifar' or 'imagenet'")
            elif field.type == "int":
                check_count(field.name, value, 1)


@dataclass(frozen=True, slots=True)
class NetworkSize(Size):
    """How large a network around a cell is.

    Args:
        channels: Channels after the stem; every later stage has twice those of the one before.
        cells_per_stage: Cells in a stage.
        stages: Stages; height and width are halved between them.
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.

    Example:
        >>> NetworkSize(channels=16, cells_per_stage=5, stages=3).widths
        (16, 32, 64)
    """

    channels: int
    cells_per_stage: int
    stages: int
    num_classes: int = 10
    in_channels: int = 3

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.channels * 2**stage for stage in range(self.stages))


class TakesImages(nn.Module):
    """A network that says what it takes where it is given vectors; asked outside of ``forward``, which is traced."""

    def __call__(self, images: Any, *more: Any, **named: Any) -> Any:
        """The network's output for images (B, C, H, W).

        Raises:
            ValueError: A tensor with other dimensions.
        """
        if isinstance(images, Tensor) and images.dim() != 4:
            raise ValueError(
                f"this network takes images (B, C, H, W), not a tensor of shape {tuple(images.shape)}: for vectors,"
                " sequences or graphs give your own module the architecture's nodes and edges, as docs/build.md does"
            )
        return super().__call__(images, *more, **named)


class ImageNetwork(TakesImages, nn.Sequential):
    """Parts of an image network, one after the other."""


def classifier(channels: int, num_classes: int) -> nn.Sequential:
    """Global average pooling and a linear layer: (B, channels, H, W) -> (B, num_classes) logits.

    Example:
        >>> import torch
        >>> classifier(8, 10)(torch.zeros(2, 8, 4, 4)).shape
        torch.Size([2, 10])
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
