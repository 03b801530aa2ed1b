"""Measured latency, parameter and FLOP counts."""

from __future__ import annotations

import copy
import functools
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from optuna_agnet import Architecture, build_model, spaces
from optuna_agnet.hardware import Latency, count_flops, count_parameters, measure_latency

SPACE = spaces.nas_bench_201()


class Clock:
    """Seconds that pass only where a model takes them, however busy the machine is."""

    now = 0.0

    def __call__(self) -> float:
        Clock.now += 1e-9
        return Clock.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.utils.benchmark.Timer", functools.partial(Timer, timer=Clock()))


class Sleep(nn.Module):
    """Takes a known time; longer while ``slow_first`` lasts."""

    def __init__(self, seconds: float, slow_first: int = 0) -> None:
        super().__init__()
        self.seconds, self.slow_first = seconds, slow_first

    def forward(self, x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        assert not self.training
        slow, self.slow_first = self.slow_first > 0, max(0, self.slow_first - 1)
        Clock.now += self.seconds * (10 if slow else 1)
        return x


class Jitter(nn.Module):
    """Every other pass takes nine times as long, so that the spread never gets small."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        Clock.now += 0.018 if self.calls % 2 else 0.002
        return x


def small(arch: Architecture) -> nn.Module:
    return build_model(SPACE, arch, channels=4, cells_per_stage=1, stages=1)


@pytest.mark.usefixtures("clock")
def test_a_known_latency_is_measured_in_milliseconds() -> None:
    latency = measure_latency(Sleep(0.01), (1, 2), tolerance=0.9)
    assert latency.median_ms == pytest.approx(10, rel=1e-3)
    assert latency.spread < 1e-3
    assert latency.runs >= 4


@pytest.mark.usefixtures("clock")
def test_warm_up_does_not_count() -> None:
    latency = measure_latency(Sleep(0.02, slow_first=6), (1, 2), tolerance=10)
    assert latency.median_ms == pytest.approx(20, rel=1e-3)


@pytest.mark.usefixtures("clock")
def test_an_unsteady_model_ends_at_the_time_limit_and_says_so() -> None:
    start = Clock.now
    latency = measure_latency(Jitter(), (1, 2), tolerance=0.01, time_limit_s=0.2)
    assert Clock.now - start < 1
    assert latency.spread > 0.01


def test_more_work_takes_longer() -> None:
    narrow, wide = nn.Conv2d(8, 8, 3), nn.Conv2d(8, 256, 3)
    slow, fast = (measure_latency(m, (8, 8, 32, 32), time_limit_s=1) for m in (wide, narrow))
    assert slow.median_ms > fast.median_ms


def test_nothing_of_the_users_is_changed() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    model[1].eval()
    before, threads = copy.deepcopy(model.state_dict()), torch.get_num_threads()
    state = torch.get_rng_state()
    measure_latency(model, (4, 3), threads=2, time_limit_s=0.05)
    count_flops(model, (4, 3))
    assert [m.training for m in model.modules()] == [True, True, False]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_counts_agree_with_arithmetic() -> None:
    conv = nn.Conv2d(3, 8, 5, padding=2, bias=False)
    assert count_parameters(conv) == 8 * 3 * 5 * 5
    assert count_flops(conv, (2, 3, 7, 7)) == 2 * 2 * (8 * 3 * 5 * 5) * 7 * 7
    conv.weight.requires_grad_(False)
    assert count_parameters(conv) == 0


def test_shared_parameters_count_once() -> None:
    layer = nn.Linear(4, 4)
    assert count_parameters(nn.Sequential(layer, layer)) == 20
    assert count_flops(nn.Sequential(layer, layer), (1, 4)) == 2 * 2 * 16


def test_isomorphic_cells_may_cost_different_amounts() -> None:
    """Why latencies are cached by equality, not by `Architecture.key`."""
    plain = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|")
    wasteful = SPACE.parse(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_3x3~1|none~2|"
    )
    assert plain.key == wasteful.key
    assert plain != wasteful
    assert count_parameters(small(plain)) < count_parameters(small(wasteful))
    assert count_flops(small(plain), (1, 3, 8, 8)) < count_flops(small(wasteful), (1, 3, 8, 8))


def test_equal_architectures_are_measured_once() -> None:
    built = []

    @functools.cache
    def latency_ms(arch: Architecture) -> float:
        built.append(arch)
        return measure_latency(small(arch), (1, 3, 8, 8), time_limit_s=0.1).median_ms

    arch = SPACE.random_architecture(seed=0)
    again = SPACE.parse(str(arch))
    assert again is not arch
    assert latency_ms(arch) == latency_ms(again)
    assert len(built) == 1


@pytest.mark.parametrize("shape", [(), (0, 3), (-1, 3), (1, 2.5), ("1", 3)])
def test_a_bad_shape_is_named(shape: tuple[int, ...]) -> None:
    for measure in (measure_latency, count_flops):
        with pytest.raises(ValueError, match=r"input_shape=.* must be positive integers"):
            measure(nn.Linear(3, 3), shape)


def test_a_shape_that_the_model_does_not_take() -> None:
    for measure in (measure_latency, count_flops):
        with pytest.raises(ValueError, match=r"does not take an input of input_shape=\(1, 4\)"):
            measure(nn.Linear(3, 3), (1, 4))


@pytest.mark.parametrize("device", ["cuda:99", "meta", "toaster"])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(ValueError, match=f"device='{device}'"):
        measure_latency(nn.Linear(3, 3), (1, 3), device)


@pytest.mark.parametrize(
    "options",
    [{"threads": 0}, {"tolerance": 0.0}, {"time_limit_s": -1}, {"tolerance": float("nan")}],
)
def test_numbers_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}="):
        measure_latency(nn.Linear(3, 3), (1, 3), **options)  # type: ignore[arg-type]


def test_what_is_no_module() -> None:
    with pytest.raises(TypeError, match=r"must be a torch\.nn\.Module"):
        measure_latency(lambda x: x, (1, 3))  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_waits_for_the_device() -> None:
    model = nn.Linear(4096, 4096)
    latency = measure_latency(model, (8192, 4096), "cuda")
    flops_per_s = count_flops(model, (8192, 4096)) / (latency.median_ms / 1000)
    assert flops_per_s < 1e15  # a launch without waiting would claim far more
    assert isinstance(latency, Latency)


def test_counting_parameters_loads_no_compilers() -> None:
    script = """
import sys
from optuna_agnet.hardware import count_parameters
print(sorted({"sympy", "torch._dynamo", "torch.utils.cpp_extension"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
