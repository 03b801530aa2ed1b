"""Ray Tune: AG-Net inside OptunaSearch, limits on reported metrics, a real run on this machine."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.generator.network import Generator
from optuna_agnet.study.trials import best_trials, constraints_of

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
ray = pytest.importorskip("ray", reason="needs pip install 'ray[tune]'")
tune = pytest.importorskip("ray.tune", reason="needs pip install 'ray[tune]'")

FILE = Path(__file__).parents[2] / "integrations" / "ray" / "agnet_ray.py"
SPEC = importlib.util.spec_from_file_location("agnet_ray", FILE)
assert SPEC is not None
assert SPEC.loader is not None
agnet_ray = importlib.util.module_from_spec(SPEC)
sys.modules["agnet_ray"] = agnet_ray
SPEC.loader.exec_module(agnet_ray)

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv", "pool"))
QUICK = AGNetConfig(n_startup=4, retrain_every=4, samples_per_attempt=(64,), pool_size=32)


CHECK = "TUNE_DISABLE_STRICT_METRIC_CHECKING"


@pytest.fixture(autouse=True)
def _no_strict_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHECK, "1")


def new_search(**arguments: object) -> agnet_ray.AGNetSearch:
    sampler = AGNetSampler(SPACE, seed=0, config=QUICK, generator=Generator(SPACE))
    return agnet_ray.AGNetSearch(
        SPACE, **{"metric": "accuracy", "mode": "max", "sampler": sampler, **arguments}
    )


def measured(config: dict) -> tuple[float, float]:
    cell = str(SPACE.from_params(config))
    return cell.count("conv") - 0.1 * cell.count("pool"), float(cell.count("conv"))


@pytest.mark.filterwarnings("ignore:no new architecture is left")
def test_a_used_up_space_finishes_the_search() -> None:
    """Also while all of it still runs."""
    space = spaces.EdgeCell(nodes=3, ops=("a", "none"))  # four graphs
    sampler = AGNetSampler(space, seed=0, config=QUICK, generator=Generator(space))
    search = agnet_ray.AGNetSearch(space, metric="accuracy", mode="max", sampler=sampler)
    configs = [search.suggest(str(number)) for number in range(4)]
    assert len({space.from_params(config).key for config in configs}) == 4
    for number in range(4, 7):
        assert search.suggest(str(number)) == tune.search.Searcher.FINISHED
        if number == 4:
            for done in range(4):
                search.on_trial_complete(str(done), {"accuracy": 1.0})
    states = [trial.state for trial in search.study.trials]
    assert states == [TrialState.COMPLETE] * 4 + [TrialState.PRUNED] * 3


def test_limits_that_nothing_keeps_are_an_error() -> None:
    limits = {"ms": lambda arch: 1.0}
    sampler = AGNetSampler(SPACE, seed=0, generator=Generator(SPACE), known_constraints=limits)
    search = new_search(sampler=sampler)
    with pytest.raises(ValueError, match="the nearest breaks ms"):
        search.suggest("0")


def test_architectures_hyperparameters_and_limits() -> None:
    search = new_search(
        limits={"latency_ms": 2.0}, hyperparameters={"lr": FloatDistribution(1e-4, 1, log=True)}
    )
    for number in range(12):
        config = search.suggest(str(number))
        assert 1e-4 <= config["lr"] <= 1
        accuracy, latency = measured(config)
        search.on_trial_complete(str(number), {"accuracy": accuracy, "latency_ms": latency})
    trials = search.study.trials
    assert len({(str(SPACE.from_params(t.params)), t.params["lr"]) for t in trials}) == 12
    assert [constraints_of(t)["latency_ms"] for t in trials] == [
        measured(t.params)[1] - 2 for t in trials
    ]
    assert all(t.constraints["latency_ms"] <= 0 for t in best_trials(search.study))


def test_too_slow_failed_and_unmeasured_trials() -> None:
    search = new_search(limits={"latency_ms": 2.0})
    results = [
        {"latency_ms": 5.0},
        None,
        {"accuracy": 1.0},
        {"accuracy": 1.0, "latency_ms": float("nan")},
    ]
    for number, result in enumerate(results[:3]):
        search.suggest(str(number))
        search.on_trial_complete(str(number), result, error=result is None)
    search.suggest("3")
    with pytest.warns(UserWarning, match="latency_ms=nan"):
        search.on_trial_complete("3", results[3])
    search.on_trial_complete("3", results[3])  # Tune may say it twice
    states = [t.state for t in search.study.trials]
    assert states == [TrialState.PRUNED, TrialState.FAIL, *[TrialState.COMPLETE] * 2]
    assert [constraints_of(t) for t in search.study.trials] == [{"latency_ms": 3.0}, {}, {}, {}]


NAN = float("nan")


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ({"latency_ms": 5.0}, TrialState.PRUNED),  # too slow, not trained
        ({"latency_ms": 5.0, "accuracy": NAN}, TrialState.PRUNED),  # the same, said as NaN
        ({"latency_ms": 1.0, "accuracy": NAN}, TrialState.FAIL),  # diverged
        ({"accuracy": "high"}, TrialState.FAIL),
        ({"accuracy": None}, TrialState.FAIL),
        ({"latency_ms": 1.0}, TrialState.PRUNED),
        ({"latency_ms": 5.0, "accuracy": 1.0}, TrialState.COMPLETE),  # trained all the same
    ],
)
@pytest.mark.parametrize("metrics", ["accuracy", ["accuracy", "size"]])
def test_every_result_ends_its_trial(
    result: dict[str, object], state: TrialState, metrics: str | list[str]
) -> None:
    several = isinstance(metrics, list)
    search = new_search(
        limits={"latency_ms": 2.0}, metric=metrics, mode=["max", "min"] if several else "max"
    )
    search.suggest("a")
    result = {**result, **({"size": 1.0} if several and "accuracy" in result else {})}
    search.on_trial_result("a", {**result, "training_iteration": 1})
    search.on_trial_complete("a", result)
    (trial,) = search.study.trials
    assert trial.state == state
    assert all(value == value for value in trial.intermediate_values.values())
    assert constraints_of(trial) == (
        {"latency_ms": result["latency_ms"] - 2.0} if "latency_ms" in result else {}
    )
    search.suggest("b")


def test_values_on_the_way_reach_the_study() -> None:
    search = new_search()
    search.suggest("a")
    for step, accuracy in enumerate((0.1, NAN, 0.3), start=1):
        search.on_trial_result("a", {"accuracy": accuracy, "training_iteration": step})
    assert search.study.trials[0].intermediate_values == {1: 0.1, 3: 0.3}


def test_says_what_to_do_about_tunes_own_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CHECK)
    with pytest.warns(UserWarning, match=CHECK):
        new_search(limits={"latency_ms": 2.0})
    for value in "01":  # either is an answer
        monkeypatch.setenv(CHECK, value)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            new_search(limits={"latency_ms": 2.0})


def test_goes_on_from_a_file(tmp_path: Path) -> None:
    search, again = new_search(), new_search()
    for number in range(6):
        search.on_trial_complete(
            str(number), {"accuracy": measured(search.suggest(str(number)))[0]}
        )
    search.save(str(tmp_path / "search"))
    again.restore(str(tmp_path / "search"))
    assert again.suggest("6") == search.suggest("6")


@pytest.fixture
def cluster() -> Iterator[None]:
    ray.init(
        num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False
    )
    yield
    ray.shutdown()


def run_tune(
    train: Callable[[dict], dict],
    search: agnet_ray.AGNetSearch,
    folder: Path,
    trials: int,
    at_once: int = 2,
) -> tune.ResultGrid:
    return tune.Tuner(
        tune.with_resources(train, {"cpu": 2 / at_once}),
        tune_config=tune.TuneConfig(
            search_alg=search, num_samples=trials, max_concurrent_trials=at_once
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    ).fit()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_real_run(tmp_path: Path) -> None:
    space = SPACE

    def train(config: dict) -> dict:
        cell = str(space.from_params(config))
        return {
            "accuracy": cell.count("conv") - 0.1 * cell.count("pool"),
            "latency_ms": cell.count("conv"),
        }

    search = new_search(limits={"latency_ms": 3.0})
    results = run_tune(train, search, tmp_path, trials=12)
    assert len(results) == 12
    assert not results.errors
    assert len({str(SPACE.from_params(t.params)) for t in search.study.trials}) == 12
    assert all(t.state == TrialState.COMPLETE for t in search.study.trials)
    best = best_trials(search.study)[0]
    assert constraints_of(best)["latency_ms"] <= 0


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_real_run_with_slow_diverging_and_breaking_trials_ends(tmp_path: Path) -> None:
    space = SPACE

    def train(config: dict) -> dict:
        cell = str(space.from_params(config))
        latency, pools = cell.count("conv"), cell.count("pool")
        if latency > 2:
            return {"latency_ms": latency}  # too slow to be worth its training
        if pools > 2:
            raise RuntimeError("out of memory")
        return {"accuracy": float("nan") if pools > 1 else latency, "latency_ms": latency}

    def expected(cell: str) -> TrialState:
        if cell.count("conv") > 2:
            return TrialState.PRUNED
        return TrialState.FAIL if cell.count("pool") > 1 else TrialState.COMPLETE

    search = new_search(limits={"latency_ms": 2.0})
    results = run_tune(train, search, tmp_path, trials=24)
    assert len(results) == len(search.study.trials) == 24
    for trial in search.study.trials:
        assert trial.state == expected(str(SPACE.from_params(trial.params)))
    assert {t.state for t in search.study.trials} == {
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.COMPLETE,
    }
    assert best_trials(search.study)[0].value == 2


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_sixteen_at_once_are_sixteen_architectures(tmp_path: Path) -> None:
    """What is running is not proposed again, also while the model waits for the first results."""
    space, running = SPACE, []

    class Watched(agnet_ray.AGNetSearch):
        def suggest(self, trial_id: str) -> dict | str:
            params = super().suggest(trial_id)
            running.append(sum(t.state == TrialState.RUNNING for t in self.study.trials))
            return params

    def train(config: dict) -> dict:
        return {"accuracy": str(space.from_params(config)).count("conv")}

    sampler = AGNetSampler(space, seed=0, config=QUICK, generator=Generator(space))
    search = Watched(space, metric="accuracy", mode="max", sampler=sampler)
    results = run_tune(train, search, tmp_path, trials=20, at_once=16)
    assert 8 <= max(running) <= 16
    assert len(results) == 20
    assert not results.errors
    assert all(t.state == TrialState.COMPLETE for t in search.study.trials)
    assert len({str(space.from_params(t.params)) for t in search.study.trials}) == 20
