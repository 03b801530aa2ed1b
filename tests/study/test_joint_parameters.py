"""Parameters beside the space in a study."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import PartialFixedSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import TrialState

from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, spaces
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.study.joint_parameters import JointParameters
from optuna_agnet.study.warm_start import read_sources

SPACE = spaces.EdgeCell(nodes=3, ops=("skip", "conv", "pool"))
CONFIG = AGNetConfig(n_startup=6, candidate_sources=("neighbors", "random"), pool_size=64)


def new_study(seed: int = 0, **given: object) -> optuna.Study:
    sampler = AGNetSampler(SPACE, seed=seed, config=CONFIG)
    return optuna.create_study(**{"direction": "maximize", "sampler": sampler, **given})  # type: ignore[arg-type]


def objective(trial: optuna.Trial) -> float:
    architecture = SPACE.suggest(trial)
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    optimizer = trial.suggest_categorical("optimizer", ("sgd", "adam"))
    if optimizer == "adam":
        trial.suggest_float("beta", 0.8, 0.99)
    return float(str(architecture).count("conv") - abs(np.log10(lr) + 2) + (optimizer == "sgd"))


def pairs(study: optuna.Study) -> list[tuple[tuple[str, object], ...]]:
    shared = [{k: v for k, v in t.params.items() if k != "beta"} for t in study.trials]
    return [tuple(sorted(params.items())) for params in shared]


@pytest.fixture(autouse=True)
def no_warnings() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


DISTRIBUTIONS = {
    "lr": [FloatDistribution(1e-4, 1.0, log=True)] * 9 + [FloatDistribution(1e-4, 0.1, log=True)],
    "layers": [IntDistribution(1, 8)],
    "optimizer": [CategoricalDistribution(("sgd", "adam"))],
    "warmup": [CategoricalDistribution((float("nan"), 5.0))],
    "momentum": [FloatDistribution(0.9, 0.9)],
}


def test_they_are_what_optuna_finds() -> None:
    """Over random histories in which a trial may lack a parameter, or have another range of it."""
    found = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        joint, twin = JointParameters(SPACE), IntersectionSearchSpace()
        for _ in range(8):
            trial = study.ask()
            SPACE.suggest(trial)
            for name, choices in DISTRIBUTIONS.items():
                if rng.random() < 0.9:
                    trial._suggest(name, choices[rng.integers(len(choices))])
            if rng.random() < 0.9:
                state = TrialState.FAIL if rng.random() < 0.2 else None
                study.tell(trial, None if state else 0.0, state=state)
            own = SPACE.distributions()
            theirs = {
                n: d for n, d in twin.calculate(study).items() if n not in own and not d.single()
            }
            assert joint.update(study) == theirs
            assert list(joint.update(study)) == list(theirs)
            found.add(tuple(theirs))
    assert len(found) > 8


def test_trials_without_an_architecture_leave_them_in_the_model() -> None:
    study = new_study()
    study.add_trial(optuna.create_trial(value=0.5))  # a baseline
    other = {"lr": FloatDistribution(1e-3, 1e-2)}  # of another search
    study.add_trial(optuna.create_trial(value=0.1, params={"lr": 0.005}, distributions=other))
    study.optimize(objective, n_trials=2)
    assert set(JointParameters(SPACE).update(study)) == {"lr", "optimizer"}
    assert JointParameters(NoArchitecture()).update(study) == {}  # there all trials count


def test_a_study_of_both_repeats_no_pair_and_finds_the_best() -> None:
    study = new_study()
    study.optimize(objective, n_trials=32)
    assert len(set(pairs(study))) == 32
    assert study.best_value > 3.5
    relative = study.sampler.infer_relative_search_space(study, study.trials[-1])
    assert {"lr", "optimizer"} < set(relative)
    assert "beta" not in relative  # only some trials have it


def begun_at_once(n: int, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """So many workers that have begun, none of which has a result."""
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(n):
        objective(study.ask())
    return study


def eighths(places: list[float]) -> list[int]:
    """In which eighth of what is probable places between 0 and 1 are: F(q) = 3 q^2 - 2 q^3 of Beta(2, 2)."""
    q = np.array(places)
    return sorted((8 * (3 * q**2 - 2 * q**3)).astype(int).tolist())


def rate_places(trials: list[optuna.trial.FrozenTrial]) -> list[float]:
    return [float(np.log10(trial.params["lr"]) / 4 + 1) for trial in trials]


@pytest.mark.parametrize("seed", range(4))
def test_workers_that_begin_at_once_fill_the_ranges(seed: int) -> None:
    """No trial has shown yet what is searched."""
    study = begun_at_once(16, AGNetSampler(SPACE, seed=seed, config=CONFIG))
    for eight in (study.trials[:8], study.trials[8:]):
        assert eighths(rate_places(eight)) == list(range(8))
        optimizers = Counter(trial.params["optimizer"] for trial in eight)
        assert optimizers == {"sgd": 4, "adam": 4}
        by_sgd = [trial.params["lr"] for trial in eight if trial.params["optimizer"] == "sgd"]
        assert min(by_sgd) <= 0.01 < max(by_sgd)
    rates = [trial.params["lr"] for trial in study.trials]
    assert np.argsort(rates[:8]).tolist() != np.argsort(rates[8:]).tolist()
    again = begun_at_once(16, AGNetSampler(SPACE, seed=seed, config=CONFIG))
    assert [trial.params["lr"] for trial in again.trials] == rates


def test_a_sampler_that_is_given_begins_itself_and_so_does_what_comes_later() -> None:
    given = optuna.samplers.RandomSampler(seed=0)
    study = begun_at_once(8, AGNetSampler(SPACE, seed=0, config=CONFIG, independent_sampler=given))
    assert eighths(rate_places(study.trials)) != list(range(8))

    def late(trial: optuna.Trial) -> float:
        return objective(trial) + (trial.suggest_float("late", 0, 1) if trial.number else 0.0)

    study = new_study()
    study.optimize(late, n_trials=9)
    assert eighths([trial.params["late"] for trial in study.trials[1:]]) != list(range(8))


def test_a_changed_range_is_told_once_with_the_way_out() -> None:
    def up_to(high: float) -> Callable[[optuna.Trial], float]:
        def objective(trial: optuna.Trial) -> float:
            lr = trial.suggest_float("lr", 1e-4, high, log=True)
            return str(SPACE.suggest(trial)).count("conv") - abs(np.log10(lr) + 2)

        return objective

    study = new_study()
    study.optimize(up_to(1.0), n_trials=3)
    study.optimize(up_to(0.5), n_trials=1)
    with pytest.warns(UserWarning, match=r"'lr'.*trial 3.*high=1\.0.*high=0\.5") as caught:
        study.optimize(up_to(0.5), n_trials=3)
    assert len(caught) == 1
    assert "source_studies=[study]" in str(caught[0].message)
    study.sampler = AGNetSampler(SPACE, seed=0, config=CONFIG)
    with pytest.warns(UserWarning, match="trial 3"):  # a worker that joins is told as well
        study.optimize(up_to(0.5), n_trials=1)
    wider = new_study(sampler=AGNetSampler(SPACE, seed=0, config=CONFIG, source_studies=[study]))
    wider.optimize(up_to(0.5), n_trials=2)
    assert "lr" in wider.sampler.infer_relative_search_space(wider, wider.trials[-1])


def whole_and_resumed(
    objective: Callable[[optuna.Trial], float], n_trials: int
) -> tuple[optuna.Study, optuna.Study]:
    """A study of so many trials, and one of as many in three parts, each with a sampler of its own."""
    whole, parts = new_study(), new_study()
    whole.optimize(objective, n_trials=n_trials)
    for _ in range(3):
        parts.sampler = AGNetSampler(SPACE, seed=0, config=CONFIG)
        parts.optimize(objective, n_trials=n_trials // 3)
    return whole, parts


def test_a_study_that_is_resumed_goes_on_as_it_would_have() -> None:
    whole, parts = whole_and_resumed(objective, 18)
    assert [t.params for t in whole.trials] == [t.params for t in parts.trials]


def test_enqueued_and_fixed_parameters_are_kept_and_the_rest_is_chosen() -> None:
    study = new_study()
    study.optimize(objective, n_trials=10)
    study.enqueue_trial({"lr": 0.0123})
    study.enqueue_trial({"optimizer": "adam", **SPACE.to_params(SPACE.random_architecture(0))})
    study.optimize(objective, n_trials=2)
    assert study.trials[10].params["lr"] == 0.0123
    assert study.trials[11].params["optimizer"] == "adam"
    name = SPACE.decisions[0].name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = PartialFixedSampler({"optimizer": "adam", name: "skip"}, study.sampler)
    study.optimize(objective, n_trials=4)
    assert {(t.params["optimizer"], t.params[name]) for t in study.trials[12:]} == {
        ("adam", "skip")
    }
    assert len(set(pairs(study))) == 16


def test_a_claim_covers_the_pair() -> None:
    study = new_study()
    study.optimize(objective, n_trials=8)
    study.sampler = AGNetSampler(SPACE, seed=0, config=CONFIG)
    second = AGNetSampler(SPACE, seed=0, config=CONFIG)
    first = study.ask()
    SPACE.suggest(first)  # and no learning rate yet
    attrs = study.trials[first.number].system_attrs
    assert set(attrs["agnet:claim:hyperparameters"]) == {"lr", "optimizer"}
    study.sampler = second
    other = study.ask()
    SPACE.suggest(other)
    claims = [study.trials[t.number].system_attrs for t in (first, other)]
    keys = ("agnet:claim", "agnet:claim:hyperparameters")
    assert [claims[0][k] for k in keys] != [claims[1][k] for k in keys]


def test_threads_repeat_no_pair() -> None:
    study = new_study()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        def slow(trial: optuna.Trial) -> float:
            found = objective(trial)
            time.sleep(0.01)
            return found

        study.optimize(slow, n_trials=24, n_jobs=4)
    assert len(set(pairs(study))) == 24


def test_pruned_pairs_teach_and_do_not_come_again() -> None:
    def pruned(trial: optuna.Trial) -> float:
        convs = str(SPACE.suggest(trial)).count("conv")
        value = convs - abs(trial.suggest_int("layers", 1, 8) - 4) / 4
        bad = trial.suggest_categorical("optimizer", ("sgd", "adam")) == "adam"
        trial.report(value - 2 * bad, 0)
        if bad:
            raise optuna.TrialPruned
        return value + 1

    whole, parts = whole_and_resumed(pruned, 30)
    assert [t.params for t in whole.trials] == [t.params for t in parts.trials]
    assert len(set(pairs(whole))) == 30
    stopped = [t.state is TrialState.PRUNED for t in whole.trials]
    assert sum(stopped[12:]) < sum(stopped[:6])


def test_several_objectives_and_constraints_work() -> None:
    sampler = AGNetSampler(
        SPACE, seed=0, config=CONFIG, constraints_func=lambda trial: (trial.params["lr"] - 0.1,)
    )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def two(trial: optuna.Trial) -> tuple[float, float]:
        architecture = SPACE.suggest(trial)
        lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
        return str(architecture).count("conv"), abs(np.log10(lr) + 2)

    study.optimize(two, n_trials=20)
    feasible = [t for t in study.trials[8:] if t.params["lr"] <= 0.1]
    assert len(feasible) > 6


def test_a_warm_start_may_have_other_hyperparameters() -> None:
    source = new_study(seed=1)

    def with_others(trial: optuna.Trial) -> float:
        architecture = SPACE.suggest(trial)
        lr = trial.suggest_float("lr", 1e-6, 10.0, log=True)
        trial.suggest_int("unused", 0, 9)
        return float(str(architecture).count("conv") - abs(np.log10(lr) + 2))

    source.optimize(with_others, n_trials=24)
    sampler = AGNetSampler(SPACE, seed=0, config=CONFIG, source_studies=[source])
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=6)
    assert np.median([t.value for t in study.trials]) > 1.5


def test_what_a_source_tried_beyond_the_range_keeps_its_distance() -> None:
    """At the limits it was not tried; and what is proposed is on the grid of this search."""
    source = new_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for lr, width in ((10.0, 3), (0.1, 5), (1e-5, 9)):
        source.enqueue_trial({"lr": lr, "width": width})

    def wide(trial: optuna.Trial) -> float:
        SPACE.suggest(trial)
        return trial.suggest_float("lr", 1e-6, 10.0, log=True) + trial.suggest_int("width", 1, 16)

    source.optimize(wide, n_trials=3)
    (read,) = read_sources([source], SPACE)
    narrow = {"lr": FloatDistribution(1e-4, 1.0, log=True), "width": IntDistribution(2, 6, step=2)}
    hyperparameters = Hyperparameters.of(narrow)
    prior = read.with_hyperparameters(hyperparameters)
    assert prior.z is not None
    np.testing.assert_allclose(prior.z, [[1.25, 0.25], [0.75, 0.75], [-0.25, 1.75]])
    search = AGNet(
        SPACE, config=CONFIG, prior_observations=[prior], hyperparameters=hyperparameters
    )
    search.ask(6)
    taken = np.array(search.state_dict()["pending_hyperparameters"])
    np.testing.assert_array_equal(hyperparameters.snap(taken), taken)


def test_odd_studies_go_on() -> None:
    study = new_study()

    def odd(trial: optuna.Trial) -> float:
        SPACE.suggest(trial)
        n = trial.number
        trial.suggest_float("moving", 0, 1 + n)
        if n > 8 and n % 2:
            trial.suggest_float("late", 0, 1)
        if n < 12:
            trial.suggest_float("vanishing", 0, 1)
        trial.suggest_categorical("many", list(map(str, range(3000))))
        trial.suggest_int("huge", 0, 2**62)
        trial.suggest_float("decade", 0.1, 1, log=True)
        trial.suggest_float("constant", 1, 1)
        trial.suggest_categorical("single", ["x"])
        trial.suggest_categorical("mixed", [None, True, 1, "a", 0.5])
        if n % 9 == 4:
            return float("nan")
        if n % 11 == 5:
            raise optuna.TrialPruned
        if n % 13 == 6:
            raise ZeroDivisionError
        return float(n)

    with pytest.warns(UserWarning, match="'moving' has another range in trial 1") as caught:
        study.optimize(odd, n_trials=26, catch=ZeroDivisionError)
    assert len(caught) == 1
    assert len(study.trials) == 26
    own = {d.name for d in SPACE.decisions}
    joint = study.sampler._joint_parameters(study)  # type: ignore[attr-defined]
    assert set(joint) == {"many", "huge", "decade", "mixed"}
    assert own.isdisjoint(joint)


def test_hyperparameters_alone_need_no_space() -> None:
    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(seed=0))

    def alone(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
        optimizer = trial.suggest_categorical("optimizer", ("sgd", "adam"))
        return float((optimizer == "sgd") - abs(np.log10(lr) + 2))

    study.optimize(alone, n_trials=30)
    assert study.best_value > 0.9


def test_a_grid_of_hyperparameters_is_used_up() -> None:
    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(
            lambda t: t.suggest_int("a", 0, 3) + (t.suggest_categorical("b", "xy") == "y"), 20
        )
    done = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    assert len({tuple(t.params.items()) for t in done}) == 8
    assert len(study.trials) <= 10


def test_other_surrogates_leave_hyperparameters_to_the_independent_sampler() -> None:
    config = AGNetConfig.paper(n_startup=4, round_size=4)
    sampler = AGNetSampler(SPACE, seed=0, config=config)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=3)
    assert sampler._joint_parameters(study) == {}


@pytest.mark.parametrize("seed", range(3))
def test_where_some_values_always_fail_the_search_goes_on_elsewhere(seed: int) -> None:
    def diverges(trial: optuna.Trial) -> float:
        arch = SPACE.suggest(trial)
        lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        if lr > 0.01:
            raise RuntimeError("the loss is NaN")
        return str(arch).count("conv") - lr

    study = optuna.create_study(
        direction="maximize", sampler=AGNetSampler(SPACE, seed=seed, config=CONFIG)
    )
    study.optimize(diverges, n_trials=40, catch=(RuntimeError,))
    failed = [trial.state == TrialState.FAIL for trial in study.trials]
    assert sum(failed) <= 20
    same = [tuple(sorted(t.params.items())) for t in study.trials]
    assert sorted(Counter(same).values())[-3:] == [1, 2, 2]  # twice it was tried again, in vain


@pytest.mark.parametrize("max_failures", [2, 3, 5])
def test_a_pair_is_tried_as_often_as_max_failures_says(max_failures: int) -> None:
    """More than three tries of one pair are no reason to leave the architecture alone before."""
    sampler = AGNetSampler(SPACE, seed=0, config=CONFIG, max_failures=max_failures)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=3)
    for _ in range(max_failures + 1):
        trial = study.ask()
        objective(trial)
        study.tell(trial, state=TrialState.FAIL)
    first, *again, another = pairs(study)[3:]
    assert all(pair == first for pair in again)
    assert another != first


def test_an_ask_and_tell_search_learns_where_its_pairs_fail() -> None:
    search = AGNet(SPACE, seed=0, config=CONFIG, hyperparameters={"lr": DISTRIBUTIONS["lr"][0]})
    failed = 0
    for _ in range(40):
        arch = search.ask()
        lr = arch.hyperparameters["lr"]
        fails = lr > 0.01
        search.tell(arch, None if fails else str(arch).count("conv") - lr)
        failed += fails
    assert failed <= 20  # half of all values fail
