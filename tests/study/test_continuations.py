"""Stopped trials that others go on with: which, from where, once among workers, and that results count once."""

import threading
import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from optuna_agnet import AGNetPruner, AGNetSampler, continued_from, spaces
from optuna_agnet.study import continuations
from optuna_agnet.study.storage_view import StudyState
from optuna_agnet.study.study_curves import StudyCurves

SPACE = spaces.nas_bench_201()
EPOCHS = 20


def quality(params):
    """Between 0 and 1; depends on the cell."""
    row = SPACE.params_to_row({n: v for n, v in params.items() if n != "lr"})
    return float(np.square(row / 4 - 0.6).mean() * 2)


def curve(params, until=EPOCHS):
    """Values after each epoch; rises to the quality."""
    return {e: quality(params) * (1 - 0.9 * 0.7**e) for e in range(1, until + 1)}


def cells(n, seed=0):
    found = [SPACE.row_to_params(row) for row in SPACE.sample(n, np.random.default_rng(seed))]
    return sorted(found, key=quality)


def add(study, params, reported, value=None, **given):
    study.add_trial(
        optuna.create_trial(
            params=params,
            distributions={
                n: SPACE.distributions().get(n, FloatDistribution(0, 1)) for n in params
            },
            value=value,
            state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
            intermediate_values=reported,
            **given,
        )
    )


def study_of(storage=None, whole=12):
    """A study with whole trainings of random cells."""
    study = optuna.create_study(
        direction="maximize",
        storage=storage,
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=AGNetPruner(SPACE),
    )
    for params in cells(whole):
        add(study, params, curve(params), quality(params))
    return study


BEST, WORST = cells(300, seed=1)[-1], cells(300, seed=1)[0]


def go_on(study, upto=EPOCHS):
    """The next trial, which reports what is missing of its curve."""
    trial = study.ask(SPACE.distributions())
    start = continued_from(trial)
    for epoch, value in curve(trial.params, upto).items():
        if start is None or epoch > start.step:
            trial.report(value, epoch)
    return trial


def test_who_was_stopped_in_error_goes_on_and_others_do_not():
    study = study_of()
    add(study, WORST, curve(WORST, 3))
    assert study.pruner.continue_stopped(study) is None
    add(study, BEST, curve(BEST, 3), user_attrs={"gpu": 1})
    assert study.pruner.continue_stopped(study) == (13, 3)
    trial = go_on(study)
    assert continued_from(trial) == (13, 3)
    assert trial.params == BEST
    assert trial.user_attrs["gpu"] == 1
    assert not trial.should_prune()
    done = study.tell(trial, quality(BEST))
    assert done.intermediate_values == curve(BEST)
    assert study.pruner.continue_stopped(study) is None


def test_it_may_be_stopped_again_and_go_on_again():
    study = study_of()
    add(study, BEST, curve(BEST, 2))
    for number, step in ((12, 2), (13, 5), (14, 9)):
        assert study.pruner.continue_stopped(study) == (number, step)
        study.tell(go_on(study, {2: 5, 5: 9, 9: 20}[step]), state=TrialState.PRUNED)


def test_the_most_promising_one_comes_first():
    study = study_of()
    some = [p for p in cells(300, seed=2) if quality(p) > quality(cells(12)[-1])]
    for params in (some[0], some[-1], some[1]):
        add(study, params, curve(params, 7))
    assert study.pruner.continue_stopped(study).number == 13


@pytest.mark.parametrize(("step", "wait"), [(1, 2), (3, 4), (7, 8)])
def test_one_comes_again_where_it_would_not_be_stopped_now(step, wait):
    """Its chance is measured by what its rung asks for."""
    params = cells(12, seed=3)[-2]
    study = study_of()
    add(study, params, curve(params, step))
    curves = StudyCurves(SPACE)
    learned = curves.learn(study)
    chance = curves.forecasts_of_stopped(learned)[12].chance(learned.finals[0])
    for factor, comes in ((1.001, False), (0.999, True)):
        equal = chance * (12 + 1) / (wait / (2 * 4 * 8 * 5 * 5) ** (1 / 5))
        study.pruner = AGNetPruner(SPACE, min_chance=factor * equal)
        assert (study.pruner.continue_stopped(study) is not None) == comes


def test_an_early_one_comes_before_a_likelier_one_that_went_further():
    some = cells(300, seed=2)
    study = study_of()
    for k, step in ((-1, 15), (-5, 1)):
        add(study, some[k], curve(some[k], step))
    curves = StudyCurves(SPACE)
    learned = curves.learn(study)
    late, early = (
        forecast.chance(learned.finals[0])
        for forecast in curves.forecasts_of_stopped(learned).values()
    )
    assert late * 2 / 5 < early < late  # steps until the next look: 5 and 2
    assert study.pruner.continue_stopped(study).number == 13


def test_who_began_late_is_not_judged():
    study = study_of()
    add(study, BEST, {15: 0.9})
    assert study.pruner.continue_stopped(study) is None


def test_who_was_stopped_before_the_first_rung_is_not_judged():
    """Its reports tell nothing, and how far the next look is counts from a rung."""
    study = study_of()
    study.pruner = AGNetPruner(SPACE, min_chance=1e-9)
    add(study, BEST, {0: 0.9})
    curves = StudyCurves(SPACE)
    learned = curves.learn(study)
    assert curves.forecasts_of_stopped(learned) == {}
    assert curves.forecast(learned, study.trials[-1]) is None
    assert study.pruner.continue_stopped(study) is None


def test_who_broke_a_constraint_does_not_come_again():
    """It would break it again, and so come again after each trial."""
    study = study_of()
    add(study, BEST, curve(BEST, 3), system_attrs={"constraints": [1.0]})
    add(study, WORST, curve(WORST, 3), system_attrs={"constraints": [-1.0]})
    assert study.pruner.continue_stopped(study) is None
    study.pruner = AGNetPruner(SPACE, min_chance=1e-9)
    assert study.pruner.continue_stopped(study) == (13, 3)


def test_before_enough_is_known_nothing_goes_on():
    study = study_of(whole=4)
    add(study, BEST, curve(BEST, 3))
    assert study.pruner.continue_stopped(study) is None


def test_a_failure_gives_it_back_twice():
    study = study_of()
    add(study, BEST, curve(BEST, 3))
    for again in (True, True, False):
        assert (study.pruner.continue_stopped(study) == (12, 3)) == again
        if again:
            assert study.pruner.continue_stopped(study) is None  # one goes on with it
            study.tell(study.ask(SPACE.distributions()), state=TrialState.FAIL)


def test_constraints_are_set_anew():
    study = study_of()
    add(study, BEST, curve(BEST, 3), system_attrs={"constraints": [-1.0]})
    study.pruner.continue_stopped(study)
    assert not study.trials[-1].system_attrs.keys() & {"constraints"}


def test_all_parameters_are_the_stopped_ones():
    study = optuna.create_study(
        direction="maximize", sampler=AGNetSampler(SPACE, seed=0), pruner=AGNetPruner(SPACE)
    )
    for params in cells(12):
        add(study, {**params, "lr": 0.5}, curve(params), quality(params))
    add(study, {**BEST, "lr": 0.25}, curve(BEST, 3))
    study.pruner.continue_stopped(study)
    trial = study.ask()
    assert SPACE.to_params(SPACE.suggest(trial)) == BEST
    assert trial.suggest_float("lr", 0, 1) == 0.25


# -- workers -----------------------------------------------------------------------------------------------------------


def test_of_two_that_look_at_once_the_first_keeps_it(monkeypatch):
    study = study_of()
    add(study, BEST, curve(BEST, 3))
    stopped = study.trials[-1]
    assert continuations.enqueue_continuation(study, stopped) == (12, 3)
    assert continuations.enqueue_continuation(study, stopped) is None
    states = [trial.state for trial in study.trials[13:]]
    assert states == [TrialState.WAITING, TrialState.FAIL]


def test_a_rival_that_a_list_lacks_is_seen(monkeypatch):
    study = study_of()
    add(study, BEST, curve(BEST, 3))
    stopped, listed = study.trials[-1], study._storage.get_all_trials
    assert continuations.enqueue_continuation(study, stopped) == (12, 3)
    monkeypatch.setattr(
        study._storage,
        "get_all_trials",
        lambda *a, **k: [trial for trial in listed(*a, **k) if trial.number != 13],
    )
    assert continuations.enqueue_continuation(study, stopped) is None


@pytest.mark.parametrize("url", [None, "sqlite:///{}/study.db"], ids=["memory", "sqlite"])
def test_workers_go_on_with_a_trial_once(url, tmp_path):
    study = study_of(url and url.format(tmp_path))
    add(study, BEST, curve(BEST, 3))
    start = threading.Barrier(4)

    def work():
        worker = study
        if url:
            worker = optuna.load_study(
                study_name=study.study_name, storage=url.format(tmp_path), pruner=AGNetPruner(SPACE)
            )
        start.wait()
        worker.pruner.continue_stopped(worker)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waiting = [trial for trial in study.trials if trial.state == TrialState.WAITING]
    assert [continued_from(trial) for trial in waiting] == [(12, 3)]


# -- what is learned ---------------------------------------------------------------------------------------------------


def observed(state, study):
    observations = state.read(study, -1).observations
    return observations.x.tolist(), observations.y[:, 0].tolist()


def test_a_training_is_one_observation():
    study = study_of()
    live = StudyState(SPACE, study, 2)
    add(study, BEST, curve(BEST, 3))
    row = SPACE.params_to_row(BEST).tolist()
    assert observed(live, study)[0].count(row) == 1
    study.pruner.continue_stopped(study)
    study.tell(study.ask(SPACE.distributions()), state=TrialState.FAIL)
    assert observed(live, study)[0].count(row) == 1
    study.pruner.continue_stopped(study)
    study.tell(go_on(study), quality(BEST))
    x, y = observed(live, study)
    assert x.count(row) == 1
    assert y[x.index(row)] == quality(BEST)
    assert (x, y) == observed(StudyState(SPACE, study, 2), study)


def test_a_training_is_one_curve():
    study = study_of()
    add(study, BEST, curve(BEST, 3))
    study.pruner.continue_stopped(study)
    study.tell(go_on(study), quality(BEST))
    learned = StudyCurves(SPACE, 5).learn(study)
    assert [trial.number for trial in learned.shown] == [*range(12), 13]


def test_only_stopped_trials_give_way_to_one_that_names_them():
    """Whole trials count, whatever an attribute says."""
    study = study_of()
    attrs = {continuations.CONTINUES: {"number": 0, "step": 3}}
    add(study, BEST, curve(BEST), quality(BEST), user_attrs=attrs)
    assert len(observed(StudyState(SPACE, study, 2), study)[0]) == 13


# -- with the sampler --------------------------------------------------------------------------------------------------


def searched(pieces, storage):
    """All trials of a search that is interrupted between the pieces, and the epochs that it ran."""
    epochs = 0

    def objective(trial):
        nonlocal epochs
        cell = SPACE.suggest(trial)
        start = continued_from(trial)
        for epoch, value in curve(SPACE.to_params(cell)).items():
            if start is None or epoch > start.step:
                epochs += 1
                trial.report(value + 0.1 * np.sin(31 * value) / epoch, epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
        return value

    for trials in pieces:
        sampler = AGNetSampler(SPACE, seed=0)
        pruner = AGNetPruner(sampler)
        study = optuna.create_study(
            study_name="s",
            direction="maximize",
            storage=storage,
            load_if_exists=True,
            sampler=sampler,
            pruner=pruner,
        )
        study.optimize(objective, n_trials=trials, callbacks=[pruner.continue_stopped])
    return study.trials, epochs


def test_a_search_goes_on_where_it_stopped_and_repeats_nothing_else(tmp_path):
    whole, epochs = searched([40], f"sqlite:///{tmp_path}/whole.db")
    pieces, _ = searched([11, 13, 16], f"sqlite:///{tmp_path}/pieces.db")
    assert [t.params for t in whole] == [t.params for t in pieces]
    assert [t.user_attrs for t in whole] == [t.user_attrs for t in pieces]
    ended = [t for t in whole if t.state.is_finished()]
    continued = [c for c in map(continued_from, ended) if c is not None]
    assert continued
    assert len({c.number for c in continued}) == len(continued)
    fresh = [tuple(t.params.values()) for t in whole if continued_from(t) is None]
    assert len(set(fresh)) == len(fresh)
    ran = sum(max(t.intermediate_values) for t in ended)
    assert epochs == ran - sum(c.step for c in continued)


def test_several_objectives_are_refused():
    study = optuna.create_study(directions=["maximize", "minimize"], pruner=AGNetPruner(SPACE))
    with pytest.raises(ValueError, match="one objective, and this study has 2"):
        AGNetPruner(SPACE).continue_stopped(study)


def test_a_pruner_of_another_kind_is_refused():
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner())
    with pytest.raises(ValueError, match="this study has MedianPruner, which would stop again"):
        AGNetPruner(SPACE).continue_stopped(study)


def test_trials_that_were_pruned_in_silence_are_named_once():
    study = study_of()
    study.pruner.continue_stopped(study)  # nothing was stopped: nothing to say
    for _ in range(2):
        add(study, BEST, {})
    with pytest.warns(UserWarning, match="2 trials were pruned, and none had reported"):
        assert study.pruner.continue_stopped(study) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert study.pruner.continue_stopped(study) is None


def test_a_model_that_fails_does_not_end_a_study(monkeypatch):
    def fail(*_):
        raise np.linalg.LinAlgError("no convergence")

    monkeypatch.setattr("optuna_agnet.study.study_curves.CurveModel", fail)
    study = study_of()
    add(study, BEST, curve(BEST, 3))
    with pytest.warns(UserWarning, match="no convergence"):
        assert study.pruner.continue_stopped(study) is None
