"""Scores of untrained networks: NTK condition number and number of linear regions (TE-NAS, Chen et al. 2021).

Neither needs labels or training. A low condition number stands for a network that trains well, many linear regions
for one that can express much (the paper's sections 4.2 and C.5). `training_free_scores` is the objective of a study
with directions ("minimize", "maximize"); `rank_sum` says which of its trials is best.

Letters: B images, C channels, H and W height and width, S patches, P parameters, N architectures.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.arrays import FloatArray
from optuna_agnet.core.ranking import ranks
from optuna_agnet.core.validation import check_count
from optuna_agnet.modules import OperationBuilder, build_model, skeleton_of
from optuna_agnet.spaces.base import SearchSpace
from optuna_agnet.training_free.networks import (
    check_inputs,
    checked_output,
    untracked,
    watch_activations,
)

_CHUNK = 16  # gradients computed at once: bounds memory
_CHANNELS = 4  # of the network whose kernel is taken; 3 in TE-NAS, too few for a NAS-Bench-101 cell
_PATCHES, _SIDE = 3000, 2  # what regions are counted on: crops of one channel


@dataclass(frozen=True, slots=True)
class TrainingFreeScores:
    """What `training_free_scores` measured on one architecture.

    Args:
        ntk_condition_number: Lower is better; at least 1, infinity for a network that can't be trained.
        linear_regions: Higher is better.
        seconds: What measuring both took.
    """

    ntk_condition_number: float
    linear_regions: float
    seconds: float


def training_free_scores(
    space: SearchSpace,
    arch: Architecture,
    images: Tensor,
    *,
    ops: Mapping[str, OperationBuilder] | None = None,
    repeats: int = 3,
    seed: int = 0,
) -> TrainingFreeScores:
    """Both TE-NAS scores of an architecture: means over freshly drawn weights.

    The networks are `build_model`'s with one cell a stage. The kernel is taken on ``images`` with 4 channels and
    weights by He's rule over outputs, the regions on 3,000 random crops of 2 x 2 pixels of one channel with the
    fewest channels that the space allows and weights by He's rule over inputs. TE-NAS's code differs in three things:
    crops of 3 x 3 pixels, which in DARTS networks nearly all have a region of their own, whatever the cell, so that
    the count says little; a second network without stem and of fewer cells; 3 or 1 channels for the kernel. The same
    seed gives the same crops and starts the draws of weights alike for every architecture; PyTorch's global
    generator is left alone.

    Args:
        space: Where the architecture comes from; any kind whose networks read images.
        arch: An architecture of the space.
        images: (B, C, H, W) floating-point, at least two, best normalised; 32 are enough. Time grows with B squared.
            The scores are computed on their device.
        ops: Builders of your own operations, as for `build_model`.
        repeats: Draws of the weights to average over; 3 in TE-NAS and in the paper.
        seed: Of weights and crops.

    Returns:
        The scores, with the seconds they took.

    Raises:
        ValueError: ``images`` are no such batch, or as in `build_model`.

    Example:
        >>> from optuna_agnet import spaces
        >>> space = spaces.nas_bench_201()
        >>> images = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> conv = space.parse(
        ...     "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
        ... )
        >>> dead = space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
        >>> good, bad = (
        ...     training_free_scores(space, arch, images, repeats=1) for arch in (conv, dead)
        ... )
        >>> good.ntk_condition_number < bad.ntk_condition_number
        True
        >>> good.linear_regions > bad.linear_regions
        True
    """
    start = time.perf_counter()
    if images.dim() != 4 or min(images.shape[2:]) < _SIDE:
        raise ValueError(
            f"images of shape {tuple(images.shape)} must be (B, C, H, W) with sides of at least {_SIDE} pixels"
        )
    patches = _random_patches(images, torch.Generator().manual_seed(seed))
    least = skeleton_of(space).least_channels
    conditions, regions = [], []
    for repeat in range(check_count("repeats", repeats, 1)):
        wide = _network(space, arch, ops, images, max(_CHANNELS, least), "fan_out", seed + repeat)
        thin = _network(space, arch, ops, patches, least, "fan_in", seed + repeat)
        conditions.append(ntk_condition_number(wide, images))
        regions.append(count_linear_regions(thin, patches))
    return TrainingFreeScores(
        float(np.mean(conditions)), float(np.mean(regions)), time.perf_counter() - start
    )


def rank_sum(
    conditions: ArrayLike, regions: ArrayLike, weights: tuple[float, float] = (1.0, 1.0)
) -> FloatArray:
    """The weighted sum of both ranks for each of N architectures; the lowest is best (section C.5).

    A rank says how many of the N are strictly better, so equal scores share one.

    Args:
        conditions: NTK condition numbers, (N,).
        regions: Numbers of linear regions, (N,).
        weights: Of the two ranks; the paper's code and TE-NAS weigh them equally.

    Returns:
        (N,) sums, 0 for one that is best by both.

    Raises:
        ValueError: Lengths differ, a score is NaN, or a weight is negative.

    Example:
        >>> rank_sum([10.0, 90.0, 20.0], [700, 500, 900])
        array([1., 4., 1.])
        >>> rank_sum([10.0, 90.0, 20.0], [700, 500, 900], weights=(1, 3))
        array([3., 8., 1.])
    """
    low, high = np.asarray(conditions, dtype=np.float64), np.asarray(regions, dtype=np.float64)
    if low.ndim != 1 or low.shape != high.shape or np.isnan(low).any() or np.isnan(high).any():
        raise ValueError(
            f"conditions of shape {low.shape} and regions of shape {high.shape} must be two lists "
            "of equal length without NaN"
        )
    if min(weights) < 0:
        raise ValueError(f"weights={weights} must not be negative")
    return weights[0] * ranks(-low) + weights[1] * ranks(high)


def ntk_condition_number(model: nn.Module, images: Tensor) -> float:
    """Largest over smallest eigenvalue of the neural tangent kernel on a batch; lower is better (TE-NAS, section 3.1).

    The kernel is J J^T, where row b of J (B, P) is the gradient of the summed outputs for image b with respect to all
    parameters. Batch normalisation takes the statistics of the batch, dropout is off. The model is left as it was.

    Args:
        model: Any network (B, ...) -> (B, outputs), with the weights that it has.
        images: (B, ...), at least two, on the model's device.

    Returns:
        At least 1; infinity where the kernel is singular to the precision of the gradients, as for a network whose
        output does not depend on the image.

    Raises:
        TypeError: The model is no module, its output or the images no tensor.
        ValueError: Fewer than two images, or they are no floating-point numbers.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> images = torch.eye(4)
        >>> ntk_condition_number(nn.Linear(4, 3), images) < ntk_condition_number(
        ...     nn.Linear(4, 3), images + 1
        ... )
        True
    """
    check_inputs(model, images)
    network = untracked(model)

    def outputs(parameters: dict[str, Tensor]) -> Tensor:
        y = checked_output(network, functional_call(network, parameters, (images,)))
        return y.flatten(1).sum(1)  # (B,)

    value, pull_back, *_ = vjp(outputs, dict(network.named_parameters()))
    each = torch.eye(len(images), dtype=value.dtype, device=value.device)
    (gradients,) = vmap(pull_back, chunk_size=_CHUNK)(each)
    # In double precision, as the kernel squares the condition of J; parameter by parameter, as J may be large.
    rows = (g.detach().flatten(1).double() for g in gradients.values())
    kernel = sum((row @ row.T for row in rows), torch.zeros_like(each, dtype=torch.float64))
    eigenvalues = torch.linalg.eigvalsh(kernel).tolist()  # ascending
    smallest, largest = eigenvalues[0], eigenvalues[-1]
    noise = (len(images) * torch.finfo(value.dtype).eps) ** 2 * largest
    return largest / smallest if smallest > noise else float("inf")


def count_linear_regions(model: nn.Module, images: Tensor) -> int:
    """How many linear regions of the network a batch falls into; higher is better (TE-NAS, section 3.1).

    Images are in the same region when the inputs of all activations have the same signs. With many activations
    every image has a region of its own and the count says nothing: give thousands of small patches and a thin
    network, as `training_free_scores` does. Batch normalisation takes the statistics of the batch.

    Args:
        model: Any network with the weights that it has. Activations that are linear on both sides of 0, ReLU and leaky
            ReLU, have linear regions; for GELU, SiLU and their like the signs are only counted.
        images: (B, ...), on the model's device.

    Returns:
        1 to B.

    Raises:
        TypeError: The model is no module, or the images are no tensor.
        ValueError: Fewer than two images, no floating-point numbers, or no activation that is known.

    Example:
        >>> line = torch.linspace(-1, 1, 100)[:, None]
        >>> hinges = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
        >>> hinges[0].weight.data, hinges[0].bias.data = torch.ones(2, 1), torch.tensor([-0.5, 0.5])
        >>> count_linear_regions(hinges, line)
        3
    """
    check_inputs(model, images)
    signs: list[Tensor] = []  # each (B, activations)
    with torch.no_grad():
        watch_activations(untracked(model), images, lambda _, active: signs.append(active))
    packed = np.packbits(torch.cat(signs, dim=1).cpu().numpy(), axis=1)
    return len(np.unique(packed, axis=0))


def _network(
    space: SearchSpace,
    arch: Architecture,
    ops: Mapping[str, OperationBuilder] | None,
    like: Tensor,  # (., C, H, W)
    channels: int,
    mode: Literal["fan_in", "fan_out"],
    seed: int,
) -> nn.Module:
    """A small network with weights by He's rule."""
    depth = 1 if hasattr(skeleton_of(space).size, "cells_per_stage") else None
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = build_model(
            space,
            arch,
            ops=ops,
            in_channels=like.shape[1],
            channels=channels,
            cells_per_stage=depth,
        )
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return model.to(like.device)


def _random_patches(images: Tensor, rng: torch.Generator) -> Tensor:
    """Random crops of random channels, (S, 1, side, side)."""
    count, channels, height, width = images.shape
    bounds = (count, channels, height - _SIDE + 1, width - _SIDE + 1)
    b, c, y, x = (
        torch.randint(bound, (_PATCHES, 1, 1), generator=rng).to(images.device) for bound in bounds
    )
    step = torch.arange(_SIDE, device=images.device)
    return images[b, c, y + step[:, None], x + step][:, None]
