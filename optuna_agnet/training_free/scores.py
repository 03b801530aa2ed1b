"""Scores of an untrained network in one or two passes: NASWOT, its Jacobian form, synflow, gradient norm, Zen-score.

Each takes a model with the weights that it has and a batch; larger is better, and only their order means something.
The model is left as it was. Batch normalisation takes the statistics of the batch, dropout is off.

Letters: B images, P pixels of an image (channels times height times width), K outputs.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn import functional as F

from optuna_agnet.training_free.networks import (
    check_inputs,
    checked_output,
    untracked,
    watch_activations,
)

_SMALLEST = 1e-5  # added to eigenvalues of the Jacobian's correlations (Mellor et al., section 3 of version 1)
_CHANGE = 0.01  # of the input, in its standard deviations (Lin et al., Algorithm 1)
_NORMALISATIONS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)


def naswot(model: nn.Module, images: Tensor) -> float:
    """NASWOT: how differently the activations switch for different images (Mellor et al. 2021, arXiv:2006.04647v3).

    log |det K|, where K (B, B) counts the units that two images switch alike: all units less the Hamming distance of
    both patterns (the paper's Eq. 2). Units that lead to no output are left out, as in the authors' code.

    Args:
        model: Any network whose activations switch at 0: ReLU, GELU, SiLU and their like, as modules or functions.
        images: (B, ...), at least two, on the model's device; no labels. 32 to 128 are usual.

    Returns:
        Minus infinity where two images switch all units alike, as in a network whose output ignores the image.

    Raises:
        TypeError: The model is no module, its output or the images no tensor.
        ValueError: Fewer than two images, no floating-point numbers, or no activation that is known.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> images = torch.randn(8, 4)
        >>> narrow, wide = (nn.Sequential(nn.Linear(4, n), nn.ReLU()) for n in (16, 64))
        >>> naswot(narrow, images) < naswot(wide, images)
        True
    """
    check_inputs(model, images)
    patterns: list[tuple[Node | None, Tensor]] = []  # where a pattern comes from, and its K

    def record(x: Tensor, active: Tensor) -> None:
        sign = 2 * active.to(torch.float32) - 1
        alike = (active.shape[1] + sign @ sign.T) / 2  # units - Hamming distance
        patterns.append((x.grad_fn, alike.double()))

    with torch.enable_grad():
        inputs = images.detach().requires_grad_() * 1  # so that all that follows has a history
        output = watch_activations(untracked(model), inputs, record)
    used = _history(checked_output(model, output))
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    for node, alike in patterns:
        if node in used:
            kernel += alike
    return float(torch.linalg.slogdet(kernel).logabsdet)


def _history(output: Tensor) -> set[Node | None]:
    """All that the output was computed from."""
    found: set[Node | None] = set()
    left = [output.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in found:
            found.add(node)
            left += [earlier for earlier, _ in node.next_functions]
    return found


def jacobian_score(model: nn.Module, images: Tensor) -> float:
    """How differently the output changes with different images: NASWOT's first form (arXiv:2006.04647v1), or "jacov".

    With the gradient of the summed outputs with respect to each image as a row (B, P), and the eigenvalues s of the
    correlations of these rows: -sum(log(s + 1e-5) + 1 / (s + 1e-5)).

    Args:
        model: Any network (B, ...) -> (B, ...).
        images: (B, ...), at least two, on the model's device; no labels.

    Returns:
        Minus infinity for a network whose output does not depend on the image.

    Raises:
        TypeError: The model is no module, its output or the images no tensor.
        ValueError: Fewer than two images, or no floating-point numbers.

    Example:
        >>> images = torch.eye(4)
        >>> bent = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 1))
        >>> jacobian_score(nn.Linear(4, 1), images) < jacobian_score(bent, images)
        True
    """
    check_inputs(model, images)
    with torch.enable_grad():
        inputs = images.detach().requires_grad_()
        total = checked_output(model, untracked(model)(inputs)).sum()
        (gradient,) = torch.autograd.grad(total, inputs, allow_unused=True)
    if gradient is None:
        return float("-inf")
    rows = gradient.flatten(1).double()
    correlations = torch.corrcoef(rows)
    if not torch.isfinite(correlations).all():
        return float("-inf")
    shifted = torch.linalg.eigvalsh(correlations).clamp_min(0) + _SMALLEST
    return -float((shifted.log() + 1 / shifted).sum())


def synflow(model: nn.Module, images: Tensor) -> float:
    """Synaptic flow: the logarithm of the sum of weight times gradient, all weights positive (arXiv:2006.05467).

    Tanaka et al. 2020 prune with the terms; their sum as a score, without normalisation layers, is that of Abdelfattah
    et al. 2021 (arXiv:2101.08134). The loss is the sum of outputs for one image of ones, so neither labels nor pixels
    matter, and of ``images`` only the shape is read. It is taken in double precision.

    Args:
        model: Any network.
        images: (B, ...), on the model's device.

    Returns:
        Minus infinity for a network through which nothing flows.

    Raises:
        TypeError: The model is no module, its output or the images no tensor.
        ValueError: Fewer than two images, or no floating-point numbers.

    Example:
        >>> layer = nn.Linear(3, 2, bias=False)
        >>> layer.weight.data = torch.tensor([[1.0, -2.0, 3.0], [4.0, 0.0, 0.0]])
        >>> round(synflow(layer, torch.zeros(8, 3)), 3)  # the logarithm of 1 + 2 + 3 + 4
        2.303
    """
    check_inputs(model, images)
    network = _without_normalisation(deepcopy(model)).eval().double().requires_grad_(False)
    for parameter in network.parameters():
        parameter.abs_()
    weights, ones = _weights(network), torch.ones_like(images[:1], dtype=torch.float64)
    with torch.enable_grad():
        total = checked_output(network, network(ones)).sum()
        gradients = torch.autograd.grad(total, weights, allow_unused=True)
    flow = sum(
        float((weight.detach() * gradient).sum())
        for weight, gradient in zip(weights, gradients, strict=True)
        if gradient is not None
    )
    return float(torch.tensor(flow, dtype=torch.float64).log())


def gradient_norm(model: nn.Module, images: Tensor, labels: Tensor | None = None) -> float:
    """The sum over layers of the norm of their weights' gradients on one batch (arXiv:2101.08134).

    Abdelfattah et al. 2021, section 3.1, with the cross entropy of a classifier.

    Args:
        model: A classifier (B, ...) -> (B, K).
        images: (B, ...), at least two, on the model's device.
        labels: (B,), 0 to K - 1; None: one class after the other, as an untrained network knows none of them.

    Raises:
        TypeError: The model is no module, its output or the images no tensor.
        ValueError: Fewer than two images, no floating-point numbers, the output is no (B, K), or labels are no classes.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> gradient_norm(nn.Linear(4, 3), torch.randn(8, 4)) > 0
        True
    """
    check_inputs(model, images)
    network = untracked(model)
    weights = _weights(network)
    with torch.enable_grad():
        output = checked_output(network, network(images))
        if output.dim() != 2 or len(output) != len(images):
            raise ValueError(
                f"the output of {type(model).__name__} has the shape {tuple(output.shape)}: the gradient norm needs a"
                f" classifier's, ({len(images)}, classes)"
            )
        loss = F.cross_entropy(output, _labels(labels, output))
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    return float(sum(gradient.norm() for gradient in gradients if gradient is not None))


def _labels(labels: Tensor | None, output: Tensor) -> Tensor:
    """A class (B,) for each row of the output (B, K)."""
    count, classes = output.shape
    if labels is None:
        return torch.arange(count, device=output.device) % classes
    given = torch.as_tensor(labels, device=output.device)
    whole = given.shape == (count,) and not given.is_floating_point()
    if not whole or given.min() < 0 or given.max() >= classes:
        raise ValueError(
            f"labels={labels!r} must be {count} whole numbers from 0 to {classes - 1}, one for each image, or None"
        )
    return given.long()


def zen_score(model: nn.Module, images: Tensor) -> float:
    """Zen-score: how far the output moves when the input does, were nothing normalised (Lin et al. 2021).

    Algorithm 1 of arXiv:2102.01063, log E|f(x) - f(x + 0.01 e)| plus the logarithms of the standard deviations by which
    batch normalisations divide; x and e are Gaussian noise, the same at every call, and of ``images`` only the shape is
    read. The paper draws Gaussian weights; here those of the model are scaled to a variance of 1, and f is the output
    instead of the last feature map, so any network has a score. Layers that nothing reaches are left out.

    Args:
        model: Any network (B, ...) -> (B, ...), usually one with batch normalisation.
        images: (B, ...), at least two, on the model's device; no labels.

    Returns:
        Minus infinity for a network whose output does not depend on the image.

    Raises:
        TypeError: The model is no module, its output or the images no tensor.
        ValueError: Fewer than two images, or no floating-point numbers.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> images = torch.randn(8, 4)
        >>> narrow, wide = (nn.Sequential(nn.Linear(n, 8), nn.BatchNorm1d(8)) for n in (4, 64))
        >>> zen_score(narrow, images) < zen_score(wide, images.repeat(1, 16))
        True
    """
    check_inputs(model, images)
    network, scales = untracked(model), list[Tensor]()
    rng = torch.Generator().manual_seed(0)
    x, change = (torch.randn(images.shape, generator=rng).to(images) for _ in range(2))

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        variance = inputs[0].transpose(0, 1).flatten(1).var(1, correction=0).mean()
        if variance > 0:
            scales.append(variance.log() / 2)

    with torch.no_grad():
        for weight in _weights(network):
            weight.div_(weight.std(correction=0).clamp_min(1e-30))
        moved = checked_output(network, network(x + _CHANGE * change))
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.register_forward_pre_hook(note)
        distance = (moved - network(x)).flatten(1).abs().sum(1).mean()
    return float(distance.log() + sum(scales))


def _weights(network: nn.Module) -> list[Tensor]:
    """Matrices and filters, no biases or scales; they require gradients from now on."""
    return [p.requires_grad_() for p in network.parameters() if p.dim() > 1]


class _Unnormalised(nn.Identity):
    """In the place of a normalisation. An eps like no other keeps torch's transformers off their fused path."""

    eps = float("nan")


def _without_normalisation(network: nn.Module) -> nn.Module:
    if isinstance(network, _NORMALISATIONS):
        return _Unnormalised()
    for name, child in network.named_children():
        setattr(network, name, _without_normalisation(child))
    return network
