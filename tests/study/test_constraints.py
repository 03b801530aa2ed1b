"""Constraints and several objectives in studies."""

from __future__ import annotations

import math
import warnings

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from optuna_agnet import AGNetConfig, AGNetSampler, spaces
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import SpaceExhausted
from optuna_agnet.study.storage_view import StudyState
from optuna_agnet.study.trials import best_trials, constraints_of, is_feasible

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv", "pool"))
QUICK = AGNetConfig(n_startup=8, retrain_every=8, samples_per_attempt=(64,), pool_size=32)


def sampler(**arguments: object) -> AGNetSampler:
    return AGNetSampler(
        SPACE, **{"seed": 0, "config": QUICK, "generator": Generator(SPACE), **arguments}
    )


def new_study(**arguments: object) -> optuna.Study:
    study: optuna.Study = optuna.create_study(direction="maximize", sampler=sampler(**arguments))
    return study


def convs(arch: object) -> float:
    return float(str(arch).count("conv"))


def accuracy(trial: optuna.Trial) -> float:
    return convs(SPACE.suggest(trial))


def too_many(arch: object) -> float:
    return convs(arch) - 2.0


def observations(study: optuna.Study):  # type: ignore[no-untyped-def]
    return StudyState(SPACE, study, 2).read(study, -1).observations


def with_set_constraint(trial: optuna.Trial) -> float:
    value = accuracy(trial)
    trial.set_constraint("convs", value - 2.0)
    return value


needs_optuna_5 = pytest.mark.skipif(
    not hasattr(optuna.Trial, "set_constraint"),
    reason="this Optuna has no Trial.set_constraint: constraints_func is for it",
)


@needs_optuna_5
def test_constraints_of_trials_are_learned() -> None:
    study = new_study()
    study.optimize(with_set_constraint, n_trials=40)
    known = observations(study)
    assert known.names == ("convs",)
    np.testing.assert_array_equal(known.feasible, [is_feasible(trial) for trial in study.trials])
    kept = np.mean([is_feasible(trial) for trial in study.trials[20:]])
    assert (
        kept >= 0.5
    )  # without the limit, more convolutions are better: the search would keep to six
    assert best_trials(study)[0].value == 2


def test_constraints_func_is_the_same_for_optuna_4_and_ray() -> None:
    calls = []

    def constraints(trial: optuna.trial.FrozenTrial) -> list[float]:
        calls.append((trial.state, trial.value))
        return [trial.value - 2.0]

    study = new_study(constraints_func=constraints)
    study.optimize(accuracy, n_trials=40)
    assert calls == [(TrialState.COMPLETE, trial.value) for trial in study.trials]
    assert constraints_of(study.trials[0]) == {"0": study.trials[0].value - 2.0}
    if hasattr(optuna.Trial, "set_constraint"):
        twin = new_study()
        twin.optimize(with_set_constraint, n_trials=40)
        assert [t.params for t in twin.trials] == [t.params for t in study.trials]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([math.nan], r"returned NaN: \[nan\] in trial 0"),
        (ZeroDivisionError("no latency"), "raised ZeroDivisionError: no latency in trial 0"),
        (None, "returned None in trial 0.*a sequence of numbers"),
        (-0.5, "returned -0.5 in trial 0.*a sequence of numbers"),
        (["fast"], r"returned \['fast'\] in trial 0.*a sequence of numbers"),
    ],
)
def test_constraints_that_cannot_be_computed_stay_unknown_with_one_warning(
    result: object, message: str
) -> None:
    def constraints(trial: optuna.trial.FrozenTrial) -> object:
        if isinstance(result, Exception):
            raise result
        return result

    study = new_study(constraints_func=constraints)
    with pytest.warns(UserWarning, match=f"constraints_func {message}") as caught:
        study.optimize(accuracy, n_trials=3)
    assert len([w for w in caught if "constraints_func" in str(w.message)]) == 1
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert observations(study).names == ()


@needs_optuna_5
def test_a_trial_pruned_for_breaking_a_constraint_teaches_it() -> None:
    def objective(trial: optuna.Trial) -> float:
        value = accuracy(trial)
        trial.set_constraint("convs", value - 2.0)
        if value > 2:
            raise optuna.TrialPruned
        return value

    study = new_study()
    study.optimize(objective, n_trials=40)
    pruned = [t for t in study.trials if t.state == TrialState.PRUNED]
    assert pruned
    known = observations(study)
    assert len(known) == 40
    assert np.isnan(known.y).sum() == len(pruned)
    assert np.mean([t.state == TrialState.PRUNED for t in study.trials[20:]]) < 0.4


def test_a_known_constraint_costs_no_trial() -> None:
    study = new_study(known_constraints={"convs": too_many})
    study.optimize(accuracy, n_trials=30)
    assert max(trial.value for trial in study.trials) == 2


def test_a_known_constraint_that_nothing_meets_ends_the_study_with_an_error() -> None:
    study = new_study(known_constraints={"convs": lambda arch: convs(arch) + 1})
    message = r"checked against the limits \['convs'\].*convs by 1"
    with pytest.raises(SpaceExhausted, match=message):
        study.optimize(accuracy, n_trials=30)
    assert [trial.state.name for trial in study.trials] == ["FAIL"]


def test_bad_arguments_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="known_constraints"):
        sampler(known_constraints={"ms": 4.0})
    with pytest.raises(TypeError, match=r"constraints_func=4\.0"):
        sampler(constraints_func=4.0)


def test_constraint_names_that_differ_between_trials_are_unknown_where_they_lack() -> None:
    study = new_study()
    rng = np.random.default_rng(0)
    for i, row in enumerate(SPACE.sample(20, rng)):
        names = [{}, {"a": -1.0}, {"constraint": 0}, {"a": 2.0, "b": math.inf}][i % 4]
        attrs = {f"constraints:{name}": value for name, value in names.items()}
        study.add_trial(
            create_trial(
                value=float(i),
                params=SPACE.row_to_params(row),
                distributions=SPACE.distributions(),
                system_attrs=attrs,
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.optimize(accuracy, n_trials=3)
    known = observations(study)
    assert known.names == ("a", "b", "constraint")
    assert known.feasible.sum() == 15 + 3


@needs_optuna_5
@pytest.mark.parametrize("directions", [("maximize", "minimize"), ("minimize",) * 3])
def test_best_trials_are_the_feasible_front(directions: tuple[str, ...]) -> None:
    study = optuna.create_study(directions=directions, sampler=sampler())

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        arch = SPACE.suggest(trial)
        counts = [str(arch).count(op) for op in ("conv", "skip", "pool")]
        trial.set_constraint("pools", counts[2] - 2.0)
        return tuple(float(count) for count in counts[: len(directions)])

    study.optimize(objective, n_trials=30)
    assert [t.number for t in best_trials(study)] == [t.number for t in study.best_trials]
    assert all(is_feasible(trial) for trial in best_trials(study))


def test_best_trials_of_one_objective_are_all_of_the_best_value() -> None:
    study = new_study()
    for value in (1.0, 3.0, 3.0, 9.0):
        attrs = {"constraints:ms": value - 5.0}
        study.add_trial(create_trial(value=value, system_attrs=attrs))
    assert [trial.number for trial in best_trials(study)] == [1, 2]
    assert best_trials(new_study()) == []
