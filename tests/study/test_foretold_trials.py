"""Trials that were stopped or still run are judged by their curves, and rounds of training don't notice."""

import warnings
from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from optuna_agnet import AGNetSampler, spaces
from optuna_agnet.search import Observations, Proposer, Snapshot
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.study.storage_view import StudyState

SPACE = spaces.nas_bench_201()
EPOCHS = 16


def end(row):
    return float(np.square(np.asarray(row) / 4 - 0.6).mean())


def curve(row, until=EPOCHS, sign=1.0):
    """Rises to its end; those that end well begin badly, so places on the way mislead."""
    return {e: sign * end(row) * (e - 6) / (EPOCHS - 6) for e in range(1, until + 1)}


def add(study, row, until=None, sign=1.0, state=TrialState.PRUNED, **more):
    """A whole training, or one that was left after some epochs."""
    study.add_trial(
        optuna.create_trial(
            params=SPACE.row_to_params(row),
            distributions=SPACE.distributions(),
            state=TrialState.COMPLETE if until is None else state,
            value=sign * end(row) if until is None else None,
            intermediate_values=curve(row, EPOCHS if until is None else until, sign),
            **more,
        )
    )


def study_of(whole, stopped, direction="maximize"):
    """Whole trainings and some that were stopped at step 3, in turn."""
    study = optuna.create_study(direction=direction)
    sign = 1.0 if direction == "maximize" else -1.0
    rows = SPACE.repair(SPACE.sample(whole + stopped, np.random.default_rng(0)))
    for k, row in enumerate(rows):
        last = k >= 2 * min(whole, stopped)
        add(study, row, 3 if (k % 2 if not last else stopped > whole) else None, sign)
    return study, rows


def read(study):
    return StudyState(SPACE, study, 2).read(study, -1)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_curves_tell_where_a_place_on_the_way_misleads(direction):
    study, _ = study_of(20, 10, direction)
    snapshot = read(study)
    trials = study.trials
    stopped = np.array([t.state == TrialState.PRUNED for t in trials])
    truth = np.array([end(SPACE.params_to_row(t.params)) for t in trials])
    revised, placed = snapshot.judged.y[:, 0], snapshot.observations.y[:, 0]
    assert (revised[~stopped] == placed[~stopped]).all()
    assert np.abs(revised - truth)[stopped].max() < 0.02
    assert np.abs(placed - truth)[stopped].max() > 0.1
    assert snapshot.latest.y[:, 0].tolist() == revised.tolist()
    assert (snapshot.latest.x == snapshot.observations.x).all()


reports = st.dictionaries(st.integers(0, 6), st.floats(-1, 1) | st.just(np.nan), max_size=4)


WHOLE, STOPPED, RUNS = TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING
states = st.sampled_from([WHOLE, WHOLE, STOPPED, RUNS])


@given(st.lists(st.tuples(reports, states), min_size=8, max_size=16))
@settings(max_examples=40)
@example(
    [({1: 0.5}, STOPPED if k > 5 else WHOLE) for k in range(8)]
)  # one report each, the objective
@example([({4: 0.1, 6: 0.2} if k < 6 else {1: 0.3}, WHOLE if k < 6 else RUNS) for k in range(8)])
def test_odd_reports_never_end_a_study(histories):
    """Few reports, none, late ones, unequal steps, NaN: all is read, and whole trainings keep their values."""
    study = optuna.create_study(direction="maximize")
    for k, (reported, state) in enumerate(histories):
        study.add_trial(
            optuna.create_trial(
                params=SPACE.to_params(SPACE.random_architecture(k)),
                distributions=SPACE.distributions(),
                state=state,
                value=[0.0, *(v for v in reported.values() if v == v)][-1]
                if state == WHOLE
                else None,
                intermediate_values=reported,
            )
        )
    snapshot = read(study)
    if snapshot.judged is not None:
        known, judged = snapshot.observations.y, snapshot.judged.y
        assert np.isfinite(judged[: len(known)][np.isfinite(known)]).all()
        assert np.isfinite(judged[len(known) :]).all()


def with_running(*epochs, direction="maximize", **more):
    """Twelve whole trainings, and one that runs for each number of epochs that it has reported."""
    study = optuna.create_study(direction=direction)
    rows = SPACE.repair(SPACE.sample(12 + len(epochs), np.random.default_rng(1)))
    sign = 1.0 if direction == "maximize" else -1.0
    for row in rows[:12]:
        add(study, row, sign=sign)
    for row, until in zip(rows[12:], epochs, strict=True):
        add(study, row, until, sign, TrialState.RUNNING, **more)
    return study, rows


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_those_that_run_count_by_their_curves(direction):
    study, rows = with_running(3, 8, 0, direction=direction)
    snapshot = read(study)
    assert len(snapshot.observations) == 12  # what rounds of training learn from
    assert (snapshot.latest.x == rows[:14]).all()  # one has not reported
    assert snapshot.latest.y[:12].tolist() == snapshot.observations.y.tolist()
    assert snapshot.latest.y[12:, 0] == pytest.approx([end(row) for row in rows[12:14]], abs=0.02)
    assert (snapshot.pending == rows[12:]).all()  # none of them is proposed again


def test_who_asks_does_not_count():
    study, rows = with_running(3, 8)
    assert (StudyState(SPACE, study, 2).read(study, 12).latest.x == rows[[*range(12), 13]]).all()


def test_who_goes_on_with_a_stopped_training_is_that_training():
    study, _ = with_running(3)
    row = SPACE.params_to_row(study.trials[-1].params)
    add(study, row, 3)
    attrs = {"agnet:continues": {"number": 13, "step": 3}}
    add(study, row, 5, state=TrialState.RUNNING, user_attrs=attrs)
    latest = read(study).latest
    assert (latest.x == row).all(1).sum() == 2  # the stopped one, and the one that ran before


def test_constraints_of_those_that_run_are_known_once_they_are_set():
    study, _ = with_running(3, system_attrs={"constraints:latency": -0.5})
    for row in SPACE.repair(SPACE.sample(2, np.random.default_rng(5))):
        add(study, row, system_attrs={"constraints:latency": 0.5, "constraints:size": 1.0})
    latest = read(study).latest
    assert latest.names == ("latency", "size")
    assert latest.constraints[-1].tolist() == pytest.approx([-0.5, np.nan], nan_ok=True)


def test_hyperparameters_of_those_that_run_are_beside_their_architectures():
    study = optuna.create_study(direction="maximize")
    rate = optuna.distributions.FloatDistribution(0.0, 1.0)
    rows = SPACE.repair(SPACE.sample(14, np.random.default_rng(1)))
    for k, row in enumerate(rows):
        done = k < 12
        study.add_trial(
            optuna.create_trial(
                params={**SPACE.row_to_params(row), "rate": k / 14},
                distributions={**SPACE.distributions(), "rate": rate},
                state=TrialState.COMPLETE if done else TrialState.RUNNING,
                value=end(row) if done else None,
                intermediate_values=curve(row, EPOCHS if done else 5),
            )
        )
    snapshot = StudyState(SPACE, study, 2).read(study, -1, Hyperparameters.of({"rate": rate}))
    assert (snapshot.latest.x == rows).all()
    assert snapshot.latest.z[:, 0] == pytest.approx(np.arange(14) / 14)


def test_nothing_is_judged_while_those_that_run_have_not_reported():
    study, _ = with_running(0, 0)
    assert read(study).judged is None


def test_nothing_is_revised_without_stopped_trials():
    study, _ = study_of(12, 0)
    snapshot = read(study)
    assert snapshot.judged is None
    assert snapshot.latest is snapshot.observations


def test_places_stay_while_few_whole_trainings_are_known():
    study, _ = study_of(4, 4)
    assert read(study).judged is None


def test_who_watched_a_study_knows_what_who_joins_later_knows():
    whole, _ = study_of(15, 15)
    study = optuna.create_study(direction="maximize")
    state = StudyState(SPACE, study, 2)
    for trial in whole.trials:
        study.add_trial(trial)
        live, fresh = state.read(study, -1), read(study)
        assert (live.judged is None) == (fresh.judged is None)
        if live.judged is not None:
            assert live.judged.y.tobytes() == fresh.judged.y.tobytes()


def test_a_model_that_fails_leaves_places(monkeypatch):
    def fail(*_):
        raise np.linalg.LinAlgError("no convergence")

    study, _ = study_of(12, 6)
    monkeypatch.setattr("optuna_agnet.study.study_curves.CurveModel", fail)
    state = StudyState(SPACE, study, 2)
    with pytest.warns(UserWarning, match="no convergence"):
        assert state.read(study, -1).judged is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert state.read(study, -1).judged is None


def test_several_objectives_have_no_stopped_trials():
    study = optuna.create_study(directions=["maximize", "minimize"])
    row = SPACE.repair(SPACE.sample(1, np.random.default_rng(0)))[0]
    params, distributions = SPACE.row_to_params(row), SPACE.distributions()
    study.add_trial(
        optuna.create_trial(params=params, distributions=distributions, values=[1.0, 2.0])
    )
    assert read(study).judged is None


def test_the_search_follows_what_is_revised_and_its_rounds_do_not():
    rows = SPACE.repair(SPACE.sample(24, np.random.default_rng(0)))
    y = np.arange(24.0)
    results = [(row, (value,), {}) for row, value in zip(rows, y, strict=True)]
    observations = Observations.of(results, ("maximize",), 6)
    nothing = np.empty((0, 6), dtype=np.int64)

    def proposed(y):
        search = Proposer(SPACE, seed=0)
        snapshot = Snapshot(observations, nothing, nothing, 24, judged=replace(observations, y=y))
        return search.propose(snapshot).row.tolist(), search.model.digest

    usual, digest = proposed(observations.y)
    assert proposed(y[:, None].copy()) == (usual, digest)
    other, same = proposed(-y[:, None])
    assert other != usual
    assert same == digest


def test_a_study_in_pieces_is_the_whole(tmp_path):
    def searched(pieces, name):
        def objective(trial):
            row = SPACE.params_to_row(SPACE.to_params(SPACE.suggest(trial)))
            for epoch, value in curve(row).items():
                trial.report(value + 0.1 * np.sin(31 * value), epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
            return end(row)

        for trials in pieces:
            study = optuna.create_study(
                study_name="s",
                direction="maximize",
                storage=f"sqlite:///{tmp_path}/{name}.db",
                load_if_exists=True,
                sampler=AGNetSampler(SPACE, seed=0),
                pruner=optuna.pruners.MedianPruner(),
            )
            study.optimize(objective, n_trials=trials)
        return [trial.params for trial in study.trials]

    assert searched([30], "whole") == searched([7, 12, 11], "pieces")
