"""An architecture as something that other programs read: text, a PyTorch program, ONNX."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch
from torch import nn


def export_pytorch(model: nn.Module, path: str | Path, image: tuple[int, int, int]) -> None:
    """Write a network as a PyTorch program, which ``torch.export.load(path).module()`` runs without this package.

    Args:
        model: Takes images (B, channels, height, width).
        path: The file, conventionally ``.pt2``.
        image: Channels, height and width; the batch's size stays free.

    Raises:
        ValueError: The file can't be written.
    """
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(
        model.eval(), (torch.zeros(2, *image),), dynamic_shapes=({0: batch},)
    )
    try:
        torch.export.save(program, Path(path))
    except (OSError, RuntimeError) as error:
        raise ValueError(f"'{path}' can't be written ({error}): give another path") from None


def export_onnx(model: nn.Module, path: str | Path, image: tuple[int, int, int]) -> None:
    """Write a network as ONNX, inputs ``images`` (batch, channels, height, width) and outputs ``logits``.

    Args:
        model: Takes images (B, channels, height, width).
        path: The file, conventionally ``.onnx``.
        image: Channels, height and width; the batch's size stays free.

    Raises:
        ImportError: onnxscript is missing (``pip install 'optuna-agnet[onnx]'``).
        ValueError: The file can't be written.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError("ONNX needs onnxscript: pip install 'optuna-agnet[onnx]'") from error
    if not Path(path).parent.is_dir():
        raise ValueError(f"'{path}' can't be written (no such folder): give another path")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own future
        torch.onnx.export(
            model.eval(),
            (torch.zeros(2, *image),),
            str(path),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
