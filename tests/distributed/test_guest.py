"""The sampler is a guest in the user's training process: it leaves everything as it was, and minds nothing it finds."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.samplers import PartialFixedSampler

from optuna_agnet import AGNetConfig, AGNetSampler, spaces

SPACE = spaces.nas_bench_201()  # with its bundled generator
CONFIG = AGNetConfig(n_startup=3, retrain_every=3)
HOOKS = (
    *("infer_relative_search_space", "sample_relative", "sample_independent"),
    *("before_trial", "after_trial", "reseed_rng"),
)


def global_state() -> dict[str, object]:
    return {
        "random": random.getstate(),
        "numpy": str(np.random.get_state()),  # noqa: NPY002
        "torch": torch.get_rng_state().tolist(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "device": torch.get_default_device(),
        "dtype": torch.get_default_dtype(),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "numpy errors": np.geterr(),
    }


class Guest(AGNetSampler):
    """Compares the global state before and after each of Optuna's calls."""

    calls = 0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._watched(name, found) if name in HOOKS else found

    def _watched(self, name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            before = global_state()
            try:
                return hook(*args, **kwargs)
            finally:
                Guest.calls += 1
                changed = [k for k, value in global_state().items() if value != before[k]]
                assert changed == [], f"{name} changed {changed}"

        return call


def objective(trial: optuna.Trial) -> float:
    arch = str(SPACE.suggest(trial))
    return arch.count("nor_conv_3x3") - abs(np.log10(trial.suggest_float("lr", 1e-4, 1, log=True)))


def archs(study: optuna.Study) -> list[str]:
    return [str(SPACE.from_params(t.params)) for t in study.trials]


def run(sampler: optuna.samplers.BaseSampler, n_trials: int = 9) -> list[str]:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=n_trials)
    return archs(study)


@lru_cache
def at_home() -> list[str]:
    return run(AGNetSampler(SPACE, seed=0, config=CONFIG))


@contextmanager
def default(setter: Callable[[Any], None], value: object, back: object) -> Any:
    setter(value)
    try:
        yield
    finally:
        setter(back)


def device(name: str) -> AbstractContextManager[None]:
    return default(torch.set_default_device, name, None)


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "plain": ExitStack,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float64": lambda: default(torch.set_default_dtype, torch.float64, torch.float32),
    "float16": lambda: default(torch.set_default_dtype, torch.float16, torch.float32),
    "no memory": lambda: device("meta"),
    "deterministic": lambda: default(torch.use_deterministic_algorithms, True, False),
    "numpy raises": lambda: np.errstate(all="raise", under="ignore"),
}


@pytest.mark.parametrize("around", SURROUNDINGS)
def test_everything_stays_as_it_was_and_nothing_matters(around: str) -> None:
    expected, Guest.calls = at_home(), 0
    with SURROUNDINGS[around]():
        assert run(Guest(SPACE, seed=0, config=CONFIG)) == expected
    assert Guest.calls >= 4 * 9


def test_global_generators_are_not_read_either() -> None:
    expected = at_home()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    assert run(AGNetSampler(SPACE, seed=0, config=CONFIG)) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_as_default_device() -> None:
    expected = at_home()
    with device("cuda"):
        assert run(Guest(SPACE, seed=0, config=CONFIG)) == expected


def test_state_stays_when_the_model_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr("optuna_agnet.search.model.Model.advance", broken)
    with torch.no_grad(), pytest.warns(UserWarning, match="not positive definite") as caught:
        found = run(Guest(SPACE, seed=0, config=CONFIG), 12)
    assert len(caught) == 1
    assert len(set(found)) == 12


def test_inside_another_sampler_and_in_threads() -> None:
    fixed = {SPACE.decisions[0].name: "skip_connect"}
    study = optuna.create_study(
        direction="maximize",
        sampler=PartialFixedSampler(fixed, AGNetSampler(SPACE, seed=0, config=CONFIG)),
    )
    before = global_state()
    study.optimize(objective, n_trials=8, n_jobs=2)
    assert global_state() == before
    assert len({str(sorted(trial.params.items())) for trial in study.trials}) == 8
