"""Any built network goes to ONNX and computes there what it computes in PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from optuna_agnet import spaces
from optuna_agnet.modules import build_model
from optuna_agnet.modules.export import export_onnx
from optuna_agnet.spaces import Chain, EdgeCell, NodeCell, SearchSpace

pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

SETTINGS: dict[str, dict[str, object]] = {
    "nas_bench_201": {"cells_per_stage": 1, "stages": 2},
    "nas_bench_101": {"cells_per_stage": 1, "stages": 2},
    "darts": {"cells_per_stage": 1, "stages": 2, "auxiliary": True, "drop_path": 0.2},
    "fbnet": {},
}


@pytest.mark.parametrize(
    "preset",
    [
        "nas_bench_201",
        "darts",
        pytest.param("nas_bench_101", marks=pytest.mark.slow),
        pytest.param("fbnet", marks=pytest.mark.slow),
    ],
)
def test_onnx_runtime_computes_the_same(preset: str, tmp_path: Path) -> None:
    space: SearchSpace = getattr(spaces, preset)()
    torch.manual_seed(0)
    model = build_model(space, space.random_architecture(0), channels=4, **SETTINGS[preset])  # type: ignore[arg-type]
    model(torch.randn(8, 3, 16, 16))  # statistics of batch normalisation that are not trivial
    model.eval()
    batch = torch.export.Dim("batch")
    file = tmp_path / "network.onnx"
    torch.onnx.export(
        model,
        (torch.randn(2, 3, 16, 16),),
        file,
        dynamo=True,
        dynamic_shapes=({0: batch},),
        verbose=False,
    )
    session = onnxruntime.InferenceSession(file)
    images = torch.randn(5, 3, 16, 16)  # another batch size than the example's
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, model(images).numpy(), rtol=1e-3, atol=1e-4)


OWN = {
    "conv": lambda c_in, c_out, stride=1: nn.Conv2d(c_in, c_out, 3, stride, 1),
    "wide": lambda c_in, c_out, stride=1: nn.Conv2d(c_in, c_out, 5, stride, 2),
}
OWN_SPACES: list[SearchSpace] = [
    Chain(layers=[("conv", "skip")] * 3 + [("conv", "wide")]),
    EdgeCell(nodes=3, ops=("conv", "wide", "none")),
    NodeCell(max_nodes=4, ops=("conv", "wide")),
]


@pytest.mark.parametrize("space", OWN_SPACES, ids=lambda space: type(space).__name__)
def test_so_does_a_space_of_ones_own(space: SearchSpace, tmp_path: Path) -> None:
    torch.manual_seed(0)
    arch = space.random_architecture(1)
    model = build_model(space, arch, ops=OWN, channels=4, stages=2).eval()
    file = tmp_path / "network.onnx"
    export_onnx(model, file, (3, 8, 8))
    images = torch.randn(5, 3, 8, 8)
    (found,) = onnxruntime.InferenceSession(file).run(None, {"images": images.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, model(images).numpy(), rtol=1e-3, atol=1e-4)


def test_a_language_model_computes_the_same(tmp_path: Path) -> None:
    space = spaces.nas_bench_nlp(12)
    torch.manual_seed(0)
    model = build_model(
        space, space.random_architecture(0), vocabulary=20, embedding=6, hidden=8, layers=2
    ).eval()
    file = tmp_path / "model.onnx"
    tokens = torch.randint(20, (3, 4))
    torch.onnx.export(model, (tokens,), file, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(file)
    found = session.run(None, {session.get_inputs()[0].name: tokens.numpy()})
    with torch.no_grad():
        logits, states = model(tokens)
    for ours, theirs in zip(found, [logits, *states], strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)
