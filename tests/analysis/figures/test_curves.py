"""The figure of curves says what trials reported and why they were stopped."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from optuna_agnet import report, spaces
from optuna_agnet.visualization import plot_curves

pytest.importorskip("plotly")
optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = spaces.nas_bench_201()
WHY = {"agnet:stopped": {"step": 3, "mean": 0.6, "std": 0.05, "goal": 0.9, "chance": 0.001}}


@pytest.fixture
def study() -> optuna.Study:
    """Two whole trainings of 10 steps, one that another pruner stopped at 5, and one that ours did at 3."""
    study = optuna.create_study(direction="maximize")
    ends = [
        (10, TrialState.COMPLETE, {}),
        (10, TrialState.COMPLETE, {}),
        (5, TrialState.PRUNED, {}),
        (3, TrialState.PRUNED, WHY),
    ]
    for (end, state, attrs), row in zip(
        ends, SPACE.sample(4, np.random.default_rng(0)), strict=True
    ):
        study.add_trial(
            create_trial(
                state=state,
                value=0.9 if state == TrialState.COMPLETE else None,
                params=SPACE.row_to_params(row),
                distributions=SPACE.distributions(),
                intermediate_values={step: step / 10 for step in range(1, end + 1)},
                system_attrs=attrs,
            )
        )
    study.add_trial(create_trial(value=0.1))  # reported nothing
    return study


def test_each_report_is_a_point_and_curves_are_apart(study: optuna.Study) -> None:
    traces = {trace.name: trace for trace in plot_curves(study).data}
    assert list(traces) == ["stopped", "whole", "expected end of a stopped one"]
    assert len(traces["whole"].x) == 2 * 10 + 2
    assert traces["whole"].x[10] is None
    assert [x for x in traces["stopped"].x if x] == [1, 2, 3, 4, 5, 1, 2, 3]


def test_expected_ends_stand_at_the_last_step_and_say_why(study: optuna.Study) -> None:
    ends = plot_curves(study).data[-1]
    assert (ends.x, ends.y, ends.error_y.array) == ((10,), (0.6,), (0.1,))
    assert "stopped at step 3: 0.6 ± 0.05 expected" in ends.text[0]
    assert "0.9 needed, probability 0.001" in ends.text[0]


def test_a_study_without_reports_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reported a value on its way: call trial\.report"):
        plot_curves(optuna.create_study())


def test_the_report_counts_saved_steps(study: optuna.Study) -> None:
    page = report(study, SPACE)
    assert "| steps saved by pruning | 12 of 40 (30%) |" in page.markdown
    assert "| stopped by AGNetPruner | 1 |" in page.markdown


def test_what_another_trial_went_on_with_is_one_training(study: optuna.Study) -> None:
    """The one that was stopped at 5 goes on to 8, so two whole trainings, and two that were stopped, at 8 and 3."""
    again = study.trials[2]
    study.add_trial(
        create_trial(
            state=TrialState.PRUNED,
            params=again.params,
            distributions=again.distributions,
            intermediate_values={step: step / 10 for step in range(1, 9)},
            user_attrs={"agnet:continues": {"number": 2, "step": 5}},
        )
    )
    assert "| steps saved by pruning | 9 of 40 (22%) |" in report(study, SPACE).markdown
