"""The replayed search is the one that ran."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
import torch

from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, spaces
from optuna_agnet.analysis.history import SearchHistory, kendall_tau, search_history
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import Observations, Proposer

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv", "pool"))
QUICK = AGNetConfig(n_startup=4, retrain_every=4, samples_per_attempt=(64,), pool_size=32)


def run(n: int, direction: str = "maximize", seed: int = 0, **arguments: object) -> optuna.Study:
    sampler = AGNetSampler(SPACE, seed=seed, config=QUICK, generator=Generator(SPACE))
    study = optuna.create_study(direction=direction, sampler=sampler, **arguments)
    sign = 1.0 if direction == "maximize" else -1.0

    def objective(trial: optuna.Trial) -> float:
        arch = str(SPACE.suggest(trial))
        return sign * (arch.count("conv") - 0.5 * arch.count("pool") + 0.01 * len(arch))

    study.optimize(objective, n_trials=n)
    return study


def weights(generator: Generator) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in generator.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_last_round_has_the_weights_that_the_search_had() -> None:
    study = run(17)
    model = study.sampler._search_of(study)._search.model
    assert model.version == 4
    history = search_history(study, SPACE)
    assert history.sizes == [0, 4, 8, 12, 16]
    assert [r.observations for r in history.rounds] == history.sizes
    assert same(weights(history.rounds[-1].generator), weights(model.generator))
    assert same(weights(history.rounds[0].generator), weights(Generator(SPACE)))
    assert not same(weights(history.rounds[1].generator), weights(history.rounds[2].generator))


def test_a_loaded_study_needs_seed_and_config() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = run(13, seed=3, storage=storage, study_name="s")
    loaded = optuna.load_study(storage=storage, study_name="s")
    search = AGNet(SPACE, seed=3, config=QUICK, generator=Generator(SPACE))
    last = weights(search_history(loaded, SPACE, search).rounds[-1].generator)
    assert same(last, weights(search_history(study, SPACE).rounds[-1].generator))
    other = AGNet(SPACE, seed=4, config=QUICK, generator=Generator(SPACE))
    assert not same(last, weights(search_history(loaded, SPACE, other).rounds[-1].generator))
    assert search_history(loaded, SPACE).search.config == AGNetConfig()


def test_judgements_cover_all_results_after_the_startup_and_know_none_of_them() -> None:
    history = search_history(run(18), SPACE)
    judged = history.judgements()
    assert [j.observations for j in judged] == [4, 8, 12, 16]
    assert sum(len(j.mean) for j in judged) == 14
    y = history.observations.y[:, 0]
    for j in judged:
        later = y[j.observations : j.observations + len(j.actual)]
        ranks = [
            np.mean(np.append(y[: j.observations] < value, y[: j.observations] <= value))
            for value in later
        ]
        assert np.array_equal(np.argsort(j.actual, kind="stable"), np.argsort(ranks, kind="stable"))
    assert search_history(run(3), SPACE).judgements() == []
    assert search_history(run(4), SPACE).judgements() == []
    short = search_history(run(6), SPACE).judgements()[0]
    assert short.mean.tolist() == judged[0].mean[:2].tolist()  # what comes later changes nothing


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_predictions_are_in_the_units_and_the_direction_of_the_study(direction: str) -> None:
    study = run(40, direction)
    history = search_history(study, SPACE)
    values = np.array([t.value for t in study.trials])
    predicted = history.predict(history.observations.x)
    assert values.min() <= predicted.min() <= predicted.max() <= values.max()
    assert np.corrcoef(predicted, values)[0, 1] > 0.7


def test_kendall_tau_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 20).astype(float), rng.normal(size=20)
    pairs = [(i, j) for i in range(20) for j in range(i)]
    signs = [np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i, j in pairs]
    untied = sum(a[i] != a[j] for i, j in pairs)
    assert kendall_tau(a, b) == pytest.approx(sum(signs) / np.sqrt(untied * len(pairs)))
    assert kendall_tau(b, b) == 1
    assert kendall_tau(b, -b) == -1
    assert np.isnan(kendall_tau(np.ones(3), b[:3]))


def test_a_study_of_something_else_is_refused() -> None:
    study = optuna.create_study(study_name="other")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with pytest.raises(ValueError, match=r"'other' has no complete trial .*op_0_1"):
        search_history(study, SPACE)


def test_predictions_are_in_the_study_s_units_however_many_results_there_are() -> None:
    space = spaces.nas_bench_201()
    x = np.unique(space.sample(1000, np.random.default_rng(0)), axis=0)
    y = (x == 3).sum(1) - 0.5 * (x == 4).sum(1) + 0.1 * x[:, 0]
    observations = Observations(
        x[:900], y[:900, None], np.empty((900, 0))
    )  # more than the surrogate takes
    predicted = SearchHistory(Proposer(space, seed=0), observations).predict(x[900:])
    assert abs(predicted.mean() - y[900:].mean()) < 0.3
