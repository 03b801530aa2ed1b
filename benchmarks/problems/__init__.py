"""Real search problems, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

from benchmarks.problems import chains, fcnet, hwnas, nb101, nb201, nb301, nbnlp
from benchmarks.problems.base import Outcomes, Problem, data_file

PROBLEMS: dict[str, Callable[[], Problem]] = {
    **{f"nb201-{dataset}": partial(nb201.load, dataset) for dataset in nb201.DATASETS},
    **{f"nb201-{dataset}-noisy": partial(nb201.noisy, dataset) for dataset in nb201.DATASETS},
    "nb101": nb101.load,
    "nb301": nb301.load,
    "nbnlp": nbnlp.load,
    **{
        f"fcnet-{dataset}" + "-unordered" * (not order): partial(fcnet.load, dataset, order)
        for dataset in fcnet.DATASETS
        for order in (True, False)
    },
    **chains.PROBLEMS,
    **{f"nb201-c100-lat{share}": partial(nb201.under_limit, share) for share in (5, 25)},
    **{
        f"hw-{device}-{limit}" + "-joint" * joint: partial(hwnas.under_limit, device, limit, joint)
        for joint in (False, True)
        for device, limits in hwnas.LIMITS.items()
        for limit in limits
    },
    **{
        f"pareto-{device}-{metric}-{dataset}": partial(hwnas.front, device, metric, dataset)
        for dataset in nb201.DATASETS
        for device, metric in hwnas.METRICS
    },
}


@lru_cache
def load(name: str) -> Problem:
    """The problem of that name.

    Raises:
        ValueError: There is none.
        FileNotFoundError: Its data is missing.
    """
    if name not in PROBLEMS:
        raise ValueError(f"unknown problem '{name}'; known: {', '.join(PROBLEMS)}")
    return PROBLEMS[name]()


__all__ = ["PROBLEMS", "Outcomes", "Problem", "data_file", "load"]
