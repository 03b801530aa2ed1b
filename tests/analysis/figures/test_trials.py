"""Figures of trials say what the trials say."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

from optuna_agnet.study.trials import is_feasible
from optuna_agnet.visualization import plot_latency_accuracy, plot_search_progress

pytest.importorskip("plotly")
optuna.logging.set_verbosity(optuna.logging.WARNING)


def new_study(
    direction: str = "maximize", n: int = 60, *, limit: float | None = 0.0, seed: int = 0
) -> optuna.Study:
    """Random values and latencies; the constraint in the form that Optuna 4 and 5 both read."""
    rng = np.random.default_rng(seed)
    study = optuna.create_study(direction=direction)
    for k in range(n):
        latency = rng.normal()
        attrs = {"agnet:source": ["startup", "generator", "neighbors"][k % 3]} if k % 4 else {}
        if limit is not None:
            attrs["constraints"] = [latency - limit]
        study.add_trial(
            create_trial(
                value=rng.normal() + latency, user_attrs={"ms": latency}, system_attrs=attrs
            )
        )
    return study


def traces(figure: object) -> dict[str, object]:
    return {trace.name: trace for trace in figure.data}  # type: ignore[attr-defined]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_best_so_far_is_the_best_feasible_one(direction: str) -> None:
    study = new_study(direction)
    better = max if direction == "maximize" else min
    best: list[float] = []
    for trial in study.trials:
        if is_feasible(trial):
            best.append(better([*best[-1:], trial.value]))
        elif best:
            best.append(best[-1])
    assert traces(plot_search_progress(study))["best feasible"].y.tolist() == best


def test_every_trial_is_a_point_of_its_source_or_infeasible() -> None:
    study = new_study()
    shown = traces(plot_search_progress(study))
    assert set(shown) == {
        *("startup", "generator", "neighbors", "other"),
        "infeasible",
        "best feasible",
    }
    points = sum(len(trace.x) for name, trace in shown.items() if name != "best feasible")
    assert points == len(study.trials)
    assert len(shown["infeasible"].x) == sum(not is_feasible(t) for t in study.trials)


@pytest.mark.filterwarnings("error")
def test_pruned_trials_are_where_they_were_left() -> None:
    study = new_study(n=4, limit=None)
    assert "pruned" not in traces(plot_search_progress(study))
    for reported in ({1: 0.2, 3: 0.4}, {}, {2: 0.1}):
        pruned = create_trial(state=optuna.trial.TrialState.PRUNED, intermediate_values=reported)
        study.add_trial(pruned)
    shown = traces(plot_search_progress(study))["pruned"]
    assert list(shown.x) == [4, 6]  # type: ignore[attr-defined]
    assert list(shown.y) == [0.4, 0.1]  # type: ignore[attr-defined]
    assert list(shown.text) == ["pruned at step 3", "pruned at step 2"]  # type: ignore[attr-defined]


def test_values_at_the_end_of_the_floats_have_an_axis() -> None:
    study = optuna.create_study()
    for value in (1e308, -1e308, 0.0, 1.7e308):
        study.add_trial(create_trial(value=value))
    assert np.isfinite(plot_search_progress(study).layout.yaxis.range).all()


def with_unknown(direction: str = "maximize") -> optuna.Study:
    """The best trial of all never set the constraint that the others have."""
    study = new_study(direction)
    value = 99.0 if direction == "maximize" else -99.0
    study.add_trial(create_trial(value=value, user_attrs={"ms": 0.0}))
    return study


def test_a_trial_whose_constraint_is_unknown_is_not_the_best() -> None:
    study = with_unknown()
    shown = traces(plot_search_progress(study))
    assert shown["best feasible"].y.max() < 99.0
    assert shown["infeasible"].text[-1] == "0: unknown"
    front = traces(plot_latency_accuracy(study, "ms"))
    assert front["front"].y.max() < 99.0
    assert front["infeasible"].y.max() == 99.0


def test_without_a_feasible_trial_there_is_no_best_line() -> None:
    shown = traces(plot_search_progress(new_study(limit=-99)))
    assert set(shown) == {"infeasible"}


def test_the_front_is_what_no_feasible_trial_beats() -> None:
    study = new_study(n=80)
    feasible = [t for t in study.trials if is_feasible(t)]
    front = sorted(
        (a.user_attrs["ms"], a.value)
        for a in feasible
        if not any(b.user_attrs["ms"] < a.user_attrs["ms"] and b.value > a.value for b in feasible)
    )
    shown = traces(plot_latency_accuracy(study, "ms", limits=[0.0]))["front"]
    assert list(zip(shown.x, shown.y, strict=True)) == front


def test_the_latency_is_a_constraint_an_attribute_a_function_or_the_second_objective() -> None:
    study = new_study()
    by_constraint = plot_latency_accuracy(study)
    assert by_constraint.layout.xaxis.title.text == "0 above its limit"
    assert len(by_constraint.layout.shapes) == 1  # its limit, 0
    figures = [by_constraint, plot_latency_accuracy(study, "ms")]
    figures.append(plot_latency_accuracy(study, lambda trial: trial.user_attrs["ms"]))
    assert len({tuple(traces(figure)["feasible"].x) for figure in figures}) == 1
    joint = optuna.create_study(directions=["maximize", "minimize"])
    joint.add_trial(create_trial(values=[1.0, 2.0]))
    assert traces(plot_latency_accuracy(joint))["front"].x.tolist() == [2.0]
    with pytest.raises(ValueError, match=r"latency='watts'.*\['ms'\]"):
        plot_latency_accuracy(study, "watts")


def test_a_trial_without_the_attribute_is_left_out() -> None:
    study = new_study(n=5, limit=None)
    study.add_trial(create_trial(value=0.0))
    assert len(traces(plot_latency_accuracy(study, "ms"))["feasible"].x) == 5


def test_hopeless_and_infinite_trials_do_not_squash_the_axis() -> None:
    study = new_study(limit=None)
    values = [t.value for t in study.trials]
    study.add_trial(create_trial(value=-1e6))
    study.add_trial(create_trial(value=float("-inf")))
    low, high = plot_search_progress(study).layout.yaxis.range
    assert -50 < low < high < max(values) + 5
    assert high > max(values)


def test_empty_studies_and_wrong_objectives_are_refused() -> None:
    with pytest.raises(ValueError, match="no complete trial"):
        plot_search_progress(optuna.create_study(study_name="empty"))
    with pytest.raises(ValueError, match="objective=1"):
        plot_search_progress(new_study(n=2), objective=1)


@pytest.mark.skipif(not hasattr(optuna.Trial, "set_constraint"), reason="needs Optuna 5")
def test_named_constraints_are_read() -> None:
    study = optuna.create_study()
    trial = study.ask()
    trial.set_constraint("ms", 0.5)
    study.tell(trial, 1.0)
    assert plot_latency_accuracy(study).layout.xaxis.title.text == "ms above its limit"
