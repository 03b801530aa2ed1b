from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_agnet.modules.darts_operations import DARTS_OPERATIONS, FactorizedReduce
from optuna_agnet.modules.operations import build_operation


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", DARTS_OPERATIONS)
def test_operations_keep_channels_and_divide_sides_rounded_up(name: str, stride: int) -> None:
    x = torch.randn(2, 6, 5, 8)
    before = x.clone()
    operation = build_operation(DARTS_OPERATIONS, name, 6, 6, stride)
    y = operation(x)
    assert y.shape == (2, 6, -(-5 // stride), 8 // stride)
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("max_pool_3x3", 0),
        ("avg_pool_3x3", 0),
        ("skip_connect", 0),
        ("sep_conv_3x3", 2 * (9 * 8 + 8 * 8 + 2 * 8)),
        ("sep_conv_5x5", 2 * (25 * 8 + 8 * 8 + 2 * 8)),
        ("dil_conv_3x3", 9 * 8 + 8 * 8 + 2 * 8),
        ("dil_conv_5x5", 25 * 8 + 8 * 8 + 2 * 8),
    ],
)
def test_operations_have_as_many_weights_as_in_darts(name: str, weights: int) -> None:
    assert _parameters(build_operation(DARTS_OPERATIONS, name, 8, 8, 1)) == weights


def test_factorized_reduction_reads_even_and_odd_pixels() -> None:
    reduce = FactorizedReduce(1, 2).eval()
    nn.init.ones_(reduce.even.weight)
    nn.init.ones_(reduce.odd.weight)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    even, odd = reduce(x)[0] * (1 + 1e-5) ** 0.5  # undoes the normalisation's epsilon
    assert torch.allclose(even, x[0, 0, ::2, ::2])
    assert torch.allclose(odd, x[0, 0, 1::2, 1::2])
