from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_agnet.modules import FBNET_OPERATIONS
from optuna_agnet.modules.operations import BUILT_IN, Zero, build_operation, operation_builders


def built(module: nn.Module) -> nn.Module:
    """The module as an operation of two channels."""
    return build_operation({"act": lambda c_in, c_out: module}, "act", 2, 2)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_operations_keep_the_shape(name: str) -> None:
    x = torch.randn(2, 6, 5, 7)
    assert build_operation(BUILT_IN, name, 6, 6)(x).shape == x.shape


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_operations_leave_their_input_alone(name: str) -> None:
    x = torch.randn(2, 6, 5, 5)
    before = x.clone()
    build_operation(BUILT_IN, name, 6, 6)(x)
    assert torch.equal(x, before)


def test_average_pooling_counts_only_pixels_of_the_image() -> None:
    ones = torch.ones(1, 1, 4, 4)
    assert torch.equal(build_operation(BUILT_IN, "avg_pool_3x3", 1, 1)(ones), ones)


def test_none_gives_zeros_and_zero_gradients() -> None:
    x = torch.ones(1, 2, 3, 3, requires_grad=True)
    y = Zero()(x)
    y.sum().backward()
    assert not y.any()
    assert x.grad is not None
    assert not x.grad.any()


def test_own_builders_go_before_built_in_ones() -> None:
    builders = operation_builders(["none"], {"none": lambda c_in, c_out: nn.Identity()})
    assert isinstance(build_operation(builders, "none", 3, 3), nn.Identity)


def test_unknown_operation_is_named_with_the_known_ones_and_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"'swish'.*skip_connect.*mine.*ops=\{'swish': ") as error:
        operation_builders(["none", "mine", "swish"], {"mine": nn.Identity})
    assert "maxpool3x3" in str(error.value)


def test_builder_without_operation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'nor_conv3x3'.*none, nor_conv_3x3"):
        operation_builders(["none", "nor_conv_3x3"], {"nor_conv3x3": nn.Identity})


def test_hints_show_the_arguments_that_builders_of_the_space_take() -> None:
    for built_in, arguments in (
        (BUILT_IN, "c_in, c_out"),
        (FBNET_OPERATIONS, "c_in, c_out, stride"),
    ):
        with pytest.raises(ValueError, match=rf"lambda {arguments}: \.\.\."):
            operation_builders(["mine"], None, built_in)
        with pytest.raises(TypeError, match=rf"function \({arguments}\)"):
            operation_builders(["mine"], {"mine": nn.ReLU()}, built_in)  # type: ignore[dict-item]


def test_builder_must_be_callable() -> None:
    with pytest.raises(TypeError, match=r"'mine'.*must be a function"):
        operation_builders(["mine"], {"mine": nn.Identity()._modules})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (["conv"], r"ops=\['conv'\] must be a dict"),
        ({"conv": nn.ReLU()}, r"ops\['conv'\]=ReLU\(\)"),
    ],
)
def test_builders_are_functions_by_name(ops: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        operation_builders(["conv"], ops)  # type: ignore[arg-type]


def test_an_operation_that_changes_its_input_is_named() -> None:
    for inplace in (nn.ReLU(inplace=True), nn.Sequential(nn.ReLU(inplace=True), nn.Identity())):
        for mode in (torch.inference_mode, torch.enable_grad):
            with pytest.raises(ValueError, match="'act' changed its input in place"), mode():
                built(inplace)
    built(nn.Sequential(nn.Identity(), nn.BatchNorm2d(2), nn.ReLU(True)))
    with torch.inference_mode():
        built(nn.ReLU())


class Counting(nn.Module):
    """Counts its calls in a buffer and draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: torch.Tensor
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.add_(1)
        return x + torch.randn_like(x)


def test_being_tried_leaves_no_trace_in_a_module_or_in_torchs_generator() -> None:
    before = torch.get_rng_state()
    norm, counting = nn.BatchNorm2d(2).eval(), Counting()
    built(nn.Sequential(norm, counting))
    assert norm.num_batches_tracked == counting.calls == 0  # type: ignore[comparison-overlap]
    assert not norm.training
    assert torch.equal(torch.get_rng_state(), before)


class ReadsNumbers(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * float(x.max())


@pytest.mark.parametrize("module", [ReadsNumbers(), nn.LazyConv2d(2, 1), nn.LayerNorm([2, 32, 32])])
def test_what_needs_real_images_is_left_to_them(module: nn.Module) -> None:
    x = torch.randn(1, 2, 32, 32)
    assert built(module)(x).shape == x.shape


def test_builder_must_give_a_module() -> None:
    with pytest.raises(TypeError, match=r"'mine' gave 7"):
        build_operation({"mine": lambda c_in, c_out: 7}, "mine", 4, 4)  # type: ignore[dict-item,return-value]


@pytest.mark.parametrize(
    "module", [nn.Conv2d(4, 1, 1), nn.Conv2d(4, 4, 3, stride=2), nn.Conv2d(4, 4, 3)]
)
def test_a_wrong_shape_is_refused_with_the_operation_name(module: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"'mine' turned shape \(2, 4, 8, 8\)"):
        build_operation({"mine": lambda c_in, c_out: module}, "mine", 4, 4)


def test_a_stride_is_expected_where_it_is_asked_for() -> None:
    builders = {"mine": lambda c_in, c_out, stride: nn.Conv2d(c_in, c_out, 3, 2, 1)}
    build_operation(builders, "mine", 4, 6, 2)
    with pytest.raises(ValueError, match=r"\(2, 6, 4, 4\) instead of \(2, 6, 8, 8\)"):
        build_operation(builders, "mine", 4, 6, 1)
