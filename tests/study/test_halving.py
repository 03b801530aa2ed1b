"""What goes on while too few trainings are whole for a model: successive halving."""

import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from optuna_agnet import AGNetPruner, spaces
from optuna_agnet.study.attributes import FellBehind, stopped_because
from optuna_agnet.visualization import plot_curves

SPACE = spaces.nas_bench_201()
STEPS = (1, 3, 7, 15, 31)  # and 40, where the objective is reported


def add(study, reported, value=None, **attrs):
    """A finished trial: stopped, or whole with a value."""
    study.add_trial(
        optuna.create_trial(
            state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
            value=value,
            intermediate_values=reported,
            system_attrs=attrs,
        )
    )


def study_with(*curves, direction="maximize", **settings):
    study = optuna.create_study(direction=direction, pruner=AGNetPruner(SPACE, **settings))
    for reported in curves:
        add(study, reported, reported[max(reported)] if 40 in reported else None)
    return study


def level(value, last=40):
    """A curve that stays where it is."""
    return dict.fromkeys(range(1, last + 1), value)


def watch(study, reported, value=None):
    """The step at which a trial is stopped; 0 for never."""
    running = study.ask()
    for step, at in reported.items():
        running.report(at, step)
        if running.should_prune():
            study.tell(running, state=TrialState.PRUNED)
            return step
    study.tell(running, reported[max(reported)] if value is None else value)
    return 0


def test_the_first_two_trainings_are_whole_and_the_next_has_to_lead():
    study = study_with()
    assert [watch(study, level(value)) for value in (2.0, 1.0, 1.5, 3.0)] == [0, 0, 1, 0]


def naive(before, value, step, top):
    """Whether a trial goes on at a rung, by the rule as the documents have it."""
    there = sorted([reported[step] for reported in before if step in reported] + [value])
    better = len([v for v in there if v > value])
    following = dict(zip(STEPS, (*STEPS[1:], 40), strict=True))[step]
    kept = math.floor(len(there) * (step + 1) / (following + 1))
    return better < max(kept, top)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("top", [1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_decisions_are_those_of_the_rule(seed, top, direction):
    """Two to four whole trainings, twenty that were stopped anywhere, and one that is watched; ties among them."""
    rng = np.random.default_rng(seed)
    sign = 1.0 if direction == "maximize" else -1.0

    def curve(last):
        return dict(zip(range(1, last + 1), rng.integers(0, 12, size=last).tolist(), strict=True))

    before = [curve(40) for _ in range(rng.integers(2, 5))]
    before += [curve(int(rng.integers(1, 40))) for _ in range(20)]
    own = curve(40)
    signed = [{step: sign * value for step, value in reported.items()} for reported in before]
    study = study_with(*signed, direction=direction, top=top)
    stops = [step for step in STEPS if not naive(before, own[step], step, top)]
    reported = {step: sign * value for step, value in own.items()}
    assert watch(study, reported) == (stops[0] if stops else 0)


def test_a_wide_gap_to_the_next_rung_leaves_a_quarter():
    """Of eight at step 1 the best two go on to step 40, and as many where nobody knows what follows the only report."""
    others = [{1: float(value)} for value in range(5)]
    for value, stopped in ((4.5, 0), (3.5, 1)):
        gap = study_with({1: 9.0, 40: 9.0}, {1: 0.0, 40: 0.0}, *others)
        assert watch(gap, {1: value, 40: value}) == stopped
        once = study_with(*others)
        for early in (9.0, 0.0):
            add(once, {1: early}, value=50.0)
        assert watch(once, {1: value}, value=50.0) == stopped


def test_a_training_that_is_over_is_never_stopped():
    """At the last rung, and where the only report is the objective."""
    ends = study_with(level(2.0), level(1.0))
    assert watch(ends, {40: 0.0}) == 0
    once = study_with({40: 2.0}, {40: 1.0})
    assert watch(once, {40: 0.0}) == 0


def test_a_training_that_ended_at_infinity_changes_nothing_for_those_that_are_over():
    """Its last report is its objective, too."""
    once = study_with({40: math.inf}, {40: 1.0}, direction="minimize")
    assert watch(once, {40: 2.0}) == 0


def test_who_wants_whole_ones_gets_them():
    study = study_with(level(2.0), level(1.0), level(3.0), n_warmup_curves=4)
    assert watch(study, level(0.0)) == 0  # the fourth
    assert watch(study, level(0.0)) == 1


def test_nothing_is_stopped_before_the_first_step():
    study = study_with(level(2.0), level(1.0), n_warmup_steps=5)
    assert watch(study, level(0.0)) == 7


def test_with_five_whole_trainings_the_model_decides():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    study = study_with(*(level(value) for value in values))
    watch(study, level(0.0))
    assert not isinstance(stopped_because(study.trials[-1]), FellBehind)


def test_five_whole_trainings_of_which_none_is_feasible_stop_nothing():
    study = study_with()
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        add(study, level(value), value=math.nan if value < 0 else math.inf)
    assert watch(study, level(0.0)) == 0


def test_who_broke_a_constraint_is_not_compared_with():
    """Were large networks ahead, and too slow, no other one would be trained to its end."""
    study = study_with(level(2.0), level(1.0))
    for value in (9.0, 8.0):
        add(study, level(value), value, constraints=[1.0])
    assert watch(study, level(3.0)) == 0
    assert watch(study, level(0.5)) == 1
    assert stopped_because(study.trials[-1]) == FellBehind(1, 4, 4)


def test_running_trials_are_not_compared_with():
    study = study_with(level(2.0), level(1.0))
    for _ in range(9):
        study.ask().report(0.0, 1)
    assert watch(study, level(1.5)) == 1


def test_a_report_of_nan_is_the_worst():
    study = study_with(level(2.0), level(1.0), *(level(0.0, last=1) for _ in range(8)))
    assert watch(study, {**level(1.0), 1: math.nan}) == 1


def test_a_training_that_began_late_goes_on():
    study = study_with(level(2.0), level(1.0))
    assert watch(study, {2: 0.0}) == 0  # interpolation needs what was before


def test_why_it_was_stopped_is_stored_and_shown():
    study = study_with(level(2.0), level(1.0))
    watch(study, level(1.5))
    assert stopped_because(study.trials[-1]) == FellBehind(step=1, place=2, of=3)
    assert [trace.name for trace in plot_curves(study).data] == ["stopped", "whole"]


@pytest.mark.parametrize("value", [1.0, math.nan, math.inf])
def test_who_is_level_with_all_others_goes_on(value):
    study = study_with()
    for _ in range(2):
        add(study, level(value), value=1.0)
    for _ in range(9):
        add(study, level(value, last=1))
    assert watch(study, level(value), value=1.0) == 0


def test_ties_are_no_place_behind():
    """Of eight at step 1 the first four go on, and all that are as good as the fourth."""
    others = [level(value, last=1) for value in (1.0, 1.0, 1.0, 1.0, 0.0)]
    for value, stopped in ((1.0, 0), (0.5, 1)):
        study = study_with(level(2.0), level(1.5), *others)
        assert watch(study, {**level(3.0), 1: value}) == stopped
