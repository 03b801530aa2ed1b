"""AG-Net as a NASLib optimizer on its NAS-Bench-201 search space, and NASLib's look-ups as objective and problem.

Written against NASLib 0b51bc18 (November 2023). Both sides speak NAS-Bench-201's official strings, and NASLib's own
functions convert them, so nothing here knows the order of its edges or operations.
"""

from __future__ import annotations

from typing import Any

import torch
from naslib.optimizers.core.metaclasses import MetaOptimizer
from naslib.search_spaces.core.query_metrics import Metric
from naslib.search_spaces.nasbench201.conversions import convert_str_to_op_indices
from naslib.search_spaces.nasbench201.graph import NasBench201SearchSpace

from optuna_agnet import AGNet, AGNetConfig, Architecture, spaces

SPACE = spaces.nas_bench_201()


class AGNetOptimizer(MetaOptimizer):  # type: ignore[misc]  # NASLib is not typed
    """AG-Net for NASLib's `Trainer`: one architecture an epoch, looked up in the benchmark.

    The trainer stores no state of discrete optimizers; to go on later, keep ``optimizer.search.state_dict()``, which
    is JSON, and set ``optimizer.search = AGNet.from_state_dict(SPACE, state)``.

    Args:
        config: NASLib's, of which ``dataset`` and ``search.seed`` are read.
        agnet: Settings of the search. By default isomorphic cells are different ones, as in the benchmark's table.
    """

    using_step_function = False

    def __init__(self, config: Any, agnet: AGNetConfig | None = None) -> None:
        super().__init__()
        self.dataset = config.dataset
        settings = agnet or AGNetConfig(dedup="encoding")
        self.search = AGNet(SPACE, ("maximize",), seed=config.search.seed, config=settings)

    def adapt_search_space(
        self, search_space: Any, scope: Any = None, dataset_api: dict[str, Any] | None = None
    ) -> None:
        """Take the search space and its data.

        Raises:
            ValueError: It is not NAS-Bench-201, or there is no data.
        """
        if search_space.get_type() != "nasbench201":
            raise ValueError(
                f"search space {search_space.get_type()!r}: only 'nasbench201' is adapted"
            )
        self.search_space, self.scope = search_space.clone(), scope or search_space.OPTIMIZER_SCOPE
        self.look_up = LookUp(self.dataset, dataset_api)

    def new_epoch(self, epoch: int) -> None:
        """Propose one architecture, look it up, learn from it."""
        self.newest = self.search.ask()
        self.search.tell(self.newest, self.look_up(self.newest))

    def get_final_architecture(self) -> Any:
        """The best one as NASLib's graph."""
        graph = self.search_space.clone()
        graph.set_spec(list(convert_str_to_op_indices(str(self.search.best[0]))))
        return graph

    def train_statistics(self, report_incumbent: bool = True) -> tuple[float, ...]:
        """Accuracy in training, validation and test, and training time, of the best or of the newest one."""
        arch = self.search.best[0] if report_incumbent else self.newest
        names = ("TRAIN_ACCURACY", "VAL_ACCURACY", "TEST_ACCURACY", "TRAIN_TIME")
        return tuple(self.look_up(arch, Metric[name]) for name in names)

    def test_statistics(self) -> Any:
        """All that the benchmark has on the best one."""
        return self.look_up(self.search.best[0], Metric.RAW)

    def get_op_optimizer(self) -> Any:
        """There is none: architectures are looked up, not trained."""
        raise NotImplementedError

    def get_checkpointables(self) -> dict[str, Any]:
        """What the trainer insists on; the search's state is not in it."""
        return {"model": torch.nn.ModuleList()}


class LookUp:
    """NASLib's NAS-Bench-201 table as a function of our architectures, for studies and for `AGNet`.

    NASLib answers for "cifar10" from "cifar10-valid" whatever the metric: test is validation accuracy there.

    Args:
        dataset: "cifar10", "cifar100" or "ImageNet16-120".
        dataset_api: What NASLib's ``get_dataset_api("nasbench201", dataset)`` gives.

    Raises:
        ValueError: There is no data.
    """

    def __init__(self, dataset: str, dataset_api: dict[str, Any] | None) -> None:
        if dataset_api is None:
            raise ValueError(
                "dataset_api=None: pass naslib.utils.get_dataset_api('nasbench201', dataset)"
            )
        self.dataset, self.dataset_api = dataset, dataset_api
        self._graph = NasBench201SearchSpace()
        self._graph.instantiate_model = False  # a look-up needs no network

    def __call__(self, arch: Architecture, metric: Metric = Metric.VAL_ACCURACY) -> Any:
        """The metric of ``arch``, at the last epoch; accuracies in per cent."""
        self._graph.set_spec(list(convert_str_to_op_indices(str(arch))))
        return self._graph.query(metric, self.dataset, dataset_api=self.dataset_api)
