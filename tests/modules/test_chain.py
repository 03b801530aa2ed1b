from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_agnet import spaces
from optuna_agnet.hardware import count_flops, count_parameters
from optuna_agnet.modules import build_model
from optuna_agnet.modules.chain import FBNET_OPERATIONS, MobileBlock
from optuna_agnet.modules.operations import build_operation
from optuna_agnet.spaces import Chain

FBNET_B = (
    "k3_e1,k3_e6,k5_e1,k3_e1,k3_e1,k5_e6,k5_e3,k3_e6,k5_e6,k5_e6,k5_e1,skip,k5_e3,"
    "k5_e6,k3_e1,k5_e1,k5_e3,k5_e6,k5_e1,k5_e6,k5_e6,k3_e6"
)
FBNET_C = (
    "k3_e1,k3_e6,skip,k3_e1,k3_e1,k5_e6,k5_e3,k5_e6,k3_e6,k5_e6,k5_e3,k5_e6,k5_e6,"
    "k5_e6,k5_e6,k5_e6,k5_e3,k5_e6,k5_e6,k5_e6,k5_e6,k3_e6"
)


@pytest.mark.parametrize(
    ("recipe", "parameters", "multiply_adds"),
    [(FBNET_B, 4.8e6, 295.6e6), (FBNET_C, 5.5e6, 383.0e6)],
    ids=["B", "C"],
)
def test_fbnets_agree_with_the_published_counts(
    recipe: str, parameters: float, multiply_adds: float
) -> None:
    """As the authors' repository (facebookresearch/mobile-vision, README) counts its models."""
    space = spaces.fbnet()
    model = build_model(space, space.parse(recipe), num_classes=1000, stem="imagenet")
    assert count_parameters(model) == pytest.approx(parameters, rel=0.02)
    assert count_flops(model, (1, 3, 224, 224)) / 2 == pytest.approx(multiply_adds, rel=0.01)


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_random_fbnets_run_and_train(stem: str) -> None:
    space = spaces.fbnet()
    torch.manual_seed(0)
    for seed in range(5):
        model = build_model(
            space, space.random_architecture(seed), channels=4, in_channels=1, stem=stem
        )
        logits = model(torch.randn(2, 1, 33, 33))
        assert logits.shape == (2, 10)
        logits.sum().backward()
        assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(("stem", "divisor"), [("cifar", 8), ("imagenet", 32)])
def test_strides_divide_the_image(stem: str, divisor: int) -> None:
    space = spaces.fbnet()
    model = build_model(space, space.parse(FBNET_C), channels=2, stem=stem)
    features = model.get_submodule("cells")(model.get_submodule("stem")(torch.randn(2, 3, 64, 64)))
    assert features.shape == (2, 44, 64 // divisor, 64 // divisor)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 2), (8, 12, 1), (8, 12, 2)])
@pytest.mark.parametrize("name", FBNET_OPERATIONS)
def test_blocks_give_the_asked_shape(name: str, shape: tuple[int, int, int]) -> None:
    c_in, c_out, stride = shape
    block = build_operation(FBNET_OPERATIONS, name, *shape)
    x = torch.randn(2, c_in, 5, 6)
    before = x.clone()
    y = block(x)
    assert y.shape == (2, c_out, -(-5 // stride), 6 // stride)
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("k3_e6", 2 * 6 * 64 + 9 * 48 + 2 * (48 + 48 + 8)),
        ("k5_e1_g2", 2 * 64 // 2 + 25 * 8 + 2 * 24),
        ("skip", 0),
    ],
)
def test_blocks_have_the_weights_of_the_paper(name: str, weights: int) -> None:
    assert count_parameters(build_operation(FBNET_OPERATIONS, name, 8, 8, 1)) == weights


def test_a_block_adds_its_input_where_shapes_agree() -> None:
    block = MobileBlock(4, 4, 1, kernel=3, expansion=1)
    nn.init.zeros_(block.branch[-1].weight)  # type: ignore[arg-type]
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), x)
    strided = MobileBlock(4, 4, 2, kernel=3, expansion=1)
    nn.init.zeros_(strided.branch[-1].weight)  # type: ignore[arg-type]
    assert not strided(x).any()


def test_a_users_chain_is_shared_out_among_stages() -> None:
    space = Chain(layers=[("conv", "skip")] * 4 + [("conv", "wide")])
    ops = {
        "conv": lambda c_in, c_out, stride: nn.Conv2d(c_in, c_out, 3, stride, 1),
        "wide": lambda c_in, c_out, stride: nn.Conv2d(c_in, c_out, 5, stride, 2),
    }
    arch = space.parse("conv,skip,skip,conv,wide")
    model = build_model(space, arch, ops=ops, channels=4, stages=2, in_channels=1, num_classes=3)
    cells = model.get_submodule("cells")
    assert cells.shapes == [(4, 4, 1), (4, 4, 1), (4, 4, 1), (4, 8, 2), (8, 8, 1)]
    assert [type(op) for op in next(cells.children())] == [
        nn.Conv2d,
        nn.Identity,
        nn.Identity,
        nn.Conv2d,
        nn.Conv2d,
    ]
    assert model(torch.randn(2, 1, 9, 9)).shape == (2, 3)


def test_bad_chains_are_refused() -> None:
    space = Chain(layers=[("conv", "skip")] * 2)
    arch = space.parse("conv,conv")
    flat = {"conv": lambda c_in, c_out, stride: nn.Conv2d(c_in, c_out, 1)}
    with pytest.raises(ValueError, match="unknown operation 'conv'"):
        build_model(space, arch)
    with pytest.raises(ValueError, match="stages=3 is more than the 2 layers"):
        build_model(space, arch, ops=flat)
    with pytest.raises(ValueError, match=r"'conv' turned shape .* instead of \(2, 32, 4, 4\)"):
        build_model(space, arch, ops=flat, stages=2)(torch.randn(2, 3, 8, 8))
    with pytest.raises(ValueError, match="cells_per_stage=1 has no meaning"):
        build_model(space, arch, ops=flat, cells_per_stage=1)
    with pytest.raises(ValueError, match="stem='tiny'"):
        build_model(spaces.fbnet(), spaces.fbnet().random_architecture(0), stem="tiny")  # type: ignore[arg-type]
