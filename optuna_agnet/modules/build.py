"""`build_model`: from a space and an architecture to a network, by the kind of the space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

from torch import nn

from optuna_agnet.architecture import Architecture
from optuna_agnet.modules.edge_cell import NAS_BENCH_201_SIZE, edge_cell_network
from optuna_agnet.modules.network import NetworkSize
from optuna_agnet.modules.node_cell import (
    NAS_BENCH_101_SIZE,
    most_feeders,
    node_cell_network,
)
from optuna_agnet.modules.operations import OperationBuilder, operation_builders
from optuna_agnet.spaces import CellSpace, EdgeCell, NodeCell


@dataclass(frozen=True, slots=True)
class Skeleton:
    """How one kind of space becomes a network.

    Args:
        build: ``build(space, arch, builders, size)`` gives the network.
        size: The size where the user says none, the benchmark's own.
        least_channels: Fewest channels with which every architecture of the space can be built.

    Example:
        >>> from optuna_agnet import spaces
        >>> skeleton_of(spaces.nas_bench_201()).size.widths
        (16, 32, 64)
    """

    build: Callable[[Any, Architecture, Mapping[str, OperationBuilder], NetworkSize], nn.Module]
    size: NetworkSize
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
        f"build_model has no network for {space!r}: it builds cells of EdgeCell and NodeCell "
        "spaces; register another kind with optuna_agnet.modules.skeleton_of.register"
    )


@skeleton_of.register
def _(space: EdgeCell) -> Skeleton:
    return Skeleton(edge_cell_network, NAS_BENCH_201_SIZE)


@skeleton_of.register
def _(space: NodeCell) -> Skeleton:
    return Skeleton(node_cell_network, NAS_BENCH_101_SIZE, most_feeders(space))


def build_model(
    space: CellSpace,
    arch: Architecture,
    *,
    ops: Mapping[str, OperationBuilder] | None = None,
    num_classes: int = 10,
    in_channels: int = 3,
    channels: int | None = None,
    cells_per_stage: int | None = None,
    stages: int | None = None,
) -> nn.Module:
    """An image classifier whose cells are ``arch``, in the macro skeleton of the space's benchmark.

    `EdgeCell` spaces get NAS-Bench-201's skeleton (Dong & Yang 2020), `NodeCell` spaces
    NAS-Bench-101's (Ying et al. 2019). By default the trainable parameters are as many as the
    benchmark's own table says. Weights start as PyTorch starts them, drawn from its global
    generator: call `torch.manual_seed` before for the same weights again. Batch normalisation is
    PyTorch's too (momentum 0.1; NAS-Bench-101 trained with 0.003, which needs long runs).

    Args:
        space: Where the architecture comes from.
        arch: An architecture of the space.
        ops: ``{name: builder}`` for operations of your own, or in place of built-in ones.
            ``builder(c_in, c_out)`` gives a module (B, c_in, H, W) -> (B, c_out, H, W) that must
            not change its input in place: other operations read it too. Both skeletons call
            builders with c_in == c_out.
        num_classes: Outputs.
        in_channels: Channels of the images, 1 for grey ones.
        channels: Channels after the stem; each later stage doubles them. None: 16 (`EdgeCell`),
            128 (`NodeCell`).
        cells_per_stage: Cells a stage. None: 5 (`EdgeCell`), 3 (`NodeCell`).
        stages: Stages, with height and width halved (rounded up) between them. None: 3.

    Returns:
        A module (B, in_channels, H, W) -> (B, num_classes) logits, with the parts ``stem``,
        ``cells`` and ``head``.

    Raises:
        ValueError: An operation has no builder or a builder no operation, the architecture is not
            the space's, a size is no positive integer, ``channels`` are too few for the cells of
            the space, or the space is of a kind without a skeleton.
        TypeError: A builder is not callable or gives no module.

    Example:
        >>> import torch
        >>> from optuna_agnet import spaces
        >>> space = spaces.EdgeCell(nodes=3, ops=("skip_connect", "wide"))
        >>> arch = space.parse("|wide~0|+|skip_connect~0|wide~1|")
        >>> wide = lambda c_in, c_out: torch.nn.Conv2d(c_in, c_out, 7, padding=3)
        >>> model = build_model(space, arch, ops={"wide": wide}, in_channels=1, channels=4)
        >>> model(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    skeleton = skeleton_of(space)
    chosen = {"channels": channels, "cells_per_stage": cells_per_stage, "stages": stages}
    size = replace(
        skeleton.size,
        num_classes=num_classes,
        in_channels=in_channels,
        **{name: value for name, value in chosen.items() if value is not None},
    )
    builders = operation_builders(space.ops, ops)
    return skeleton.build(space, _own_form(space, arch), builders, size)


def _own_form(space: CellSpace, arch: Architecture) -> Architecture:
    """``arch`` without dead nodes; where there are none, with its nodes in the order in which they are given.

    NAS-Bench-101's channel counts depend on that order, which a space's canonical form changes.
    """
    choices = space.choices([arch])
    if not space.is_valid(choices)[0]:
        raise ValueError(f"'{arch}' is no valid architecture of the space {space!r}")
    canonical = space.architectures(choices)[0]
    if (len(arch.nodes), len(arch.edges)) != (len(canonical.nodes), len(canonical.edges)):
        return canonical
    by_target = sorted(arch.edges, key=lambda edge: edge[::-1])
    return canonical if arch == canonical else Architecture(arch.nodes, tuple(by_target))
