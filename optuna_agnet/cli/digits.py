"""A built-in problem for a first search: cells trained on scikit-learn's 8x8 digits, about a second each on a CPU."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from optuna_agnet.core.architecture import Architecture
from optuna_agnet.modules import build_model
from optuna_agnet.spaces import nas_bench_201

SPACE = nas_bench_201()
_BATCH = 64
_TEST = 0.3  # shares: of all images, and of the others
_VALID = 0.3


@lru_cache(maxsize=1)
def data() -> tuple[tuple[Tensor, Tensor], ...]:
    """Images (N, 1, 8, 8) and labels (N,) for training, validation and test.

    Raises:
        ImportError: scikit-learn is missing.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ImportError("the digits need scikit-learn: pip install scikit-learn") from error
    images, labels = load_digits(return_X_y=True)
    learn_x, test_x, learn_y, test_y = train_test_split(
        images, labels, test_size=_TEST, random_state=0, stratify=labels
    )
    train_x, valid_x, train_y, valid_y = train_test_split(
        learn_x, learn_y, test_size=_VALID, random_state=0, stratify=learn_y
    )
    parts = ((train_x, train_y), (valid_x, valid_y), (test_x, test_y))
    return tuple(
        (torch.as_tensor(x).float().reshape(-1, 1, 8, 8) / 16, torch.as_tensor(y)) for x, y in parts
    )


def network(arch: Architecture) -> nn.Module:
    """A small network of two stages with one cell each, (B, 1, 8, 8) -> (B, 10)."""
    return build_model(SPACE, arch, in_channels=1, channels=8, cells_per_stage=1, stages=2)


def validation_accuracy(arch: Architecture, epochs: int = 5, *, seed: int = 0) -> float:
    """Trained on 879 images, judged on 378 others.

    Raises:
        ImportError: scikit-learn is missing.
    """
    train, valid, _ = data()
    return _accuracy(_trained(arch, train, epochs, seed), valid)


def held_out_accuracy(arch: Architecture, epochs: int = 5, *, seed: int = 0) -> float:
    """Trained on all 1,257 images that a search may see, judged on the 540 that it may not.

    Raises:
        ImportError: scikit-learn is missing.
    """
    train, valid, test = data()
    both = torch.cat([train[0], valid[0]]), torch.cat([train[1], valid[1]])
    return _accuracy(_trained(arch, both, epochs, seed), test)


def _trained(arch: Architecture, data: tuple[Tensor, Tensor], epochs: int, seed: int) -> nn.Module:
    """Adam with a one-cycle schedule; torch's global generator is left as it was."""
    images, labels = data
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(arch)
        optimizer = torch.optim.Adam(model.parameters())
        steps = len(images) // _BATCH
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, epochs * steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(images))[: steps * _BATCH].view(steps, _BATCH):
                loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
    return model.eval()


@torch.no_grad()
def _accuracy(model: nn.Module, data: tuple[Tensor, Tensor]) -> float:
    images, labels = data
    return float((model(images).argmax(1) == labels).double().mean())
