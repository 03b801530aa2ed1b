"""Stopped trials are judged anew by their curves, from the storage alone, and rounds of training don't notice."""

import warnings

import numpy as np
import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from optuna_agnet import AGNetSampler, spaces
from optuna_agnet.search import Observations, Proposer, Snapshot
from optuna_agnet.study.storage_view import StudyState

SPACE = spaces.nas_bench_201()
EPOCHS = 16


def end(row):
    return float(np.square(np.asarray(row) / 4 - 0.6).mean())


def curve(row, until=EPOCHS, sign=1.0):
    """Rises to its end; those that end well begin badly, so places on the way mislead."""
    return {e: sign * end(row) * (e - 6) / (EPOCHS - 6) for e in range(1, until + 1)}


def add(study, row, until=None, sign=1.0):
    study.add_trial(
        optuna.create_trial(
            params=SPACE.row_to_params(row),
            distributions=SPACE.distributions(),
            state=TrialState.COMPLETE if until is None else TrialState.PRUNED,
            value=sign * end(row) if until is None else None,
            intermediate_values=curve(row, until or EPOCHS, sign),
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
    revised, placed = snapshot.revised[:, 0], snapshot.observations.y[:, 0]
    assert (revised[~stopped] == placed[~stopped]).all()
    assert np.abs(revised - truth)[stopped].max() < 0.02
    assert np.abs(placed - truth)[stopped].max() > 0.1
    assert snapshot.latest.y[:, 0].tolist() == revised.tolist()
    assert snapshot.latest.x is snapshot.observations.x


reports = st.dictionaries(st.integers(0, 6), st.floats(-1, 1) | st.just(np.nan), max_size=4)


@given(st.lists(st.tuples(reports, st.booleans()), min_size=8, max_size=16))
@settings(max_examples=40)
@example([({1: 0.5}, k > 5) for k in range(8)])  # one report each, the objective
@example([({4: 0.1, 6: 0.2} if k < 6 else {1: 0.3}, k >= 6) for k in range(8)])
def test_odd_reports_never_end_a_study(histories):
    """Few reports, none, late ones, unequal steps, NaN: all is read, and whole trainings keep their values."""
    study = optuna.create_study(direction="maximize")
    for k, (reported, pruned) in enumerate(histories):
        study.add_trial(
            optuna.create_trial(
                params=SPACE.to_params(SPACE.random_architecture(k)),
                distributions=SPACE.distributions(),
                state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
                value=None if pruned else [0.0, *(v for v in reported.values() if v == v)][-1],
                intermediate_values=reported,
            )
        )
    snapshot = read(study)
    if snapshot.revised is not None:
        assert snapshot.revised.shape == snapshot.observations.y.shape
        assert np.isfinite(snapshot.revised[np.isfinite(snapshot.observations.y)]).all()


def test_nothing_is_revised_without_stopped_trials():
    study, _ = study_of(12, 0)
    snapshot = read(study)
    assert snapshot.revised is None
    assert snapshot.latest is snapshot.observations


def test_places_stay_while_few_whole_trainings_are_known():
    study, _ = study_of(4, 4)
    snapshot = read(study)
    assert snapshot.revised.tolist() == snapshot.observations.y.tolist()


def test_who_watched_a_study_knows_what_who_joins_later_knows():
    whole, _ = study_of(15, 15)
    study = optuna.create_study(direction="maximize")
    state = StudyState(SPACE, study, 2)
    for trial in whole.trials:
        study.add_trial(trial)
        live, fresh = state.read(study, -1), read(study)
        assert (live.revised is None) == (fresh.revised is None)
        if live.revised is not None:
            assert live.revised.tobytes() == fresh.revised.tobytes()


def test_a_model_that_fails_leaves_places(monkeypatch):
    def fail(*_):
        raise np.linalg.LinAlgError("no convergence")

    study, _ = study_of(12, 6)
    monkeypatch.setattr("optuna_agnet.study.study_curves.CurveModel", fail)
    state = StudyState(SPACE, study, 2)
    with pytest.warns(UserWarning, match="no convergence"):
        assert state.read(study, -1).revised is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert state.read(study, -1).revised is None


def test_several_objectives_have_no_stopped_trials():
    study = optuna.create_study(directions=["maximize", "minimize"])
    row = SPACE.repair(SPACE.sample(1, np.random.default_rng(0)))[0]
    params, distributions = SPACE.row_to_params(row), SPACE.distributions()
    study.add_trial(
        optuna.create_trial(params=params, distributions=distributions, values=[1.0, 2.0])
    )
    assert read(study).revised is None


def test_the_search_follows_what_is_revised_and_its_rounds_do_not():
    rows = SPACE.repair(SPACE.sample(24, np.random.default_rng(0)))
    y = np.arange(24.0)
    results = [(row, (value,), {}) for row, value in zip(rows, y, strict=True)]
    observations = Observations.of(results, ("maximize",), 6)
    nothing = np.empty((0, 6), dtype=np.int64)

    def proposed(revised):
        search = Proposer(SPACE, seed=0)
        snapshot = Snapshot(observations, nothing, nothing, 24, revised=revised)
        return search.propose(snapshot).row.tolist(), search.model.digest

    usual, digest = proposed(None)
    assert proposed(y[:, None]) == (usual, digest)
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
