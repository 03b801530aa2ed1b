"""NASWOT, its Jacobian form, synflow, gradient norm and Zen-score against naive twins, and their laws."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from optuna_agnet import spaces
from optuna_agnet.modules import build_model
from optuna_agnet.training_free import (
    count_linear_regions,
    gradient_norm,
    jacobian_score,
    naswot,
    ntk_condition_number,
    synflow,
    zen_score,
)

CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
DEAD = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
ALL = [naswot, jacobian_score, synflow, gradient_norm, zen_score]
Score = Callable[[nn.Module, Tensor], float]


@pytest.fixture
def images() -> Tensor:
    return torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def small(text: str) -> nn.Module:
    torch.manual_seed(0)
    space = spaces.nas_bench_201()
    return build_model(space, space.parse(text), in_channels=2, channels=4, cells_per_stage=1)


@pytest.fixture
def network() -> nn.Module:
    return small(CELL)


def batch_statistics(model: nn.Module) -> nn.Module:
    twin = copy.deepcopy(model).eval()
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    return twin


def test_naswot_counts_units_that_two_images_switch_alike(
    network: nn.Module, images: Tensor
) -> None:
    twin, patterns = batch_statistics(network), []
    for module in twin.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda m, i, out: patterns.append(out.flatten(1) > 0))
    twin(images)
    units = torch.cat(patterns, 1).numpy()
    kernel = np.array([[sum(a == b) for b in units] for a in units], dtype=float)
    assert naswot(network, images) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-9)


class Detour(nn.Module):
    """Two branches, of which only the first is used."""

    def __init__(self, dead: bool) -> None:
        super().__init__()
        self.used, self.unused, self.dead = nn.Linear(4, 16), nn.Linear(4, 16), dead

    def forward(self, x: Tensor) -> Tensor:
        if self.dead:
            torch.relu(self.unused(x))
        return F.relu(self.used(x))


def test_naswot_leaves_out_what_leads_to_no_output() -> None:
    torch.manual_seed(0)
    model = Detour(dead=True)
    x = torch.randn(5, 4)
    with_detour = naswot(model, x)
    model.dead = False
    assert naswot(model, x) == with_detour


@pytest.mark.parametrize(
    "activation",
    [torch.relu, F.gelu, F.silu, F.hardswish, F.leaky_relu, Tensor.relu, Tensor.relu_, nn.ReLU6()],
)
def test_activations_are_seen_as_functions_and_as_modules(
    activation: Callable[[Tensor], Tensor],
) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 16)

        def forward(self, x: Tensor) -> Tensor:
            return activation(self.layer(x))

    torch.manual_seed(0)
    own, x = Own(), torch.randn(5, 4)
    as_module = nn.Sequential(own.layer, nn.ReLU())
    assert naswot(own, x) == naswot(as_module, x)
    assert count_linear_regions(own, x) == count_linear_regions(as_module, x)


def test_a_transformer_with_tokens_has_patterns() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True)
    x = torch.randn(4, 5, 8)
    assert np.isfinite(naswot(layer, x))
    with pytest.raises(ValueError, match="keep the batch in front"):
        naswot(nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (-1, 6)), nn.ReLU()), torch.ones(4, 9))


def test_the_jacobian_score_agrees_with_one_backward_pass_an_image(
    network: nn.Module, images: Tensor
) -> None:
    twin, x = batch_statistics(network), images.clone().requires_grad_()
    # batch statistics tie the images together: the gradient of all outputs, one image's pixels a row
    twin(x).sum().backward()
    correlations = np.corrcoef(x.grad.flatten(1).double().numpy())
    eigenvalues = np.linalg.eigvalsh(correlations)
    expected = -sum(np.log(eigenvalues + 1e-5) + 1 / (eigenvalues + 1e-5))
    assert jacobian_score(network, images) == pytest.approx(expected, rel=1e-6)


def test_synflow_of_two_layers_is_the_number_of_layers_times_the_flow() -> None:
    # R = 1^T |W2| |W1| 1 is linear in each layer's weights, so each layer's sum of weight times gradient is R itself
    torch.manual_seed(0)
    first, second = nn.Linear(3, 5, bias=False), nn.Linear(5, 2, bias=False)
    flow = float((second.weight.abs() @ first.weight.abs()).detach().double().sum())
    model = nn.Sequential(first, nn.BatchNorm1d(5), nn.ReLU(), second)
    assert synflow(model, torch.zeros(2, 3)) == pytest.approx(np.log(2 * flow), rel=1e-6)


def test_synflow_sees_neither_signs_nor_pixels(network: nn.Module, images: Tensor) -> None:
    turned = copy.deepcopy(network)
    for parameter in turned.parameters():
        parameter.data.mul_(-1)
    assert synflow(turned, images) == synflow(network, images) == synflow(network, images + 1)


def test_synflow_of_a_deep_network_does_not_overflow() -> None:
    wide = nn.Linear(64, 64, bias=False)
    wide.weight.data.fill_(1000.0)
    assert np.isfinite(synflow(nn.Sequential(*[wide] * 20), torch.ones(2, 64)))


class ByHand(nn.Module):
    """A transformer's layers without what normalises."""

    def __init__(self, layers: list[nn.TransformerEncoderLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer.self_attn(x, x, x, need_weights=False)[0]
            x = x + layer.linear2(F.relu(layer.linear1(x)))
        return x


def test_synflow_of_a_transformer_is_that_of_its_layers_without_normalisation() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    both = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    tokens = torch.zeros(4, 5, 8)
    assert synflow(layer, tokens) == pytest.approx(synflow(ByHand([layer]), tokens), rel=1e-9)
    assert synflow(both, tokens) == pytest.approx(synflow(ByHand([*both.layers]), tokens), rel=1e-9)


def test_the_gradient_norm_agrees_with_backward(network: nn.Module, images: Tensor) -> None:
    twin, labels = batch_statistics(network), torch.tensor([3, 1, 4, 1, 5, 9])
    F.cross_entropy(twin(images), labels).backward()
    expected = sum(
        float(module.weight.grad.norm())
        for module in twin.modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.grad is not None
    )
    assert gradient_norm(network, images, labels) == pytest.approx(expected, rel=1e-5)
    assert gradient_norm(network, images) == gradient_norm(network, images, torch.arange(6))


def test_a_gradient_norm_needs_a_classifier() -> None:
    with pytest.raises(ValueError, match=r"shape \(4, 3, 5\).*a classifier's, \(4, classes\)"):
        gradient_norm(nn.Linear(2, 5), torch.zeros(4, 3, 2))


@pytest.mark.parametrize(
    "labels", [torch.zeros(5, dtype=torch.long), torch.zeros(6), [0, 1, 2, 3, 4, 10], [-1] * 6]
)
def test_labels_are_classes(labels: Tensor, network: nn.Module, images: Tensor) -> None:
    with pytest.raises(ValueError, match="must be 6 whole numbers from 0 to 9"):
        gradient_norm(network, images, labels)


def test_the_zen_score_agrees_with_a_network_that_divides_by_nothing() -> None:
    """Of linear layers: what normalisation divides by is what the product of the logarithms puts back."""
    torch.manual_seed(0)
    first, second = (nn.Linear(16, 16, bias=False) for _ in range(2))
    for weight in (first.weight, second.weight):
        weight.data /= weight.data.std(correction=0)
    plain = nn.Sequential(first, second).requires_grad_(False)
    normalised = nn.Sequential(first, nn.BatchNorm1d(16), second, nn.BatchNorm1d(16))
    images = torch.zeros(512, 16)
    rng = torch.Generator().manual_seed(0)
    x, change = (torch.randn(images.shape, generator=rng) for _ in range(2))
    distance = (plain(x + 0.01 * change) - plain(x)).abs().sum(1).mean().log()
    assert zen_score(plain, images) == pytest.approx(float(distance), rel=1e-3)
    assert zen_score(normalised, images) == pytest.approx(float(distance), abs=0.2)


def test_the_zen_score_adds_half_the_log_of_mean_variances(
    network: nn.Module, images: Tensor
) -> None:
    twin, divided = batch_statistics(network).requires_grad_(False), []
    for module in twin.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight /= module.weight.std(correction=0)
    rng = torch.Generator().manual_seed(0)
    x, change = (torch.randn(images.shape, generator=rng) for _ in range(2))
    moved = twin(x + 0.01 * change)
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda m, i, out: divided.append(i[0]))
    distance = float((moved - twin(x)).abs().sum(1).mean())
    means = [np.mean([channel.var(correction=0) for channel in x.unbind(1)]) for x in divided]
    expected = np.log(distance) + sum(np.log(mean**0.5) for mean in means if mean > 0)
    assert zen_score(network, images) == pytest.approx(expected, rel=1e-5)


def test_the_zen_score_sees_neither_the_scale_of_weights_nor_pixels(
    network: nn.Module, images: Tensor
) -> None:
    scaled = copy.deepcopy(network)
    for module in scaled.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.data.mul_(4)
    expected = pytest.approx(zen_score(network, images), rel=1e-5)
    assert zen_score(scaled, images) == zen_score(network, images + 1) == expected


@pytest.mark.parametrize("score", [naswot, jacobian_score, zen_score])
def test_an_output_that_ignores_the_image_is_worst(score: Score, images: Tensor) -> None:
    assert score(small(DEAD), images) == -np.inf


@pytest.mark.parametrize("score", ALL)
def test_the_model_and_the_random_numbers_are_left_as_they_were(
    score: Score, network: nn.Module, images: Tensor
) -> None:
    network.train()
    next(network.parameters()).requires_grad_(False)
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    assert score(network, images) == score(network, images)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert network.training
    assert not next(network.parameters()).requires_grad
    assert all(p.grad is None for p in network.parameters())
    assert torch.equal(state, torch.get_rng_state())
    assert not images.requires_grad


@pytest.mark.parametrize("score", ALL)
def test_scores_without_gradients_around_them(
    score: Score, network: nn.Module, images: Tensor
) -> None:
    expected = score(network, images)
    with torch.no_grad():
        assert score(network, images) == expected


@pytest.mark.parametrize("score", ALL)
@pytest.mark.parametrize(
    "batch",
    [torch.zeros(1, 2, 8, 8), torch.zeros(4, 2, 8, 8, dtype=torch.uint8), torch.tensor(1.0)],
)
def test_bad_batches_are_refused(score: Score, batch: Tensor, network: nn.Module) -> None:
    with pytest.raises(ValueError, match="at least two"):
        score(network, batch)


@pytest.mark.parametrize("score", [*ALL, ntk_condition_number, count_linear_regions])
def test_what_is_no_network_or_no_tensor_is_named(
    score: Score, network: nn.Module, images: Tensor
) -> None:
    with pytest.raises(TypeError, match=r"model='small' is no torch\.nn\.Module"):
        score("small", images)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="images are a ndarray: give a tensor"):
        score(network, images.numpy())  # type: ignore[arg-type]


class Two(nn.Module):
    """Gives more than its logits, as networks with auxiliary heads do."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(x), x


@pytest.mark.parametrize("score", [*ALL, ntk_condition_number])
def test_a_network_returns_one_tensor(score: Score, network: nn.Module, images: Tensor) -> None:
    with pytest.raises(TypeError, match="Two returns a tuple: a score needs one tensor"):
        score(Two(network), images)


@pytest.mark.parametrize("preset", ["nas_bench_101", "darts", "fbnet"])
def test_networks_of_other_spaces_have_scores(preset: str, images: Tensor) -> None:
    space = getattr(spaces, preset)()
    size = {} if preset == "fbnet" else {"channels": 8, "cells_per_stage": 1}
    torch.manual_seed(0)
    model = build_model(space, space.random_architecture(seed=1), in_channels=2, **size)
    big = F.interpolate(images, size=(32, 32))
    assert all(np.isfinite(score(model, big)) for score in (naswot, jacobian_score, synflow))
