"""A space that is used up, limits that nothing keeps, and searches that find nothing new although much is left."""

from __future__ import annotations

import time
import warnings
from collections import Counter

import optuna
import pytest
from optuna.samplers import PartialFixedSampler
from optuna.trial import TrialState, create_trial

from optuna_agnet import AGNet, AGNetConfig, AGNetSampler, Architecture, spaces
from optuna_agnet.generator.network import Generator
from optuna_agnet.search import SpaceExhausted
from optuna_agnet.search.candidates import Filter, Inventory

FOUR = spaces.EdgeCell(nodes=3, ops=("a", "none"))
"""Eight combinations of choices, four graphs."""


def sampler(space: spaces.SearchSpace = FOUR, **arguments: object) -> AGNetSampler:
    config = AGNetConfig(n_startup=2, retrain_every=4, samples_per_attempt=(64,), pool_size=32)
    return AGNetSampler(
        space, seed=0, **{"config": config, "generator": Generator(space), **arguments}
    )


def new_study(**arguments: object) -> optuna.Study:
    return optuna.create_study(**{"direction": "maximize", "sampler": sampler(), **arguments})


class Trainings:
    """An objective that knows what it was made to train."""

    def __init__(self, space: spaces.SearchSpace = FOUR, failing: int = 0) -> None:
        self.space, self.failing = space, failing
        self.trained: list[str] = []

    def __call__(self, trial: optuna.Trial) -> float:
        arch = self.space.suggest(trial)
        self.trained.append(arch.key)
        time.sleep(0.01)
        if len(self.trained) <= self.failing:
            raise RuntimeError("out of memory")
        return len(str(arch))


# -- used up -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 4, 8])
def test_no_more_is_trained_than_there_is(n_jobs: int) -> None:
    study, trainings = new_study(), Trainings()
    with pytest.warns(
        UserWarning, match=r"no new architecture is left.*allow_duplicates=True.*optimize\(\) stops"
    ) as told:
        study.optimize(trainings, n_trials=100, n_jobs=n_jobs)
    assert len(trainings.trained) == len(set(trainings.trained)) == 4
    assert len([w for w in told if "is left" in str(w.message)]) == 1
    states = Counter(trial.state for trial in study.trials)
    assert states[TrialState.COMPLETE] == 4
    assert states[TrialState.PRUNED] == len(study.trials) - 4 <= n_jobs  # one a thread at most


@pytest.mark.filterwarnings("ignore:no new architecture is left")
def test_a_loop_of_restarts_trains_nothing_any_more() -> None:
    study, trainings = new_study(), Trainings()
    for _ in range(3):
        study.sampler = sampler()
        study.optimize(trainings, n_trials=100)
    assert len(trainings.trained) == 4
    assert [t.state for t in study.trials[4:]] == [TrialState.PRUNED] * 2


@pytest.mark.filterwarnings("ignore:no new architecture is left")
def test_what_failed_is_tried_again_before_the_end() -> None:
    study, trainings = new_study(), Trainings(failing=1)
    study.optimize(trainings, n_trials=100, catch=RuntimeError)
    assert len(trainings.trained) == 5
    assert len(set(trainings.trained)) == 4
    study, trainings = new_study(), Trainings(failing=100)
    study.optimize(trainings, n_trials=100, catch=RuntimeError)
    assert Counter(trainings.trained).most_common() == [(key, 2) for key in trainings.trained[::2]]


@pytest.mark.filterwarnings("ignore:no new architecture is left")
def test_pruned_ones_and_imported_ones_are_taken() -> None:
    study, trainings = new_study(), Trainings()
    for row in FOUR.enumerate()[:2]:
        study.add_trial(
            create_trial(
                params=FOUR.row_to_params(row), distributions=FOUR.distributions(), value=1.0
            )
        )

    def pruned(trial: optuna.Trial) -> float:
        trainings(trial)
        raise optuna.TrialPruned

    study.optimize(pruned, n_trials=100)
    imported = {FOUR.from_params(t.params).key for t in study.trials[:2]}
    assert len(trainings.trained) == len(set(trainings.trained) | imported) - len(imported)
    assert len(set(trainings.trained) | imported) == 4


def test_an_ask_and_tell_loop_gets_each_of_them_as_often() -> None:
    study = new_study()

    def seen() -> list[str]:
        keys = []
        for _ in range(12):
            trial = study.ask()
            keys.append(FOUR.suggest(trial).key)
            study.tell(trial, 1.0)
        return keys

    with pytest.warns(UserWarning, match="ask-and-tell loop gets architectures again") as told:
        assert set(Counter(seen()).values()) == {3}
    assert len([w for w in told if "ask-and-tell" in str(w.message)]) == 1


@pytest.mark.filterwarnings("ignore:no new architecture is left")
def test_a_used_up_part_of_a_space_ends_the_study_as_well() -> None:
    space = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv"))
    fixed = {d.name: "conv" for d in space.decisions[1:]}
    study = new_study(sampler=PartialFixedSampler(fixed, sampler(space)))
    trainings = Trainings(space)
    study.optimize(trainings, n_trials=100)
    assert len(study.trials) == len(trainings.trained) == len(set(trainings.trained)) == 3


def test_a_used_up_part_that_one_trial_was_enqueued_with_does_not_end_the_study() -> None:
    """The next trials have other values to choose from."""

    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_int("a", 0, 3) + len(trial.suggest_categorical("b", ("x", "yy")))

    study = optuna.create_study(direction="maximize", sampler=AGNetSampler(seed=0))
    study.optimize(objective, n_trials=1)
    for _ in range(4):
        study.enqueue_trial({"a": 1})
    study.optimize(objective, n_trials=9)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert [trial.params["a"] for trial in study.trials[1:5]] == [1, 1, 1, 1]
    others = [tuple(trial.params.values()) for trial in study.trials if trial.params["a"] != 1]
    assert len(others) == len(set(others)) > 5


def test_who_wants_duplicates_gets_them() -> None:
    config = AGNetConfig(n_startup=100, allow_duplicates=True)
    study, trainings = new_study(sampler=sampler(config=config)), Trainings()
    study.optimize(trainings, n_trials=12)
    assert len(trainings.trained) == 12


def test_a_large_space_is_never_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    space = spaces.nas_bench_201()
    monkeypatch.setattr(type(space), "enumerate", lambda self: 1 / 0)
    free = Filter(space, "graph", frozenset(range(488)), {})
    assert not Inventory(space, "graph").is_used_up(free)
    with pytest.raises(ZeroDivisionError):
        Inventory(space, "graph").is_used_up(Filter(space, "graph", frozenset(range(489)), {}))


# -- limits that nothing keeps -----------------------------------------------------------------------------------------


def test_limits_that_nothing_keeps_are_an_error_and_train_nothing() -> None:
    def broken(arch: Architecture) -> float:
        return 1.0

    study, trainings = new_study(sampler=sampler(known_constraints={"ms": broken})), Trainings()
    with pytest.raises(SpaceExhausted, match=r"known constraints.*the nearest breaks ms by 1"):
        study.optimize(trainings, n_trials=3)
    for _ in range(3):
        with pytest.raises(SpaceExhausted):
            FOUR.suggest(study.ask())
    search = AGNet(FOUR, generator=Generator(FOUR), known_constraints={"ms": broken})
    for _ in range(3):
        with pytest.raises(SpaceExhausted):
            search.ask()
    assert trainings.trained == []


KEPT = sorted({arch.key for arch in FOUR.architectures(FOUR.enumerate())})[:2]


def few(arch: Architecture) -> float:
    return -1.0 if arch.key in KEPT else 1.0


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_once_all_within_the_limits_are_known_nothing_else_is_trained(n_jobs: int) -> None:
    study, trainings = new_study(sampler=sampler(known_constraints={"a": few})), Trainings()
    with pytest.warns(UserWarning, match="known constraints"):
        study.optimize(trainings, n_trials=100, n_jobs=n_jobs)
    assert sorted(trainings.trained) == KEPT
    seen = {FOUR.suggest(study.ask()).key for _ in range(3)}  # whoever asks gets them again
    assert seen == set(KEPT)


def test_a_trial_that_breaks_the_limits_does_not_count_as_one_that_keeps_them() -> None:
    study = new_study(sampler=sampler(known_constraints={"a": lambda arch: 1.0}))
    params = FOUR.row_to_params(FOUR.enumerate()[0])
    study.add_trial(create_trial(params=params, distributions=FOUR.distributions(), value=1.0))
    with pytest.raises(SpaceExhausted):
        study.optimize(Trainings(), n_trials=1)


# -- nothing found, and much left --------------------------------------------------------------------------------------

UNWRITTEN = {
    "nas_bench_101": (spaces.nas_bench_101(), {"edge_0_1": False}),
    "nas_bench_nlp": (spaces.nas_bench_nlp(), {"node_1_op": "none"}),
    "small": (spaces.NodeCell(max_nodes=5, max_edges=6, ops=("a", "b")), {"edge_0_1": False}),
}


@pytest.mark.parametrize("case", UNWRITTEN)
@pytest.mark.parametrize("limited", [False, True])
def test_decisions_that_no_architecture_is_written_with_find_new_ones(
    case: str, limited: bool
) -> None:
    space, fixed = UNWRITTEN[case]
    limits = {"length": lambda arch: len(str(arch)) % 2 - 0.5} if limited else None
    study = new_study(sampler=PartialFixedSampler(fixed, sampler(space, known_constraints=limits)))
    trainings = Trainings(space)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        study.optimize(trainings, n_trials=6)
    texts = [str(w.message) for w in told]
    assert not [text for text in texts if "is left" in text]
    assert len([text for text in texts if "written in another way" in text]) == 1
    assert len(trainings.trained) == len(set(trainings.trained)) == 6
    assert all(trial.params.items() >= fixed.items() for trial in study.trials)
    if limits is not None:
        assert all(limits["length"](space.from_params(t.params)) <= 0 for t in study.trials)
