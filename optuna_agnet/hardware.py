"""What a network costs: measured latency, parameters, FLOPs.

To measure an architecture once, put `functools.cache` on a function of it. Equal architectures (the same nodes and
edges) build the same network; isomorphic ones, with the same `Architecture.key`, need not: `EdgeCell` networks also
hold the operations that lead nowhere, and those take time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from optuna_agnet.core.validation import check_count
from optuna_agnet.torch_settings import check_device

_WARM_UP = 3  # runs: memory is allocated, kernels are chosen


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one forward pass takes.

    Args:
        median_ms: Median over all runs, in milliseconds.
        spread: Interquartile range divided by the median; 0.05 means that the middle half of the runs
            lies in a range 5 % of the median wide.
        runs: Forward passes that were timed.

    Example:
        >>> Latency(median_ms=4.0, spread=0.05, runs=40).median_ms
        4.0
    """

    median_ms: float
    spread: float
    runs: int


def measure_latency(
    model: nn.Module,
    input_shape: Sequence[int],
    device: str | torch.device = "cpu",
    *,
    threads: int = 1,
    tolerance: float = 0.05,
    time_limit_s: float = 5.0,
) -> Latency:
    """The latency of ``model`` in evaluation mode, without gradients, on random input.

    Runs are timed until their spread is below ``tolerance`` or the time is up, by `torch.utils.benchmark.Timer`,
    which waits for accelerators to finish. The model itself is not changed: a copy is measured. Compare latencies
    taken on an otherwise idle machine only; ``spread`` says whether it was.

    Args:
        model: Takes one tensor.
        input_shape: Shape of that tensor, the batch included, e.g. (1, 3, 224, 224).
        device: Where it runs.
        threads: CPU threads of one operation.
        tolerance: Interquartile range over median at which the median is believed.
        time_limit_s: Seconds after which the measurement ends with the spread that it then has.

    Returns:
        Median in milliseconds, spread, number of runs.

    Raises:
        TypeError: ``model`` is no module.
        ValueError: The model does not take such an input, the device is not available, or a number is out of range.

    Example:
        >>> conv = nn.Conv2d(3, 8, 3)
        >>> latency = measure_latency(conv, (1, 3, 32, 32), time_limit_s=0.5)
        >>> latency.median_ms > 0 and latency.runs >= 4
        True
    """
    # here: it looks for a CUDA compiler, and where there is one without a GPU a line is printed that means nothing
    from torch.utils.benchmark import Timer

    check_count("threads", threads, 1)
    for name, value in (("tolerance", tolerance), ("time_limit_s", time_limit_s)):
        if not value > 0:
            raise ValueError(f"{name}={value!r} must be positive")
    with _prepared(model, input_shape, device) as (prepared, x):
        timer = Timer("model(x)", globals={"model": prepared, "x": x}, num_threads=threads)
        timer.timeit(_WARM_UP)
        timed = timer.adaptive_autorange(tolerance, max_run_time=time_limit_s)
    runs = timed.number_per_run * len(timed.times)
    return Latency(1000 * timed.median, timed.iqr / timed.median, runs)


def count_parameters(model: nn.Module) -> int:
    """How many trainable parameters ``model`` has; shared ones count once.

    Example:
        >>> count_parameters(nn.Linear(10, 5))
        55
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_flops(model: nn.Module, input_shape: Sequence[int]) -> int:
    """Floating point operations of one forward pass, by `torch.utils.flop_counter.FlopCounterMode`.

    A multiplication and an addition are two. Convolutions, matrix products and attention count; what is cheap beside
    them (normalisation, activations, pooling, sums) does not.

    Args:
        model: Takes one tensor.
        input_shape: Shape of that tensor, the batch included.

    Raises:
        TypeError: ``model`` is no module.
        ValueError: The model does not take such an input.

    Example:
        >>> count_flops(nn.Linear(10, 5), (2, 10))  # 2 inputs, 10 * 5 products and sums each
        200
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with _prepared(model, input_shape, "cpu") as (prepared, x), counter:
        prepared(x)
    return counter.get_total_flops()


@contextmanager
def _prepared(
    model: nn.Module, input_shape: Sequence[int], device: str | torch.device
) -> Iterator[tuple[nn.Module, Tensor]]:
    """A copy of the model in evaluation mode and an input, on the device, known to fit each other."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model={model!r} must be a torch.nn.Module")
    shape = tuple(input_shape)
    if not shape or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(f"input_shape={input_shape!r} must be positive integers, the batch first")
    x = _random_input(shape, device)
    prepared = copy.deepcopy(model).to(x.device).eval()
    with torch.inference_mode():
        try:
            prepared(x)
        except Exception as error:
            raise ValueError(
                f"the model does not take an input of input_shape={shape}: {error}"
            ) from error
        yield prepared, x


def _random_input(shape: tuple[int, ...], device: str | torch.device) -> Tensor:
    """Normal numbers from a generator of our own: zeros could be faster than what users feed."""
    check_device(device)
    x = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(0), device="cpu").to(device)
    if x.is_meta:
        raise ValueError(f"device={str(device)!r} computes nothing that could be timed; use 'cpu'")
    return x
