"""AG-Net in NASLib: with NASLib where it can be imported, with stand-ins that keep its recorded contract elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from optuna_agnet import AGNet, spaces

CONTRACT = json.loads(
    (Path(__file__).parents[2] / "integrations" / "naslib" / "contract.json").read_text()
)
INSTALLED = importlib.util.find_spec("naslib") is not None
ADAPTER = "integrations.naslib.agnet_optimizer"
SPACE = spaces.nas_bench_201()
Metric = Enum("Metric", CONTRACT["metrics"])  # type: ignore[misc]


class MetaOptimizer(ABC):
    using_step_function = True

    @abstractmethod
    def adapt_search_space(self, search_space: Any, dataset: Any, scope: Any = None) -> None: ...

    @abstractmethod
    def get_final_architecture(self) -> Any: ...

    @abstractmethod
    def get_op_optimizer(self) -> Any: ...

    def new_epoch(self, epoch: int) -> None:
        return None

    def before_training(self) -> None:
        return None

    def after_training(self) -> None:
        return None

    def train_statistics(self) -> Any:
        return None

    def test_statistics(self) -> Any:
        return None

    def get_model_size(self) -> int:
        return 0

    def get_checkpointables(self) -> Any:
        return None


def convert_str_to_op_indices(text: str) -> tuple[int, ...]:
    names = [part.split("~") for node in text.split("+") for part in node.strip("|").split("|")]
    edges = [(int(i) + 1, j) for (_, i), j in zip(names, (2, 3, 3, 4, 4, 4), strict=True)]
    ops = dict(zip(edges, (CONTRACT["operations"].index(op) for op, _ in names), strict=True))
    return tuple(ops[tuple(edge)] for edge in CONTRACT["edges"])


class NasBench201SearchSpace:
    OPTIMIZER_SCOPE = CONTRACT["scope"]

    def __init__(self) -> None:
        self.op_indices: list[int] | None = None
        self.instantiate_model = True

    def clone(self) -> NasBench201SearchSpace:
        other = NasBench201SearchSpace()
        other.op_indices, other.instantiate_model = self.op_indices, self.instantiate_model
        return other

    def get_type(self) -> str:
        return str(CONTRACT["type"])

    def set_spec(self, op_indices: list[int], dataset_api: Any = None) -> None:
        assert not self.instantiate_model or self.op_indices is None, "as NASLib insists"
        self.op_indices = op_indices

    def get_op_indices(self) -> list[int]:
        assert self.op_indices is not None
        return self.op_indices

    def query(
        self,
        metric: Any,
        dataset: str,
        path: Any = None,
        epoch: int = -1,
        full_lc: bool = False,
        dataset_api: Any = None,
    ) -> Any:
        text = dataset_api["texts"][tuple(self.get_op_indices())]
        row = dataset_api["nb201_data"][text]
        if metric.name == "RAW":
            return row
        if metric.name == "TRAIN_TIME":
            return row[dataset]["cost_info"]["train_time"]
        return row[dataset]["train_acc1es" if "TRAIN" in metric.name else "eval_acc1es"][epoch]


@pytest.fixture
def naslib(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """What the adapter imports, NASLib's own or stand-ins, and the adapter imported with it."""
    names = {
        "naslib.optimizers.core.metaclasses": {"MetaOptimizer": MetaOptimizer},
        "naslib.search_spaces.core.query_metrics": {"Metric": Metric},
        "naslib.search_spaces.nasbench201.conversions": {
            "convert_str_to_op_indices": convert_str_to_op_indices
        },
        "naslib.search_spaces.nasbench201.graph": {
            "NasBench201SearchSpace": NasBench201SearchSpace
        },
    }
    if not INSTALLED:
        for name, content in names.items():
            parts = name.split(".")
            for end in range(1, len(parts)):
                package = ".".join(parts[:end])
                monkeypatch.setitem(sys.modules, package, ModuleType(package))
            module = ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)
    found = {
        name: getattr(importlib.import_module(m), name) for m, c in names.items() for name in c
    }
    for name in (ADAPTER, "integrations.naslib.problem"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield SimpleNamespace(adapter=importlib.import_module(ADAPTER), **found)
    for name in (ADAPTER, "integrations.naslib.problem"):
        sys.modules.pop(name, None)


def value(text: str) -> float:
    return 50 + 6.0 * text.count("nor_conv_3x3") - 5.0 * text.count("none")


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """All cells, in the form of NASLib's data file; ``texts`` is for the stand-ins."""
    cells = [str(arch) for arch in SPACE.architectures(SPACE.enumerate())]
    rows = {
        text: {
            name: {
                "train_acc1es": [0.0, value(text) + 1],
                "eval_acc1es": [0.0, value(text)],
                "cost_info": {"train_time": 7.0},
            }
            for name in ("cifar10-valid", "cifar100")
        }
        for text in cells
    }
    return {
        "nb201_data": rows,
        "texts": {convert_str_to_op_indices(text): text for text in cells},
    }


CONFIG = SimpleNamespace(dataset="cifar100", search=SimpleNamespace(seed=0))


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_contract(naslib: SimpleNamespace) -> None:
    """Stand-ins and, where it is there, NASLib itself are what was recorded."""
    for name, expected in CONTRACT["optimizer"].items():
        assert parameters(getattr(naslib.MetaOptimizer, name)) == expected, name
    assert sorted(naslib.MetaOptimizer.__abstractmethods__) == CONTRACT["abstract"]
    for name, expected in CONTRACT["search_space"].items():
        assert parameters(getattr(naslib.NasBench201SearchSpace, name)) == expected, name
    assert [metric.name for metric in naslib.Metric] == CONTRACT["metrics"]
    for text, indices in CONTRACT["strings"].items():
        assert list(naslib.convert_str_to_op_indices(text)) == indices


def test_the_optimizer_overrides_what_the_trainer_calls(naslib: SimpleNamespace) -> None:
    optimizer = naslib.adapter.AGNetOptimizer(CONFIG)
    assert isinstance(optimizer, naslib.MetaOptimizer)
    assert not optimizer.using_step_function
    assert parameters(optimizer.new_epoch) == ["epoch"]
    assert parameters(optimizer.train_statistics) == ["report_incumbent"]  # as the trainer calls it
    assert set(optimizer.get_checkpointables()) == {"model"}
    assert optimizer.get_model_size() == 0


def test_it_searches_as_the_trainer_drives_it(
    naslib: SimpleNamespace, data: dict[str, Any]
) -> None:
    optimizer = naslib.adapter.AGNetOptimizer(CONFIG)
    optimizer.adapt_search_space(naslib.NasBench201SearchSpace(), dataset_api=data)
    optimizer.before_training()
    newest = []
    for epoch in range(20):
        optimizer.new_epoch(epoch)
        train, valid, test, seconds = optimizer.train_statistics(report_incumbent=True)
        assert (train, test, seconds) == (valid + 1, valid, 7.0)
        newest.append(optimizer.train_statistics(report_incumbent=False)[1])
        assert valid == max(newest)
    optimizer.after_training()
    assert optimizer.test_statistics()["cifar100"]["eval_acc1es"][-1] == max(newest)
    final = optimizer.get_final_architecture()
    assert final.query(naslib.Metric.VAL_ACCURACY, "cifar100", dataset_api=data) == max(newest)


def test_it_proposes_what_agnet_proposes(naslib: SimpleNamespace, data: dict[str, Any]) -> None:
    optimizer = naslib.adapter.AGNetOptimizer(CONFIG)
    optimizer.adapt_search_space(naslib.NasBench201SearchSpace(), dataset_api=data)
    search = AGNet(SPACE, seed=0, config=optimizer.search.config)
    for epoch in range(18):
        optimizer.new_epoch(epoch)
        arch = search.ask()
        search.tell(arch, value(str(arch)))
        assert arch == optimizer.newest


def test_look_ups_are_the_tables_values(naslib: SimpleNamespace, data: dict[str, Any]) -> None:
    look_up = naslib.adapter.LookUp("cifar100", data)
    for text in CONTRACT["strings"]:
        assert look_up(SPACE.parse(text)) == value(text)
        assert look_up(SPACE.parse(text), naslib.Metric.TRAIN_TIME) == 7.0


def test_the_harness_gets_a_problem(naslib: SimpleNamespace, data: dict[str, Any]) -> None:
    module = importlib.import_module("integrations.naslib.problem")
    problem = module.naslib_problem("cifar100", data)
    rows = SPACE.sample(8, np.random.default_rng(0))
    outcomes = problem.evaluate(rows)
    expected = [value(str(arch)) for arch in SPACE.architectures(rows)]
    np.testing.assert_array_equal(outcomes.values[:, 0], expected)
    np.testing.assert_array_equal(outcomes.test, expected)


def test_bad_input(naslib: SimpleNamespace, data: dict[str, Any]) -> None:
    optimizer = naslib.adapter.AGNetOptimizer(CONFIG)
    other = naslib.NasBench201SearchSpace()
    other.get_type = lambda: "nasbench301"
    with pytest.raises(ValueError, match="'nasbench301'"):
        optimizer.adapt_search_space(other, dataset_api=data)
    with pytest.raises(ValueError, match="dataset_api=None"):
        optimizer.adapt_search_space(naslib.NasBench201SearchSpace())
    with pytest.raises(NotImplementedError):
        optimizer.get_op_optimizer()
