"""Which finished trials are best: those that are known to keep all constraints."""

from __future__ import annotations

import warnings

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from optuna_agnet import best_trials
from optuna_agnet.study.trials import constraint_names, is_feasible

optuna.logging.set_verbosity(optuna.logging.WARNING)


def new_study(*results: tuple[float, dict[str, object]], objectives: int = 1) -> optuna.Study:
    """Trials of one value each, in all objectives, with system attributes."""
    study = optuna.create_study(directions=["maximize"] * objectives)
    for value, attrs in results:
        study.add_trial(create_trial(values=[value] * objectives, system_attrs=attrs))
    return study


def numbers(trials: list[optuna.trial.FrozenTrial]) -> list[int]:
    return [trial.number for trial in trials]


KEPT = {"constraints:ms": -1.0}
BROKEN = {"constraints:ms": 1.0}


@pytest.mark.parametrize("objectives", [1, 2])
@pytest.mark.parametrize("kept", [KEPT, {"constraints": [-1.0]}], ids=["Optuna 5", "Optuna 4"])
def test_a_trial_whose_constraint_is_unknown_is_left_out(
    objectives: int, kept: dict[str, object]
) -> None:
    study = new_study((1.0, kept), (9.0, {}), objectives=objectives)
    with pytest.warns(UserWarning, match=r"1 complete trials \(1\).*unknown_as_feasible=True"):
        assert numbers(best_trials(study)) == [0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert numbers(best_trials(study, unknown_as_feasible=True)) == [1]


def test_one_unknown_constraint_of_two_is_enough() -> None:
    both = {**KEPT, "constraints:mb": 0.0}
    with pytest.warns(UserWarning, match=r"\(ms, mb\)"):
        assert numbers(best_trials(new_study((1.0, both), (9.0, KEPT)))) == [0]


def test_a_constraint_that_is_nan_is_unknown() -> None:
    study = new_study((1.0, KEPT), (9.0, {"constraints": [float("nan")]}))
    with pytest.warns(UserWarning, match="unknown"):
        assert numbers(best_trials(study)) == [0]


def test_constraints_of_unfinished_trials_count() -> None:
    study = new_study((9.0, {}))
    study.add_trial(create_trial(state=TrialState.PRUNED, system_attrs=BROKEN))
    with pytest.warns(UserWarning, match="unknown"):
        assert best_trials(study) == []


def test_many_unknown_ones_are_not_all_listed() -> None:
    study = new_study((1.0, KEPT), *[(2.0, {})] * 9)
    with pytest.warns(UserWarning, match=r"9 complete trials \(1, 2, 3, 4, 5, \.\.\.\)"):
        best_trials(study)


@pytest.mark.parametrize(
    "results", [[(1.0, {}), (2.0, {})], [(1.0, KEPT), (9.0, BROKEN), (2.0, KEPT)]]
)
def test_nothing_is_said_where_nothing_is_unknown(
    results: list[tuple[float, dict[str, object]]],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [trial.value for trial in best_trials(new_study(*results))] == [2.0]


def test_feasible_means_known_to_keep_all_that_are_named() -> None:
    trial = create_trial(value=0.0, system_attrs=KEPT)
    assert is_feasible(trial)
    assert is_feasible(trial, ("ms",))
    assert not is_feasible(trial, ("ms", "mb"))
    assert not is_feasible(create_trial(value=0.0, system_attrs=BROKEN))


def test_names_come_in_the_order_in_which_they_turn_up() -> None:
    study = new_study((1.0, {}), (1.0, {"constraints:b": 0.0}), (1.0, {"constraints:a": 0.0}))
    assert constraint_names(study.trials) == ("b", "a")
