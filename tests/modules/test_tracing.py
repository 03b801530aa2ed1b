"""Every image network goes through TorchScript and torch.fx, and computes there what it computes in PyTorch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from optuna_agnet import build_model, spaces
from optuna_agnet.spaces import Chain, DartsCell, EdgeCell, NodeCell, SearchSpace

SMALL = {"channels": 4, "cells_per_stage": 1, "stages": 2}
SETTINGS: dict[str, dict[str, object]] = {
    "nas_bench_201": SMALL,
    "nas_bench_101": SMALL,
    "darts": {**SMALL, "auxiliary": True, "drop_path": 0.2},
    "fbnet": {"channels": 4},
}
OWN_SPACES: list[SearchSpace] = [
    Chain(layers=[("conv", "skip")] * 3),
    EdgeCell(nodes=3, ops=("conv", "none")),
    NodeCell(max_nodes=4, ops=("conv", "maxpool3x3")),
    DartsCell(nodes=2, ops=("conv", "skip_connect")),
]


def script(model: nn.Module) -> nn.Module:
    """TorchScript knows operators by id, also freed ones, whose id an attribute of our network may have got since then.

    Seen once in a long run of all tests: "builtin cannot be used as a value", of a list of a convolution.
    """
    operators = torch.jit._builtins._get_builtin_table()
    for module in model.modules():
        for attribute in vars(module).values():
            operators.pop(id(attribute), None)
    return torch.jit.script(model)


def conv(c_in: int, c_out: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(c_in, c_out, 3, stride, 1)


def trained(model: nn.Module) -> nn.Module:
    """With statistics of batch normalisation that are not trivial."""
    for _ in range(2):
        model(torch.randn(8, 3, 16, 16))
    return model.eval()


def models(preset: str, count: int) -> list[nn.Module]:
    space: SearchSpace = getattr(spaces, preset)()
    torch.manual_seed(0)
    settings = SETTINGS[preset]
    return [
        trained(build_model(space, space.random_architecture(seed), **settings))  # type: ignore[arg-type]
        for seed in range(count)
    ]


def same(model: nn.Module, other: nn.Module) -> None:
    images = torch.randn(5, 3, 16, 16)
    with torch.no_grad():
        expected, found = model(images), other(images)
    assert isinstance(expected, Tensor)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("preset", SETTINGS)
@pytest.mark.parametrize("trace", [script, torch.fx.symbolic_trace])
@pytest.mark.filterwarnings("ignore:`torch.jit.script. is deprecated")
def test_a_benchmarks_network(preset: str, trace: object) -> None:
    for model in models(preset, 3):
        same(model, trace(model))  # type: ignore[operator]


@pytest.mark.parametrize("space", OWN_SPACES, ids=lambda space: type(space).__name__)
@pytest.mark.parametrize("trace", [script, torch.fx.symbolic_trace])
@pytest.mark.filterwarnings("ignore:`torch.jit.script. is deprecated")
def test_a_network_of_ones_own_operations(space: SearchSpace, trace: object) -> None:
    ops = {"conv": conv} | ({"skip": conv} if isinstance(space, Chain) else {})
    for seed in range(3):
        model = build_model(space, space.random_architecture(seed), ops=ops, channels=4, stages=2)
        same(trained(model), trace(model))  # type: ignore[operator]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torch_fx_takes_a_cell_to_eight_bits() -> None:
    quantize_fx = pytest.importorskip("torch.ao.quantization.quantize_fx")
    mapping = torch.ao.quantization.get_default_qconfig_mapping("onednn")
    (model,) = models("nas_bench_201", 1)
    images = torch.randn(64, 3, 16, 16)
    prepared = quantize_fx.prepare_fx(model, mapping, (images,))
    prepared(images)
    small = quantize_fx.convert_fx(prepared)
    with torch.no_grad():
        expected, found = model(images), small(images)
    assert (found - expected).norm() < 0.2 * expected.norm()
    assert any(
        "Quantized" in type(part).__name__ or "quantized" in type(part).__module__
        for part in small.modules()
    )


@pytest.mark.filterwarnings("ignore:`torch.jit.script. is deprecated")
def test_a_scripted_darts_network_trains_with_both_heads() -> None:
    (model,) = models("darts", 1)
    scripted = script(model.train())
    logits, auxiliary = scripted(torch.randn(4, 3, 16, 16))
    assert logits.shape == auxiliary.shape == (4, 10)
