"""Studies as a warm start of the sampler."""

import pickle

import optuna
import pytest

from optuna_agnet import AGNetConfig, AGNetSampler, spaces

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = spaces.nas_bench_201()


def convolutions(trial):
    return str(SPACE.suggest(trial)).count("nor_conv_3x3")


def study_of(objective=convolutions, trials=40, name="source", **arguments):
    sampler = arguments.pop("sampler", None) or optuna.samplers.RandomSampler(seed=0)
    if "directions" not in arguments:
        arguments.setdefault("direction", "maximize")
    study = optuna.create_study(study_name=name, sampler=sampler, **arguments)
    study.optimize(objective, n_trials=trials)
    return study


def test_a_study_starts_where_another_one_ended():
    sampler = AGNetSampler(SPACE, seed=0, source_studies=[study_of()])
    warm = study_of(trials=3, sampler=sampler)
    assert min(t.value for t in warm.trials) >= 4  # of 6; 1.2 on average at random
    assert {t.system_attrs["agnet:source"] for t in warm.trials} == {"startup"}


def test_sources_are_read_once_and_travel_with_the_sampler():
    source = study_of()
    first = AGNetSampler(SPACE, seed=0, source_studies=[source])
    second = pickle.loads(pickle.dumps(first))
    source.optimize(lambda trial: -convolutions(trial), n_trials=20)
    found = [[t.params for t in study_of(trials=3, sampler=s).trials] for s in (first, second)]
    assert found[0] == found[1]


def test_an_empty_study_is_left_out_with_a_warning():
    empty = optuna.create_study(study_name="nothing yet", direction="maximize")
    with pytest.warns(UserWarning, match="'nothing yet' has no results yet"):
        sampler = AGNetSampler(SPACE, seed=0, source_studies=[empty])
    cold = study_of(trials=3, sampler=AGNetSampler(SPACE, seed=0))
    warm = study_of(trials=3, sampler=sampler)
    assert [t.params for t in warm.trials] == [t.params for t in cold.trials]


def other_space(trial):
    return len(str(spaces.EdgeCell(nodes=3, ops=("a", "b")).suggest(trial)))


def same_names(trial):
    return len(str(spaces.EdgeCell(nodes=4, ops=("a", "b")).suggest(trial)))


def test_studies_that_do_not_fit():
    with pytest.raises(TypeError, match="must be a sequence"):
        AGNetSampler(SPACE, source_studies=study_of(trials=1))
    with pytest.raises(TypeError, match="contains 'study'"):
        AGNetSampler(SPACE, source_studies=["study"])
    with pytest.raises(ValueError, match=r"'other' does not fit: trial 0 .* recorded"):
        AGNetSampler(SPACE, source_studies=[study_of(same_names, 2, "other")])
    with pytest.raises(ValueError, match="'foreign' has complete trials, but none"):
        AGNetSampler(
            SPACE, source_studies=[study_of(lambda t: t.suggest_float("lr", 0, 1), 2, "foreign")]
        )
    down = study_of(trials=2, name="down", direction="minimize")
    with pytest.raises(ValueError, match=r"'down' has the directions \['minimize'\], 'up' has"):
        AGNetSampler(SPACE, source_studies=[study_of(trials=2, name="up"), down])
    with pytest.raises(ValueError, match=r"source_studies\) need surrogate='gp'.*leave them out"):
        AGNetSampler(SPACE, config=AGNetConfig.paper(), source_studies=[study_of(trials=2)])


def test_a_source_of_other_directions_stops_the_study_with_a_message():
    sampler = AGNetSampler(SPACE, seed=0, source_studies=[study_of(direction="minimize")])
    with pytest.raises(ValueError, match=r"'source' has the directions .*, this study has"):
        study_of(trials=1, sampler=sampler)
