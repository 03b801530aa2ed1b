"""What trials trained: read once, and as if it were read each time."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from optuna_agnet import spaces
from optuna_agnet.spaces.hyperparameters import NONE, Hyperparameters
from optuna_agnet.study.trained import Trained, similarity

SPACE = spaces.nas_bench_201()
RATE = optuna.distributions.FloatDistribution(0.0, 1.0)


def trials(n, seed=0):
    """Ended ones of random cells and learning rates, by number."""
    rng = np.random.default_rng(seed)
    found = []
    for number, row in enumerate(SPACE.sample(n, rng)):
        params = {**SPACE.row_to_params(row), "rate": rng.random()}
        distributions = {**SPACE.distributions(), "rate": RATE}
        ended = optuna.create_trial(params=params, distributions=distributions, value=0.0)
        ended.number = number
        found.append(ended)
    return found


def same(some, others):
    """Whether two features are the same to the last bit."""
    (known, found), (other_known, other) = some, others
    names = ("one_hot", "counts", "z")
    parts = [(getattr(found, name), getattr(other, name)) for name in names]
    return known.tolist() == other_known.tolist() and all(a.equal(b) for a, b in parts)


@pytest.mark.parametrize("hyperparameters", [NONE, Hyperparameters.of({"rate": RATE})])
def test_what_was_read_before_changes_nothing(hyperparameters):
    ended, kept = trials(12), Trained(SPACE)
    ended[3].params.clear()  # ended before it was asked for one
    for known in (4, 7, 12, 9):
        kept.features(trials(1, seed=9), hyperparameters)
        fresh = Trained(SPACE).features(ended[:known], hyperparameters)
        assert same(kept.features(ended[:known], hyperparameters), fresh)
        assert fresh[0].tolist() == [k for k in range(known) if k != 3]


def test_ended_trials_are_read_once(monkeypatch):
    ended, kept, read = trials(12), Trained(SPACE), []
    params_to_rows = type(SPACE).params_to_rows
    monkeypatch.setattr(
        type(SPACE),
        "params_to_rows",
        lambda space, given: (read.append(len(given)), params_to_rows(space, given))[1],
    )
    for known in (8, 8, 12):
        kept.features(ended[:known], NONE)
    assert read == [8, 0, 4]


def test_what_runs_is_read_each_time():
    running, kept = trials(1), Trained(SPACE)
    running[0].state = TrialState.RUNNING
    kept.features(running, NONE)
    changed = trials(1, seed=1)
    running[0].params.update(changed[0].params)
    assert same(kept.features(running, NONE), Trained(SPACE).features(changed, NONE))


def test_another_study_has_other_trials_with_the_same_numbers():
    kept = Trained(SPACE)
    kept.features(trials(5), NONE)
    others = trials(5, seed=1)
    assert same(kept.features(others, NONE), Trained(SPACE).features(others, NONE))


def test_features_last_when_others_are_made():
    kept = Trained(SPACE)
    _, first = kept.features(trials(5), NONE)
    before = similarity(first, first).copy()
    kept.features(trials(8, seed=1), NONE)
    assert (similarity(first, first) == before).all()
