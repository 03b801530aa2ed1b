"""`build_model`: from a space and an architecture to a network, by the kind of the space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import singledispatch
from typing import Any

from torch import nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules.chain import (
    FBNET_OPERATIONS,
    ChainSize,
    FBNetSize,
    chain_network,
    fbnet_network,
)
from optuna_agnet.modules.darts import DARTS_CIFAR_SIZE, darts_cells, darts_network
from optuna_agnet.modules.darts_operations import DARTS_OPERATIONS
from optuna_agnet.modules.edge_cell import NAS_BENCH_201_SIZE, edge_cell_network
from optuna_agnet.modules.mobile_net import MobileNetSize, mobile_net
from optuna_agnet.modules.network import Stem
from optuna_agnet.modules.node_cell import NAS_BENCH_101_SIZE, most_feeders, node_cell_network
from optuna_agnet.modules.operations import BUILT_IN, OperationBuilder, operation_builders
from optuna_agnet.modules.recurrent import LanguageModelSize, language_model
from optuna_agnet.modules.vision_transformer import VisionTransformerSize, vision_transformer
from optuna_agnet.spaces import (
    Chain,
    DartsCell,
    EdgeCell,
    Network,
    NodeCell,
    RecurrentCell,
    SearchSpace,
    Stack,
    fbnet,
)
from optuna_agnet.spaces.checks import check_architecture


@dataclass(frozen=True, slots=True)
class Skeleton:
    """How one kind of space becomes a network.

    Args:
        build: ``build(space, arch, builders, size)`` gives the network.
        size: The size where the user says none, the benchmark's own; its fields are what `build_model` takes.
        built_in: Operations that need no builder from the user.
        ops: The operations of the space; None: ``space.ops``.
        least_channels: Fewest channels with which every architecture of the space can be built.

    Example:
        >>> from optuna_agnet import spaces
        >>> skeleton_of(spaces.nas_bench_201()).size.widths
        (16, 32, 64)
    """

    build: Callable[[Any, Architecture, Mapping[str, OperationBuilder], Any], nn.Module]
    size: Any
    built_in: Mapping[str, OperationBuilder] = field(default_factory=lambda: BUILT_IN)
    ops: tuple[str, ...] | None = None
    least_channels: int = 1


@singledispatch
def skeleton_of(space: object) -> Skeleton:
    """The skeleton for a kind of space; new kinds join with ``@skeleton_of.register``.

    Raises:
        ValueError: There is none for this kind.

    Example:
        >>> from optuna_agnet import spaces
        >>> skeleton_of(spaces.nas_bench_101()).size.channels
        128
    """
    raise ValueError(
        f"build_model has no network for {space!r}: it builds cells of EdgeCell, NodeCell and "
        "DartsCell spaces, chains and recurrent cells; register another kind with "
        "optuna_agnet.modules.skeleton_of.register"
    )


@skeleton_of.register
def _(space: EdgeCell) -> Skeleton:
    return Skeleton(edge_cell_network, NAS_BENCH_201_SIZE)


@skeleton_of.register
def _(space: NodeCell) -> Skeleton:
    return Skeleton(node_cell_network, NAS_BENCH_101_SIZE, least_channels=most_feeders(space))


@skeleton_of.register
def _(space: DartsCell) -> Skeleton:
    return Skeleton(darts_network, DARTS_CIFAR_SIZE, DARTS_OPERATIONS)


@skeleton_of.register
def _(space: Chain) -> Skeleton:
    if space == fbnet():
        return Skeleton(fbnet_network, FBNetSize(), FBNET_OPERATIONS, least_channels=2)
    return Skeleton(chain_network, ChainSize(), FBNET_OPERATIONS)


@skeleton_of.register
def _(space: Network) -> Skeleton:
    shape = _shape(space.values(space.random_architecture(0)))
    if shape == _shape({"width": 1, "blocks": [{"heads": 1, "ratio": 1.0}]}):
        return Skeleton(vision_transformer, VisionTransformerSize(), ops=())
    blocks = [{"kernel": 1, "expansion": 1}]
    if shape == _shape({f"stage_{i}": blocks for i in range(1, 6)}):
        return Skeleton(mobile_net, MobileNetSize(), ops=())
    raise ValueError(
        f"build_model has no network for {space!r}: hand the values to your own,"
        " MyNetwork(**space.values(arch)); of networks it builds those of spaces.mobile_net() and"
        " spaces.vision_transformer()"
    )


def _shape(value: object) -> object:
    """The names in plain values, without the values."""
    if isinstance(value, dict):
        return {name: _shape(part) for name, part in value.items()}
    return [_shape(value[0])] if isinstance(value, list) and value else None


@skeleton_of.register
def _(space: RecurrentCell) -> Skeleton:
    return Skeleton(language_model, LanguageModelSize(), ops=())


@skeleton_of.register
def _(space: Stack) -> Skeleton:
    ops = dict.fromkeys(op for cell in darts_cells(space).values() for op in cell.ops)
    return Skeleton(darts_network, DARTS_CIFAR_SIZE, DARTS_OPERATIONS, tuple(ops))


def build_model(
    space: SearchSpace,
    arch: Architecture,
    *,
    ops: Mapping[str, OperationBuilder] | None = None,
    num_classes: int | None = None,
    in_channels: int | None = None,
    channels: int | None = None,
    cells_per_stage: int | None = None,
    stages: int | None = None,
    stem: Stem | None = None,
    auxiliary: bool | None = None,
    drop_path: float | None = None,
    vocabulary: int | None = None,
    embedding: int | None = None,
    hidden: int | None = None,
    layers: int | None = None,
    dropout: float | None = None,
    image_size: int | None = None,
    patch_size: int | None = None,
) -> nn.Module:
    """A network whose cells are ``arch``, in the macro skeleton of the space's benchmark.

    | space | skeleton | default size |
    | --- | --- | --- |
    | `EdgeCell` | NAS-Bench-201 (Dong & Yang 2020) | 16 channels, 5 cells a stage |
    | `NodeCell` | NAS-Bench-101 (Ying et al. 2019) | 128 channels, 3 cells a stage |
    | `DartsCell`, `Stack` of two | DARTS (Liu et al. 2019) | 36 channels, 6 cells a stage |
    | `spaces.fbnet()` | FBNet (Wu et al. 2019) | 16 channels after the stem |
    | `Chain` | stages of equally many layers | 16 channels |
    | `spaces.mobile_net()` | MobileNetV3 of once-for-all (Cai et al. 2020) | 16 channels after the stem |
    | `spaces.vision_transformer()` | ViT (Dosovitskiy et al. 2021) | images of 32, patches of 4 pixels |
    | `RecurrentCell` | NAS-Bench-NLP (Klyuchnikov et al. 2020) | 3 layers of 600, 600 and 400 units |

    By default the trainable parameters are as many as the benchmark's own table says. Weights start as PyTorch
    starts them, drawn from its global generator: call `torch.manual_seed` before for the same weights again. Batch
    normalisation is PyTorch's too (momentum 0.1; NAS-Bench-101 trained with 0.003, which needs long runs).

    Args:
        space: Where the architecture comes from.
        arch: An architecture of the space.
        ops: ``{name: builder}`` for operations of your own, or in place of built-in ones.
            ``builder(c_in, c_out)`` gives a module (B, c_in, H, W) -> (B, c_out, H, W) that must not change its input
            in place: other operations read it too. In DARTS cells and chains it is ``builder(c_in, c_out, stride)``,
            where a stride of 2 halves height and width, rounded up. Builders of cells get c_in == c_out.
        num_classes: Outputs; 10 by default.
        in_channels: Channels of the images, 1 for grey ones; 3 by default.
        channels: Channels after the stem; each later stage doubles them. In DARTS networks those of a node; the own
            widths of FBNet and once-for-all are scaled with it.
        cells_per_stage: Cells a stage, in DARTS networks without the reduction cells between stages. DARTS's 14
            cells for ImageNet are 4 a stage.
        stages: Stages, with height and width halved (rounded up) between them; 3 by default.
        stem: DARTS, FBNet and once-for-all. "cifar" (default) for small images, "imagenet" has strides for large ones.
        auxiliary: DARTS. In training the network gives a pair, its logits and those of an auxiliary classifier.
        drop_path: DARTS. Probability in training that an image loses an operation's result; the network's
            attribute of this name changes it later.
        vocabulary: Recurrent cells. Words that the language model knows; 10,000 by default.
        embedding: Recurrent cells. Size of a word's vector and hidden units of the last layer.
        hidden: Recurrent cells. Hidden units of the layers before the last.
        layers: Recurrent cells. Layers.
        dropout: Recurrent cells. Probability in training that an entry of the embedding or of a layer's output is zero.
        image_size: Vision transformers. Height and width of the images; 224 for ImageNet.
        patch_size: Vision transformers. Height and width of a patch; 16 for ImageNet.

    Returns:
        A module (B, in_channels, H, W) -> (B, num_classes) logits, with the parts ``stem``, ``cells`` and ``head``.
        Of a recurrent cell a `LanguageModel`, tokens (B, T) -> logits (B, T, vocabulary) and the states to go on with.

    Raises:
        ValueError: An operation has no builder or a builder no operation, the architecture is not the space's, a size
            is no positive integer, an argument has no meaning for this kind of space, ``channels`` are too few for
            the cells of the space, or the space is of a kind without a skeleton.
        TypeError: A builder is no function or gives no module, or an argument has another type.

    Example:
        >>> import torch
        >>> from optuna_agnet import spaces
        >>> space = spaces.EdgeCell(nodes=3, ops=("skip_connect", "wide"))
        >>> arch = space.parse("|wide~0|+|skip_connect~0|wide~1|")
        >>> wide = lambda c_in, c_out: torch.nn.Conv2d(c_in, c_out, 7, padding=3)
        >>> model = build_model(space, arch, ops={"wide": wide}, in_channels=1, channels=4)
        >>> model(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])

        DARTS's network for ImageNet:

        >>> space = spaces.darts()
        >>> model = build_model(
        ...     space,
        ...     space.random_architecture(0),
        ...     num_classes=1000,
        ...     channels=48,
        ...     cells_per_stage=4,
        ...     stem="imagenet",
        ...     auxiliary=True,
        ... )
        >>> len(model.cells)
        14
    """
    given = {
        k: v for k, v in locals().items() if k not in ("space", "arch", "ops") and v is not None
    }
    check_architecture(arch)
    skeleton = skeleton_of(space)
    size = _sized(space, skeleton, given)
    builders = operation_builders(
        space.ops if skeleton.ops is None else skeleton.ops, ops, skeleton.built_in
    )
    return skeleton.build(space, _own_form(space, arch), builders, size)


def _sized(space: SearchSpace, skeleton: Skeleton, chosen: Mapping[str, object]) -> Any:
    known = [f.name for f in fields(skeleton.size)]
    for name, value in chosen.items():
        if name not in known:
            raise ValueError(
                f"{name}={value!r} has no meaning for networks of {space!r}; they take {', '.join(known)}"
            )
    return replace(skeleton.size, **chosen)


def _own_form(space: SearchSpace, arch: Architecture) -> Architecture:
    """``arch`` without dead nodes; where there are none, with its nodes in the order in which they are given.

    NAS-Bench-101's channel counts depend on that order, which a space's canonical form changes.
    """
    canonical = space.canonical(arch)
    if (len(arch.nodes), len(arch.edges)) != (len(canonical.nodes), len(canonical.edges)):
        return canonical
    by_target = sorted(arch.edges, key=lambda edge: edge[::-1])
    return canonical if arch == canonical else Architecture(arch.nodes, tuple(by_target))
