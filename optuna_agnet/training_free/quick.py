"""Scores for whoever has a constructor and a batch of images, ready for ``AGNetSampler(scores=...)``."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.core.seeds import check_seed
from optuna_agnet.hardware import count_parameters
from optuna_agnet.training_free.networks import check_images, check_model
from optuna_agnet.training_free.scores import naswot


def quick_scores(
    build: Callable[[Architecture], nn.Module], images: Tensor, *, seed: int = 0
) -> dict[str, Callable[[Architecture], float]]:
    """Number of parameters and `naswot` of the network that an architecture becomes.

    Two scores that agree about as well with accuracy as any, at the price of building the network and of one pass.
    A small network says as much as a large one: few channels, one cell where the real one has five.

    Args:
        build: Gives the network of an architecture, freshly initialised, on the device of the images.
        images: (B, ...), at least two, such as training sees them; 16 to 64 are enough.
        seed: Of the weights; every architecture's draws of them begin alike. PyTorch's global generator is left alone.

    Returns:
        Functions of an architecture by name.

    Raises:
        TypeError: ``build`` is no function, or the images are no tensor.
        ValueError: ``images`` are no batch of at least two, as floating-point numbers.

    Example:
        >>> from optuna_agnet import AGNet, build_model, spaces
        >>> space = spaces.nas_bench_201()
        >>> images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> def build(arch):
        ...     return build_model(space, arch, channels=4, cells_per_stage=1)
        >>> scores = quick_scores(build, images)
        >>> arch = space.parse(
        ...     "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
        ... )
        >>> scores["parameters"](arch)
        7974.0
        >>> 0 < scores["naswot"](arch) < 100
        True
        >>> search = AGNet(space, seed=0, scores=scores)
    """
    if not callable(build) or isinstance(build, nn.Module):
        what = f"a {type(build).__name__}" if isinstance(build, nn.Module) else repr(build)
        raise TypeError(
            f"build is {what}: give a function that builds the network of an architecture,"
            " such as lambda arch: build_model(space, arch)"
        )
    check_images(images)
    check_seed(seed)

    @lru_cache(maxsize=1)  # both scores of an architecture are asked for one after the other
    def network(architecture: Architecture) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            model = build(architecture)
        check_model(model)
        return model

    return {
        "parameters": lambda architecture: float(count_parameters(network(architecture))),
        "naswot": lambda architecture: naswot(network(architecture), images),
    }
