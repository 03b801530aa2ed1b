import dataclasses

import numpy as np
import pytest

from benchmarks.problems.base import data_file
from benchmarks.records import Record


@pytest.fixture(scope="session")
def need_data():
    """Skips a test where a file of the data folder is missing."""

    def need(relative):
        try:
            return data_file(relative)
        except FileNotFoundError as error:
            pytest.skip(str(error))

    return need


@pytest.fixture
def record():
    """Makes records of a small run; every field can be given."""
    plain = Record(
        problem="nb201-c100",
        data="made up",
        method="random",
        seed=0,
        budget=4,
        versions={"optuna": "5.0.0"},
        directions=["maximize"],
        reference=None,
        optimum=3.0,
        values=[[1.0, 3.0, 2.0, 3.0]],
        constraints={},
        test=[1.5, 2.5, 4.0, 3.5],
        seconds=[0.1, 0.1, 0.1, 0.1],
    )

    def make(**fields):
        return dataclasses.replace(plain, **fields)

    return make


@pytest.fixture
def long_record(record):
    """Makes records of 200 random queries."""

    def make(seed=0, queries=200, **fields):
        rng = np.random.default_rng(seed)
        columns = {
            "values": [rng.uniform(40, 46, queries).round(4).tolist()],
            "test": rng.uniform(40, 46, queries).round(4).tolist(),
            "seconds": [0.01] * queries,
        }
        return record(**{"seed": seed, "budget": queries, "optimum": 46.0, **columns, **fields})

    return make
