"""Training-free scores against naive twins, and their laws."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optuna_agnet import spaces
from optuna_agnet.modules import build_model
from optuna_agnet.spaces import SearchSpace
from optuna_agnet.training_free import (
    count_linear_regions,
    ntk_condition_number,
    rank_sum,
    training_free_scores,
)

CONV = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
DEAD = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.fixture
def images() -> Tensor:
    return torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    space = spaces.nas_bench_201()
    return build_model(space, space.parse(CONV), in_channels=2, channels=4, cells_per_stage=1)


def _batch_statistics(model: nn.Module) -> nn.Module:
    twin = copy.deepcopy(model).eval()
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    return twin


def test_the_kernel_agrees_with_one_backward_pass_an_image(
    network: nn.Module, images: Tensor
) -> None:
    twin = _batch_statistics(network).double()
    rows = []
    for b in range(len(images)):
        twin.zero_grad()
        twin(images.double())[b].sum().backward()
        rows.append(torch.cat([p.grad.flatten() for p in twin.parameters() if p.grad is not None]))
    jacobian = torch.stack(rows)
    expected = float(np.linalg.cond(jacobian @ jacobian.T))
    assert ntk_condition_number(network, images) == pytest.approx(expected, rel=1e-3)


def test_a_linear_layer_has_the_kernel_of_its_inputs() -> None:
    x = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    # gradient of the output with respect to the weights is x itself: J J^T = diag(9, 1)
    assert ntk_condition_number(nn.Linear(2, 1, bias=False), x) == pytest.approx(9)


def test_more_images_than_gradients_at_once(network: nn.Module) -> None:
    many = torch.randn(40, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    assert 1 < ntk_condition_number(network, many) < np.inf


def test_an_output_that_ignores_the_image_has_a_singular_kernel(images: Tensor) -> None:
    space = spaces.nas_bench_201()
    model = build_model(space, space.parse(DEAD), in_channels=2, channels=4, stages=1)
    assert ntk_condition_number(model, images) == np.inf
    assert ntk_condition_number(nn.Linear(2, 1), torch.ones(3, 2)) == np.inf


def test_regions_agree_with_a_set_of_sign_patterns(network: nn.Module) -> None:
    patches = torch.randn(300, 2, 3, 3, generator=torch.Generator().manual_seed(0)).round()
    twin = _batch_statistics(network)
    signs: list[Tensor] = []
    for module in twin.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda m, i, out: signs.append(out.detach().flatten(1)))
    twin(patches)
    patterns = {
        "".join("1" if v > 0 else "0" for v in row) for row in torch.cat(signs, dim=1).tolist()
    }
    assert count_linear_regions(network, patches) == len(patterns)


def test_hyperplanes_in_the_plane_cut_it_as_geometry_says() -> None:
    # three lines in general position cut the plane into seven regions
    lines = nn.Linear(2, 3)
    lines.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    lines.bias.data = torch.tensor([0.0, 0.0, -0.5])
    axis = torch.linspace(-2, 2, 101)
    grid = torch.cartesian_prod(axis, axis)
    assert count_linear_regions(nn.Sequential(lines, nn.ReLU(inplace=True)), grid) == 7


def test_the_model_is_left_as_it_was(network: nn.Module, images: Tensor) -> None:
    network.train()
    before = copy.deepcopy(network.state_dict())
    ntk_condition_number(network, images)
    count_linear_regions(network, images)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert network.training
    assert all(p.grad is None for p in network.parameters())
    assert not any(m._forward_pre_hooks for m in network.modules())


def test_dropout_does_not_change_the_scores(images: Tensor) -> None:
    torch.manual_seed(0)
    body = [nn.Flatten(), nn.Linear(128, 16), nn.ReLU()]
    plain = nn.Sequential(*body, nn.Linear(16, 3))
    dropped = nn.Sequential(*body, nn.Dropout(0.9), plain[3])
    for score in (ntk_condition_number, count_linear_regions):
        assert score(plain, images) == score(dropped, images)


@pytest.mark.parametrize("score", [ntk_condition_number, count_linear_regions])
@pytest.mark.parametrize(
    "batch", [torch.zeros(1, 2, 8, 8), torch.zeros(4, 2, 8, 8, dtype=torch.uint8)]
)
def test_bad_batches_are_refused(score: object, batch: Tensor, network: nn.Module) -> None:
    with pytest.raises(ValueError, match="at least two"):
        score(network, batch)  # type: ignore[operator]


def test_a_network_without_activations_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"Linear calls no activation such as torch.nn.ReLU"):
        count_linear_regions(nn.Linear(8, 8), images)


@pytest.mark.parametrize("preset", ["nas_bench_201", "nas_bench_101", "darts", "fbnet"])
def test_scores_are_the_same_again_and_leave_the_global_generator_alone(
    preset: str, images: Tensor
) -> None:
    space: SearchSpace = getattr(spaces, preset)()
    arch = space.random_architecture(3)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = training_free_scores(space, arch, images, repeats=2, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    again = training_free_scores(space, arch, images, repeats=2, seed=1)
    other = training_free_scores(space, arch, images, repeats=2, seed=2)
    assert (first.ntk_condition_number, first.linear_regions) == (
        again.ntk_condition_number,
        again.linear_regions,
    )
    assert first.ntk_condition_number != other.ntk_condition_number
    assert first.seconds > 0


def test_scores_are_means_over_the_draws(images: Tensor) -> None:
    space = spaces.nas_bench_201()
    arch = space.parse(CONV)
    both = training_free_scores(space, arch, images, repeats=2, seed=0)
    one = training_free_scores(space, arch, images, repeats=1, seed=0)
    # the second draw alone: 2 * mean - first
    assert 1 <= 2 * both.linear_regions - one.linear_regions <= 3000
    assert both.linear_regions != one.linear_regions
    assert 2 * both.ntk_condition_number - one.ntk_condition_number >= 1


def test_convolutions_score_above_a_dead_cell(images: Tensor) -> None:
    space = spaces.nas_bench_201()
    conv, dead = (
        training_free_scores(space, space.parse(text), images, repeats=1) for text in (CONV, DEAD)
    )
    assert conv.ntk_condition_number < dead.ntk_condition_number == np.inf
    assert conv.linear_regions > dead.linear_regions


def test_own_operations_are_scored(images: Tensor) -> None:
    space = spaces.EdgeCell(nodes=2, ops=("wide", "none"))
    ops = {
        "wide": lambda c_in, c_out: nn.Sequential(nn.ReLU(), nn.Conv2d(c_in, c_out, 5, padding=2))
    }
    arch = space.parse("|wide~0|")
    assert training_free_scores(space, arch, images, ops=ops, repeats=1).linear_regions > 1


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 1, 1, 8)])
def test_images_of_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    space = spaces.nas_bench_201()
    with pytest.raises(ValueError, match=r"\(B, C, H, W\)"):
        training_free_scores(space, space.random_architecture(0), torch.zeros(shape))


def test_recurrent_cells_read_no_images(images: Tensor) -> None:
    space = spaces.nas_bench_nlp(12)
    with pytest.raises(ValueError, match="in_channels=2 has no meaning for networks of Recurrent"):
        training_free_scores(space, space.random_architecture(0), images)


def test_repeats_must_be_positive(images: Tensor) -> None:
    space = spaces.nas_bench_201()
    with pytest.raises(ValueError, match="repeats=0"):
        training_free_scores(space, space.random_architecture(0), images, repeats=0)


def test_rank_sum_agrees_with_counting() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.integers(1, 6, 20).astype(float), rng.integers(1, 6, 20).astype(float)
    low[3] = np.inf
    expected = [
        2 * sum(other < low[n] for other in low) + 0.5 * sum(other > high[n] for other in high)
        for n in range(20)
    ]
    assert rank_sum(low, high, weights=(2, 0.5)).tolist() == expected


def test_rank_sum_refuses_what_it_cannot_rank() -> None:
    with pytest.raises(ValueError, match="equal length"):
        rank_sum([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="NaN"):
        rank_sum([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="negative"):
        rank_sum([1.0], [1.0], weights=(-1, 1))
