"""Studies of network spaces: only what exists is asked for, claimed, known and kept apart."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.samplers import PartialFixedSampler
from optuna.trial import create_trial

from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, best_trials, pretrain, report
from optuna_agnet.generator import Generator
from optuna_agnet.spaces import Network, OneOf, Repeat, ordered

BLOCK = Network(
    mixer=OneOf(attention=Network(heads=ordered(2, 4, 8)), conv=Network(kernel=ordered(3, 5, 7))),
    ratio=ordered(2, 3, 4),
)
SPACE = Network(width=ordered(64, 96, 128, 192), blocks=Repeat(BLOCK, 1, 4))


@pytest.fixture(scope="module")
def generator() -> Generator:
    return pretrain(SPACE, steps=5, progress=False)


def objective(trial: optuna.Trial) -> float:
    values = SPACE.values(SPACE.suggest(trial))
    heads = sum("attention" in block["mixer"] for block in values["blocks"])
    return heads - abs(values["width"] - 96) / 32 - abs(len(values["blocks"]) - 3)


def sampler(generator: Generator, **more: Any) -> AGNetSampler:
    config = AGNetConfig(n_startup=6, pool_size=64, samples_per_attempt=(64,))
    return AGNetSampler(SPACE, seed=0, generator=generator, config=config, **more)


def study(generator: Generator, n: int = 0, **more: Any) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(direction="maximize", sampler=sampler(generator, **more))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.optimize(objective, n_trials=n)
    return made


def test_a_trial_has_the_parameters_that_exist_and_no_network_comes_twice(
    generator: Generator,
) -> None:
    trials = study(generator, 24).trials
    for trial in trials:
        assert trial.params == SPACE.to_params(SPACE.from_params(trial.params))
    assert len({tuple(sorted(map(str, trial.params.items()))) for trial in trials}) == 24
    assert {"generator", "neighbors"} <= {t.system_attrs["agnet:source"] for t in trials}
    assert len({len(trial.params) for trial in trials}) > 2


def test_a_resumed_study_goes_on_as_it_would_have(generator: Generator) -> None:
    whole = study(generator, 14)
    first = study(generator, 9)
    first.sampler = sampler(generator)
    first.optimize(objective, n_trials=5)
    assert [t.params for t in first.trials] == [t.params for t in whole.trials]


def test_an_enqueued_depth_or_alternative_is_kept_and_the_rest_is_filled(
    generator: Generator,
) -> None:
    made = study(generator, 8)
    wishes = [
        {"blocks.depth": 4},
        {"blocks.depth": 4, "blocks.3.mixer": "attention", "blocks.3.mixer.attention.heads": 8},
        {"blocks.0.mixer.attention.heads": 8},  # where it exists
        SPACE.to_params(SPACE.random_architecture(5)),
    ]
    for wish in wishes:
        made.enqueue_trial(wish)
    made.optimize(objective, n_trials=4)
    for wish, trial in zip(wishes, made.trials[8:], strict=True):
        assert SPACE.is_complete(trial.params)
        assert all(trial.params.get(name, value) == value for name, value in wish.items())
    assert made.trials[8].params["blocks.depth"] == 4
    assert made.trials[9].params["blocks.3.mixer.attention.heads"] == 8


def test_a_partial_fixed_sampler_fixes_what_exists(generator: Generator) -> None:
    fixed = {"width": 192, "blocks.0.mixer.conv.kernel": 7}
    made = optuna.create_study(
        direction="maximize", sampler=PartialFixedSampler(fixed, sampler(generator))
    )
    made.optimize(objective, n_trials=12)
    kernels = {t.params.get("blocks.0.mixer.conv.kernel") for t in made.trials}
    assert {t.params["width"] for t in made.trials} == {192}
    assert kernels == {7, None}


def test_trials_of_other_samplers_count(generator: Generator) -> None:
    made = study(generator)
    made.sampler = optuna.samplers.TPESampler(seed=0)
    made.optimize(objective, n_trials=8)
    known = {str(SPACE.from_params(trial.params)) for trial in made.trials}
    made.sampler = sampler(generator)
    made.optimize(objective, n_trials=6)
    new = made.trials[8:]
    assert known.isdisjoint(str(SPACE.from_params(trial.params)) for trial in new)
    assert all(t.system_attrs["agnet:source"] != "startup" for t in new)


def test_parameters_beside_the_space_and_trials_that_fail_do_no_harm(generator: Generator) -> None:
    made = study(generator)

    def failing(trial: optuna.Trial) -> float:
        value = objective(trial)
        trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        if trial.number % 5 == 4:
            raise RuntimeError("out of memory")
        return value

    made.optimize(failing, n_trials=15, catch=(RuntimeError,))
    assert best_trials(made)
    assert all("lr" in trial.params for trial in made.trials)


def test_a_study_of_another_version_of_the_space_is_refused(generator: Generator) -> None:
    made = study(generator, 3)
    deeper = Network(width=ordered(64, 96, 128, 192), blocks=Repeat(BLOCK, 1, 5))
    made.sampler = AGNetSampler(deeper, seed=0)
    with pytest.raises(ValueError, match=r"Give the changed space a new study.*\(trial.params\)"):
        deeper.suggest(made.ask())
    changed = optuna.create_study(direction="maximize", sampler=AGNetSampler(deeper, seed=0))
    changed.enqueue_trial(made.best_params)  # as the message says
    assert SPACE.to_params(SPACE.from_params(made.best_params)) == deeper.to_params(
        deeper.suggest(changed.ask())
    )


def test_a_width_of_another_grid_is_refused_where_the_study_does_not_know_its_space() -> None:
    made = optuna.create_study(direction="maximize", sampler=AGNetSampler(SPACE, seed=0))
    params = SPACE.to_params(SPACE.random_architecture(0))
    distributions: dict[str, Any] = {n: d for n, d in SPACE.distributions().items() if n in params}
    distributions["width"] = CategoricalDistribution((params["width"], 1024))
    made.add_trial(create_trial(params=params, distributions=distributions, value=0.0))
    with pytest.raises(ValueError, match="recorded the parameter 'width'"):
        SPACE.suggest(made.ask())


def test_a_trial_that_lacks_what_exists_is_none_of_the_space(generator: Generator) -> None:
    made = study(generator)
    params = SPACE.to_params(SPACE.random_architecture(0))
    params.pop("blocks.0.ratio")
    distributions: dict[str, Any] = {n: d for n, d in SPACE.distributions().items() if n in params}
    made.add_trial(create_trial(params=params, distributions=distributions, value=0.0))
    made.optimize(objective, n_trials=2)
    assert len(made.trials) == 3


def test_a_report_shows_networks(generator: Generator) -> None:
    page = report(study(generator, 16), SPACE)
    assert "blocks" in page.markdown


def test_a_network_without_parts_is_refused_at_the_door() -> None:
    for search in (AGNet, AGNetSampler):
        with pytest.raises(
            ValueError, match=r"Network\(\) leaves nothing to choose.*AGNetSampler\(\)"
        ):
            search(Network())
