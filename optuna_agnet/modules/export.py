"""A network, with the weights of a training, as something that other programs read: a PyTorch program, ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

_NESTED = ("model", "state_dict")  # where checkpoints of a training usually keep the weights
_AUXILIARY = "auxiliary_head."


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Give a network the weights of a training.

    Args:
        model: The network, of the size that was trained.
        path: What ``torch.save(model.state_dict(), path)`` wrote, a checkpoint that holds this as "model" or
            "state_dict", or a ``.safetensors`` file. Of an auxiliary classifier, which only serves training, the
            weights are left out where the network has none. Nothing but tensors is read from it.

    Raises:
        ValueError: There is no such file, it holds no weights, or they are another network's.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> load_weights(model, "no.pt")
        Traceback (most recent call last):
            ...
        ValueError: 'no.pt' can't be read as weights (No such file or directory): give what ...
    """
    state = _read_weights(Path(path))
    own = model.state_dict()
    if not any(name.startswith(_AUXILIARY) for name in own):
        state = {name: w for name, w in state.items() if not name.startswith(_AUXILIARY)}
    for name in [*own, *state]:
        here, there = own.get(name), state.get(name)
        if here is None or there is None or here.shape != there.shape:
            raise ValueError(
                f"the weights in '{path}' are another network's: '{name}' is {_shape(there)} there and {_shape(here)}"
                " in this one; give the size and the operations with which it was trained"
            )
    model.load_state_dict(state)


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, UnpicklingError, RuntimeError, EOFError) as error:
        why = getattr(error, "strerror", None) or f"{error}".partition("\n")[0] or "it is empty"
        raise ValueError(
            f"'{path}' can't be read as weights ({why}): give what torch.save(model.state_dict(), path) wrote"
        ) from None
    nested = [found[key] for key in _NESTED if isinstance(found, dict) and key in found]
    state = nested[0] if nested else found
    if not isinstance(state, dict) or not all(isinstance(w, Tensor) for w in state.values()):
        raise ValueError(
            f"'{path}' holds no weights, but {type(state).__name__}: give what torch.save(model.state_dict(), path)"
            " wrote"
        )
    return state


def export_pytorch(model: nn.Module, path: str | Path, image: tuple[int, int, int]) -> None:
    """Write a network as a PyTorch program, which ``torch.export.load(path).module()`` runs without this package.

    Args:
        model: Takes images (B, channels, height, width).
        path: The file, conventionally ``.pt2``.
        image: Channels, height and width; the batch's size stays free.

    Raises:
        ValueError: The file can't be written, or the network does not take such images.
    """
    images = _images(model, image)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(model.eval(), (images,), dynamic_shapes=({0: batch},))
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
        ValueError: The file can't be written, or the network does not take such images.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError("ONNX needs onnxscript: pip install 'optuna-agnet[onnx]'") from error
    if not Path(path).parent.is_dir():
        raise ValueError(f"'{path}' can't be written (no such folder): give another path")
    images = _images(model, image)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own future
        torch.onnx.export(
            model.eval(),
            (images,),
            str(path),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _images(model: nn.Module, image: tuple[int, int, int]) -> Tensor:
    """Two images (2, channels, height, width), known to fit the network."""
    images = torch.zeros(2, *image)
    with torch.inference_mode():
        try:
            model.eval()(images)
        except Exception as error:  # of the user's own network
            why = f"{error}".partition("\n")[0]
            raise ValueError(
                f"the network takes no image of (channels, height, width) = {image} ({why}): give the size of those"
                " that it was trained on"
            ) from error
    return images
