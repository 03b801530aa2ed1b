"""What the tests of networks share: the data folder, random cells, small networks."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from optuna_agnet import spaces
from optuna_agnet.spaces import EdgeCell, NodeCell, SearchSpace

Rows = list[dict[str, str]]


def _data_folder() -> Path:
    default = Path(__file__).resolve().parents[2].parent / "shared" / "benchmarks"
    return Path(os.environ.get("OPTUNA_AGNET_DATA", default))


@pytest.fixture(scope="session")
def data_file() -> Callable[[str], Path]:
    """The path of a file in the data folder; the test is skipped where it is missing."""

    def find(name: str) -> Path:
        path = _data_folder() / name
        if not path.is_file():
            pytest.skip(f"{path} is missing: set OPTUNA_AGNET_DATA to the folder with the tables")
        return path

    return find


@pytest.fixture(scope="session")
def table(data_file: Callable[[str], Path]) -> Callable[[str], Rows]:
    """The rows of a csv.gz file in the data folder."""

    def read(name: str) -> Rows:
        with gzip.open(data_file(name), "rt") as lines:
            return list(csv.DictReader(lines))

    return read


@pytest.fixture(scope="session")
def nb201() -> EdgeCell:
    return spaces.nas_bench_201()


@pytest.fixture(scope="session")
def nb101() -> NodeCell:
    return spaces.nas_bench_101()


@pytest.fixture(params=["nas_bench_201", "nas_bench_101"])
def space(request: pytest.FixtureRequest) -> SearchSpace:
    preset: SearchSpace = getattr(spaces, request.param)()
    return preset


@pytest.fixture
def images() -> torch.Tensor:
    """Four grey images of the size of scikit-learn's digits, (4, 1, 8, 8)."""
    return torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
