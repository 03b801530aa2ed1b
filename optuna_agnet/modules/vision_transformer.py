"""Vision transformers (Dosovitskiy et al. 2021) whose blocks differ in heads and ratio, as AutoFormer's do.

Chen et al. 2021 search width, depth, and for each block its heads, of 64 channels each, and the ratio of its MLP. The
relative positions that their networks have besides are left out, so DeiT's networks are in the space.
Letters: B images, T tokens, D width, h heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules.network import Size, TakesImages
from optuna_agnet.modules.operations import OperationBuilder
from optuna_agnet.spaces import Network

_HEAD = 64  # channels of a head


@dataclass(frozen=True, slots=True)
class VisionTransformerSize(Size):
    """What is fixed about a vision transformer.

    Args:
        num_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        image_size: Height and width of the images, in pixels.
        patch_size: Height and width of a patch; 16 for images of 224.

    Raises:
        ValueError: The image is not made of whole patches.
    """

    num_classes: int = 10
    in_channels: int = 3
    image_size: int = 32
    patch_size: int = 4

    def __post_init__(self) -> None:
        Size.__post_init__(self)
        if self.image_size % self.patch_size:
            raise ValueError(
                f"image_size={self.image_size} must be a multiple of patch_size={self.patch_size}"
            )


class BlockValues(TypedDict):
    """What is searched of a block."""

    heads: int
    ratio: float


class TransformerBlock(nn.Module):
    """Attention and MLP, each behind a normalisation and added to its input.

    Args:
        width: D.
        heads: h, of 64 channels each whatever the width.
        ratio: Inner units of the MLP a channel.

    Example:
        >>> TransformerBlock(192, heads=3, ratio=4.0)(torch.zeros(2, 5, 192)).shape
        torch.Size([2, 5, 192])
    """

    def __init__(self, width: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * _HEAD * heads)
        self.project = nn.Linear(_HEAD * heads, width)
        inner = int(width * ratio)
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))

    def forward(self, x: Tensor) -> Tensor:  # (B, T, D) -> (B, T, D)
        """The block's output."""
        x = x + self.project(self._attention(self.norm_attention(x)))
        y: Tensor = x + self.mlp(self.norm_mlp(x))
        return y

    def _attention(self, x: Tensor) -> Tensor:  # (B, T, D) -> (B, T, 64 h)
        parts = self.query_key_value(x).unflatten(2, (3, self.heads, _HEAD))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (B, h, T, 64) each
        mixed = F.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(1, 2).flatten(2)


class VisionTransformer(TakesImages):
    """Patches, a class token, positions, the blocks, and a linear classifier.

    Args:
        width: D.
        blocks: Heads and ratio of each.
        size: Images, patches and classes.

    Example:
        DeiT's smallest network has 5,717,416 parameters:

        >>> size = VisionTransformerSize(num_classes=1000, image_size=224, patch_size=16)
        >>> deit = VisionTransformer(192, [{"heads": 3, "ratio": 4.0}] * 12, size)
        >>> sum(p.numel() for p in deit.parameters())
        5717416
    """

    def __init__(
        self, width: int, blocks: Sequence[BlockValues], size: VisionTransformerSize
    ) -> None:
        super().__init__()
        patches = (size.image_size // size.patch_size) ** 2
        self.patch = nn.Conv2d(size.in_channels, width, size.patch_size, size.patch_size)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.empty(1, patches + 1, width))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.cells = nn.Sequential(*(TransformerBlock(width, **block) for block in blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, size.num_classes)

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, H, W) -> (B, num_classes)
        """Logits."""
        x = self.patch(x).flatten(2).transpose(1, 2)  # (B, T - 1, D)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        y: Tensor = self.head(self.norm(self.cells(x)[:, 0]))
        return y


def vision_transformer(
    space: Network,
    arch: Architecture,
    builders: Mapping[str, OperationBuilder],
    size: VisionTransformerSize,
) -> VisionTransformer:
    """The transformer of an architecture.

    Args:
        space: `spaces.vision_transformer()`, or another one of a width and blocks of heads and ratio.
        arch: Width, and heads and ratio of every block.
        builders: None are needed.
        size: Images, patches and classes.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.vision_transformer()
        >>> network = vision_transformer(
        ...     space, space.random_architecture(0), {}, VisionTransformerSize()
        ... )
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    return VisionTransformer(**space.values(arch), size=size)
