from __future__ import annotations

import json
import warnings
from datetime import datetime, timedelta

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from optuna_agnet import AGNetConfig, AGNetSampler, load_generator, spaces
from optuna_agnet.search.model import Model, digest_of, training_sizes
from optuna_agnet.search.parts import SearchParts
from optuna_agnet.study import training_rounds
from optuna_agnet.study.storage_view import StudyState

SPACE = spaces.nas_bench_201()
CONFIG = AGNetConfig(n_startup=4, retrain_every=4)
NOON = datetime(2026, 10, 25, 12)


def new_study() -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=AGNetSampler(SPACE, seed=0))


def add(study: optuna.Study, value: float | None, completed: datetime) -> None:
    """A trial of a random architecture; without a value, one that was pruned after it had reported 0.5."""
    number = len(study.trials)
    trial = create_trial(
        state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
        value=value,
        params=SPACE.to_params(SPACE.random_architecture(number)),
        distributions=SPACE.distributions(),
        intermediate_values={1: 0.5 if value is None else value},
    )
    trial.datetime_start = trial.datetime_complete = completed
    study.add_trial(trial)


def reader(study: optuna.Study, config: AGNetConfig | None = CONFIG) -> StudyState:
    return StudyState(SPACE, study, max_failures=2, config=config)


def with_a_clock_that_is_set_back(results: int) -> tuple[optuna.Study, StudyState]:
    """A study, and somebody who has seen it grow; the completion of each trial seems to be before that of the last."""
    study = new_study()
    first = reader(study)
    for k in range(results):
        add(study, None if k % 3 == 2 else float(k % 5), NOON - timedelta(minutes=k))
        first.read(study, -1)
    return study, first


def stored(study: optuna.Study) -> dict[str, str]:
    attrs = study._storage.get_study_system_attrs(study._study_id)
    return {name: text for name, text in attrs.items() if ":round:" in name}


@given(st.lists(st.integers(0, 60), unique=True))
def test_a_manifest_says_which_trials_in_which_order(numbers: list[int]) -> None:
    text = training_rounds.manifest(numbers)
    assert training_rounds.parse(text, range(61)) == numbers
    if numbers:
        assert training_rounds.parse(text, set(numbers) - {numbers[-1]}) is None


@given(st.text() | st.binary() | st.integers() | st.none() | st.lists(st.integers()))
def test_anything_else_is_none(text: object) -> None:
    assert training_rounds.parse(text, range(9)) is None
    assert training_rounds.parse(json.dumps({"schema": 1, "trials": str(text)}), []) in (None, [])
    assert training_rounds.parse(json.dumps({"schema": 2, "trials": "0-3"}), range(9)) is None


@pytest.mark.parametrize("trials", ["3-1", "0,0", "0-3,2", "0-999999999", "-1", "0-", "٣", "1,,2"])
def test_ranges_that_are_none(trials: str) -> None:
    found = training_rounds.parse(json.dumps({"schema": 1, "trials": trials}), range(9))
    assert found in (None, [])


def test_who_joins_trains_on_what_the_others_trained_on() -> None:
    study, first = with_a_clock_that_is_set_back(18)
    seen, alone = (
        first.read(study, -1).observations,
        reader(study, None).read(study, -1).observations,
    )
    joined = reader(study).read(study, -1).observations
    size = training_sizes(len(seen), CONFIG)[-1]
    assert digest_of(joined, size) == digest_of(seen, size)
    assert digest_of(alone, size) != digest_of(
        seen, size
    )  # what the order of completion would give
    models = [Model(SearchParts(SPACE, config=CONFIG), load_generator(SPACE)) for _ in range(2)]
    for model, observations in zip(models, (seen, joined), strict=True):
        model.advance(observations)
    weights = [list(model.generator.parameters()) for model in models]
    assert all((a == b).all() for a, b in zip(*weights, strict=True))


def test_two_who_write_at_the_same_moment_agree_a_round_later() -> None:
    study, first = with_a_clock_that_is_set_back(7)
    (name,) = stored(study)
    study._storage.set_study_system_attr(
        study._study_id, name, training_rounds.manifest([3, 2, 1, 0])
    )
    for k in range(7, 12):
        add(study, float(k), NOON)
        seen = first.read(study, -1).observations
    joined = reader(study).read(study, -1).observations
    assert len(stored(study)) == 3
    assert digest_of(joined, 12) == digest_of(seen, 12)
    assert (
        seen.x[:2].tolist()
        == SPACE.choices([SPACE.random_architecture(k) for k in (3, 2)]).tolist()
    )


@pytest.mark.parametrize(
    "damage", ["", "{", "null", '{"schema": 7, "trials": "0-3"}', '{"schema": 1, "trials": "90"}']
)
def test_a_damaged_manifest_is_ignored_with_one_warning(damage: str) -> None:
    study, _ = with_a_clock_that_is_set_back(6)
    (name,) = stored(study)
    study._storage.set_study_system_attr(study._study_id, name, damage)
    joined = reader(study)

    def grown() -> int:
        for k in range(len(study.trials), 20):
            add(study, float(k), NOON)
            joined.read(study, -1)
        return len(joined.read(study, -1).observations)

    with pytest.warns(UserWarning, match="manifest") as observations:
        assert grown() >= 18
    assert len(observations) == 1
    assert stored(study) == {name: damage}  # whoever can read it may still need it


def test_other_schedules_have_manifests_of_their_own() -> None:
    study, _ = with_a_clock_that_is_set_back(9)
    before = stored(study)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reader(study, AGNetConfig(n_startup=3, retrain_every=3)).read(study, -1)
    after = stored(study)
    assert before.items() < after.items()
    assert len(after) > len(before)


def test_who_only_reads_writes_nothing() -> None:
    study, _ = with_a_clock_that_is_set_back(3)
    for k in range(20):
        add(study, float(k), NOON)
    reader(study, None).read(study, -1)
    assert not stored(study)


def test_a_sampler_keeps_them_and_one_that_resumes_changes_none() -> None:
    study = optuna.create_study(
        direction="maximize", sampler=AGNetSampler(SPACE, seed=0, config=CONFIG)
    )

    def objective(trial: optuna.Trial) -> float:
        return str(SPACE.suggest(trial)).count("conv") + np.sin(trial.number)

    study.optimize(objective, n_trials=14)
    before = stored(study)
    assert [json.loads(text)["trials"] for text in before.values()] == ["0-3", "4-7", "8-11"]
    study.sampler = AGNetSampler(SPACE, seed=0, config=CONFIG)
    study.optimize(objective, n_trials=1)
    assert stored(study) == before
