"""Once-for-all's networks: published size, shapes, and gradients everywhere."""

import pytest
import torch

from optuna_agnet import build_model, spaces
from optuna_agnet.modules.mobile_net import InvertedResidual, divisible

SPACE = spaces.mobile_net()


def network(depth, kernel, expansion, **size):
    block = {"kernel": kernel, "expansion": expansion}
    arch = SPACE.from_values({f"stage_{i}": [block] * depth for i in range(1, 6)})
    return build_model(SPACE, arch, **size)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_largest_has_the_7_7_million_parameters_that_the_paper_says():
    """All networks of once-for-all share the weights of the largest (Cai et al. 2020, sec. 3.2)."""
    count = parameters(network(4, 7, 6, num_classes=1000, stem="imagenet"))
    assert round(count / 1e6, 1) == 7.7


def test_a_block_has_as_many_parameters_as_its_formula():
    c_in, c_out, kernel, inner, squeezed = 40, 80, 5, 160, 40
    convolutions = c_in * inner + kernel**2 * inner + inner * c_out + 2 * (2 * inner + c_out)
    squeeze = inner * squeezed + squeezed + squeezed * inner + inner
    made = InvertedResidual(c_in, c_out, 1, kernel, expansion=4, squeeze=True)
    assert parameters(made) == convolutions + squeeze


@pytest.mark.parametrize("seed", range(5))
def test_random_networks_run_and_every_parameter_gets_a_gradient(seed):
    model = build_model(SPACE, SPACE.random_architecture(seed), channels=8, in_channels=1)
    logits = model(torch.rand(4, 1, 16, 16))
    assert logits.shape == (4, 10)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_depth_and_choices_are_those_of_the_architecture():
    values = SPACE.values(SPACE.random_architecture(3))
    model = build_model(SPACE, SPACE.from_values(values))
    blocks = [block for stage in values.values() for block in stage]
    assert len(model.cells) == len(blocks)
    for cell, block in zip(model.cells, blocks, strict=True):
        depthwise = cell.branch[1][0]
        assert depthwise.kernel_size == (block["kernel"],) * 2
        assert depthwise.groups == divisible(cell.branch[0][0].in_channels * block["expansion"])


@pytest.mark.parametrize(("stem", "height"), [("cifar", 8), ("imagenet", 2)])
def test_images_become_smaller_by_the_stem_and_four_stages(stem, height):
    model = network(2, 3, 3, stem=stem, channels=8).eval()
    assert model.cells(model.stem(torch.zeros(1, 3, 64, 64))).shape[2:] == (height, height)
