"""What a decision of the pruner costs: one fit serves all of a training, and memory has a bound."""

from __future__ import annotations

import pytest

from benchmarks import decisions
from optuna_agnet.study import study_curves


def test_one_fit_serves_all_decisions_until_another_trial_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits = []
    model = study_curves.CurveModel
    monkeypatch.setattr(
        study_curves, "CurveModel", lambda *of: (fits.append(len(of[0])), model(*of))[1]
    )
    found = decisions.costs(24, watched=3)
    assert fits == [24, 25, 26, 27]
    assert [len(each) for each in found[:3]] == [3, 3 * 5, 3 * (100 - 6)]


def test_a_fit_takes_no_more_memory_once_enough_trainings_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(study_curves, "_MOST", 12)
    few, many = (decisions.costs(trials, watched=1).peak for trials in (60, 120))
    assert many < 1.3 * few  # of a trial, its number is kept


def test_the_table_has_medians_in_milliseconds() -> None:
    costs = decisions.Costs([0.02, 0.01, 0.09], [0.002], [0.0001], 2**20)
    assert "| 1,000 | 20.0 | 2.0 | 0.1 | 1.0 |" in decisions.report({1000: costs})
