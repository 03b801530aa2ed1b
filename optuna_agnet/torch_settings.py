"""Torch around a search: its devices, and what the training code has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch


def check_device(device: str | torch.device) -> None:
    """Refuse a device that nothing can be put on.

    Raises:
        ValueError: It is not available, or no device.
    """
    try:
        torch.empty(1, device=device)
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device={str(device)!r} is not available here ({reason}); 'cpu' always is"
        ) from None


def check_device_name(device: str | torch.device) -> None:
    """Refuse what names no device on any machine; whether this machine has it is `check_device`'s to say.

    Raises:
        ValueError: It is no device of PyTorch's.
    """
    try:
        torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"device={str(device)!r} is not available on any machine, PyTorch knows 'cuda', 'cuda:1', 'mps' and some"
            " more; 'cpu' always is"
        ) from None


@contextmanager
def isolated_torch_settings() -> Iterator[None]:
    """Torch as training here needs it, whatever the training code around has set; nobody's random state is touched.

    One thread: operations are small, and threads that wait for each other cost more than they save.
    """
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        if dtype != torch.float32:  # of all threads, so only where it must be
            torch.set_default_dtype(torch.float32)
        elsewhere = torch.get_default_device().type != "cpu"
        with (
            torch.device("cpu") if elsewhere else nullcontext(),  # it slows every operation down
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast("cpu", enabled=False),
        ):
            yield
    finally:
        torch.set_num_threads(threads)
        if dtype != torch.float32:
            torch.set_default_dtype(dtype)
