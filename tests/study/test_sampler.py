from __future__ import annotations

import copy
import os
import pickle
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution
from optuna.samplers import PartialFixedSampler, RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from optuna_agnet import AGNetConfig, AGNetSampler, Architecture, spaces
from optuna_agnet.analysis.report import report
from optuna_agnet.generator.network import Generator
from optuna_agnet.study.attributes import CLAIM, SOURCE, VERSION
from optuna_agnet.study.storage_view import Snapshot, StudyState
from optuna_agnet.surrogate.gaussian_process import GaussianProcess

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv", "pool"))
TINY = spaces.EdgeCell(nodes=2, ops=("a", "b", "c", "d"))
TINY_WIDE = spaces.Chain([("a", "b")] * 2)
QUICK = AGNetConfig(n_startup=4, retrain_every=4, samples_per_attempt=(64,), pool_size=32)
NAMES = [d.name for d in SPACE.decisions]


def sampler(
    seed: int | None = 0, space: spaces.EdgeCell = SPACE, **arguments: object
) -> AGNetSampler:
    """One whose generator starts untrained, which is enough here and takes no time."""
    return AGNetSampler(
        space, seed=seed, **{"config": QUICK, "generator": Generator(space), **arguments}
    )


def new_study(**arguments: object) -> optuna.Study:
    return optuna.create_study(**{"direction": "maximize", "sampler": sampler(), **arguments})


def objective(trial: optuna.Trial) -> float:
    arch = str(SPACE.suggest(trial))
    return arch.count("conv") - 0.5 * arch.count("pool") + 0.01 * len(arch)


def archs(study: optuna.Study) -> list[str]:
    return [str(SPACE.from_params(t.params)) for t in study.trials if t.params.keys() >= set(NAMES)]


def keys(study: optuna.Study) -> list[str]:
    return [SPACE.from_params(t.params).key for t in study.trials if t.params.keys() >= set(NAMES)]


def snapshot(study: optuna.Study) -> Snapshot:
    return StudyState(SPACE, study, max_failures=2).read(study, -1)


# -- proposals -----------------------------------------------------------------------------------------------------


def test_proposes_distinct_architectures_and_says_where_from() -> None:
    study = new_study()
    study.optimize(objective, n_trials=14)
    assert len(set(keys(study))) == 14
    attrs = [t.system_attrs for t in study.trials]
    assert [a[SOURCE] for a in attrs[:4]] == ["startup"] * 4
    assert "startup" not in {a[SOURCE] for a in attrs[4:]}
    assert attrs[-1][VERSION] > 0
    assert max(len(a[CLAIM]) for a in attrs) < 2045


def test_values_are_plain_and_dicts_are_fresh() -> None:
    study = new_study()
    trial = study._storage.get_trial(study.ask()._trial_id)
    space = study.sampler.infer_relative_search_space(study, trial)
    params = study.sampler.sample_relative(study, trial, space)
    assert {type(value) for value in params.values()} == {str}
    space.clear()
    assert set(study.sampler.infer_relative_search_space(study, trial)) == set(NAMES)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_follows_the_direction(direction: str) -> None:
    study = new_study(direction=direction)
    study.optimize(lambda trial: str(SPACE.suggest(trial)).count("conv"), n_trials=24)
    later = [t.value for t in study.trials[12:]]
    assert (np.mean(later) > 1.5) == (direction == "maximize")


def test_no_pair_of_architecture_and_hyperparameters_comes_twice() -> None:
    study = new_study(sampler=sampler(independent_sampler=TPESampler(seed=0, n_startup_trials=3)))

    def mixed(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
        layers = trial.suggest_int("layers", 1, 4)
        return objective(trial) - abs(np.log10(lr) + 2) + layers

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        study.optimize(mixed, n_trials=12)
    assert len({tuple(sorted(t.params.items())) for t in study.trials}) == 12


def test_all_hooks_reach_the_companion() -> None:
    class Spy(RandomSampler):
        def __init__(self) -> None:
            super().__init__(seed=0)
            self.calls: list[str] = []

        def before_trial(self, *args: object) -> None:
            self.calls.append("before")

        def after_trial(self, *args: object) -> None:
            self.calls.append("after")

        def reseed_rng(self) -> None:
            self.calls.append("reseed")

    spy = Spy()
    new_study(sampler=sampler(independent_sampler=spy)).optimize(objective, n_trials=2, n_jobs=2)
    assert sorted(spy.calls) == ["after"] * 2 + ["before"] * 2 + ["reseed"] * 2


def test_a_failing_model_warns_once_and_draws_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr("optuna_agnet.search.model.Model.advance", broken)
    study = new_study()
    with pytest.warns(UserWarning, match="not positive definite") as caught:
        study.optimize(objective, n_trials=10)
    assert len([w for w in caught if "model failed" in str(w.message)]) == 1
    assert len(set(keys(study))) == 10


# -- what counts as known ------------------------------------------------------------------------------------------


def test_enqueued_architectures_are_run_and_not_proposed_again() -> None:
    study = new_study()
    wanted = SPACE.random_architecture(1)
    study.enqueue_trial(SPACE.to_params(wanted))
    assert snapshot(study).pending.tolist() == SPACE.choices([wanted]).tolist()
    study.optimize(objective, n_trials=8)
    assert archs(study)[0] == str(wanted)
    assert len(set(keys(study))) == 8


def test_partly_enqueued_architectures_are_completed() -> None:
    study = new_study()
    study.optimize(objective, n_trials=6)
    for op in ("conv", "pool"):
        study.enqueue_trial({NAMES[0]: op, NAMES[-1]: op})
    study.optimize(objective, n_trials=3)
    for trial, op in zip(study.trials[6:8], ("conv", "pool"), strict=True):
        assert trial.params[NAMES[0]] == trial.params[NAMES[-1]] == op
        arch = SPACE.from_params(trial.params)
        assert SPACE.to_params(arch) == trial.params  # needed no repair
    assert len(set(keys(study))) == 9


def test_trials_of_other_samplers_count() -> None:
    other = new_study(sampler=RandomSampler(seed=0))
    other.optimize(objective, n_trials=10)
    study = new_study()
    study.add_trials(other.trials)
    observations = snapshot(study).observations
    assert len(observations) == 10
    assert (SPACE.repair(observations.x) == observations.x).all()
    study.optimize(objective, n_trials=4)
    assert "startup" not in {t.system_attrs[SOURCE] for t in study.trials[10:]}
    assert not set(keys(study)[10:]) & set(keys(study)[:10])


def test_threads_get_different_architectures() -> None:
    study = new_study()

    def slow(trial: optuna.Trial) -> float:
        value = objective(trial)
        time.sleep(0.01)
        return value

    study.optimize(slow, n_trials=24, n_jobs=2)
    assert len(set(keys(study))) == 24


def test_hyperband_sees_all_brackets() -> None:
    study = new_study(pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9))

    def pruned(trial: optuna.Trial) -> float:
        value = objective(trial)
        for step in range(1, 10):
            trial.report(value * step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study.optimize(pruned, n_trials=16)
    assert len(set(keys(study))) == 16


def test_partial_fixed_sampler() -> None:
    fixed = {NAMES[0]: "conv", NAMES[2]: "skip", "lr": 0.1}
    study = new_study(sampler=PartialFixedSampler(fixed, sampler()))
    study.optimize(lambda trial: objective(trial) + trial.suggest_float("lr", 0, 1), n_trials=10)
    assert all(t.params.items() >= fixed.items() for t in study.trials)
    assert len(set(archs(study))) == 10


# -- the same again ------------------------------------------------------------------------------------------------


def test_resumed_study_goes_on_as_if_never_interrupted(tmp_path: Path) -> None:
    whole = new_study()
    whole.optimize(objective, n_trials=14)
    url = f"sqlite:///{tmp_path}/study.db"
    for trials in (3, 6, 5):
        study = new_study(storage=url, study_name="s", load_if_exists=True)
        study.optimize(objective, n_trials=trials)
    assert archs(study) == archs(whole)


_SCRIPT = """
import sys; sys.path[:0] = {path!r}
import test_sampler as t
study = t.new_study(); study.optimize(t.objective, n_trials=9); print(t.archs(study))
"""


def test_another_process_gets_the_same() -> None:
    here = str(Path(__file__).parent)
    script = _SCRIPT.format(path=[here, str(Path(here).parent)])
    outputs = []
    for hash_seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        )
        outputs.append(run.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count("|") >= 9


@pytest.mark.parametrize("again", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_go_on_alike(again: object) -> None:
    study, original = new_study(), sampler(seed=None)
    study.sampler = original
    study.optimize(objective, n_trials=9)
    other = new_study(sampler=again(original))
    other.add_trials(study.trials)
    for s in (study, other):
        s.optimize(objective, n_trials=3)
    assert archs(study) == archs(other)


def test_arguments_are_checked_at_once() -> None:
    with pytest.raises(ValueError, match="seed=-1"):
        sampler(seed=-1)
    for failures in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"max_failures={failures}"):
            sampler(max_failures=failures)
    with pytest.raises(ValueError, match="stale_after='1h' must be a number of seconds"):
        sampler(stale_after="1h")
    with pytest.raises(ValueError, match=r"generator was made for .*: make one for it, pretrain"):
        sampler(generator=Generator(TINY))


def test_seeds() -> None:
    assert sampler(seed=None).seed != sampler(seed=None).seed
    runs = [new_study(sampler=sampler(seed=seed)) for seed in (0, 1)]
    for study in runs:
        study.optimize(objective, n_trials=3)
    assert archs(runs[0]) != archs(runs[1])
    new_study(sampler=sampler(seed=2**40)).optimize(objective, n_trials=1)


def test_leaves_global_state_alone() -> None:
    random.seed(0), np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    threads = torch.get_num_threads()
    with torch.no_grad(), torch.inference_mode():
        new_study().optimize(objective, n_trials=8)
        assert not torch.is_grad_enabled()
    assert random.getstate() == before[0]
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])
    assert torch.get_num_threads() == threads


def test_random_numbers_of_other_threads_are_not_drawn_twice() -> None:
    drawn = []

    def draw(trial: optuna.Trial) -> float:
        SPACE.suggest(trial)
        for _ in range(50):
            drawn.append(float(torch.rand(())))
            time.sleep(0.001)
        return 0.0

    new_study().optimize(draw, n_trials=16, n_jobs=2)
    assert len(set(drawn)) > 0.99 * len(drawn) == 0.99 * 800


def test_where_the_model_fails_known_limits_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(GaussianProcess, "fit", fail)

    def limit(arch: Architecture) -> float:
        return str(arch).count("conv") - 1.0

    study = new_study(sampler=sampler(known_constraints={"convs": limit}))
    with pytest.warns(UserWarning, match="out of memory"):
        study.optimize(objective, n_trials=12)
    assert "random" in {t.system_attrs[SOURCE] for t in study.trials}
    assert all(limit(SPACE.from_params(t.params)) <= 0 for t in study.trials)


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choices", [("pool", "conv", "skip", "none"), ("none", "skip", "mystery")])
def test_recorded_parameters_that_do_not_fit(choices: tuple[str, ...]) -> None:
    study = new_study()
    distribution = CategoricalDistribution(choices)
    study.add_trial(
        create_trial(
            params={NAMES[1]: choices[2]}, distributions={NAMES[1]: distribution}, value=1.0
        )
    )
    with pytest.raises(ValueError, match=rf"'{NAMES[1]}'.*space\.suggest\(trial\)"):
        study.optimize(objective, n_trials=1)


def test_a_changed_space_is_refused_before_results_are_taken_for_others() -> None:
    smaller, larger = spaces.NodeCell(4, 3, ops=("a", "b")), spaces.NodeCell(4, 6, ops=("a", "b"))
    study = new_study(sampler=sampler(space=larger))
    study.optimize(lambda trial: len(str(larger.suggest(trial))), n_trials=3)
    assert any(smaller.from_params(t.params) != larger.from_params(t.params) for t in study.trials)
    study.sampler = sampler(space=smaller)
    with pytest.raises(
        ValueError, match=r"searches NodeCell.*max_edges=6.*not NodeCell.*a new study"
    ):
        study.optimize(lambda trial: len(str(smaller.suggest(trial))), n_trials=1)
    with pytest.raises(ValueError, match="searches NodeCell"):
        report(study, smaller)
    study.sampler = sampler(space=larger)
    study.optimize(lambda trial: len(str(larger.suggest(trial))), n_trials=1)


def test_a_refused_space_leaves_nothing_in_a_study_that_another_sampler_began() -> None:
    study = new_study(sampler=RandomSampler(seed=0))
    study.optimize(objective, n_trials=2)
    study.sampler = sampler(space=spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv")))
    with pytest.raises(ValueError, match="recorded the parameter"):
        study.optimize(objective, n_trials=1)
    study.sampler = sampler()
    study.optimize(objective, n_trials=1)
    assert study.trials[-1].state == TrialState.COMPLETE


def test_a_space_without_a_common_parameter_is_refused_where_the_results_are_of_another() -> None:
    study = new_study()
    study.sampler = sampler(space=TINY_WIDE)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.sampler = sampler()  # no result yet: the space may change
    study.optimize(objective, n_trials=2)
    study = new_study()
    study.optimize(objective, n_trials=2)
    study.sampler = sampler(space=TINY_WIDE)
    with pytest.raises(ValueError, match=r"has searched EdgeCell.*parameter of Chain.*a new study"):
        study.optimize(lambda trial: len(str(TINY_WIDE.suggest(trial))), n_trials=1)
    with pytest.raises(ValueError, match="has searched EdgeCell"):
        report(study, TINY_WIDE)
    study.sampler = sampler()
    study.optimize(objective, n_trials=1)
    study.sampler = AGNetSampler(seed=0, config=QUICK)  # no space: hyperparameters alone
    study.optimize(objective, n_trials=1)


def _wide(trial: optuna.Trial) -> float:
    return len(str(TINY_WIDE.suggest(trial)))


def _two_samplers() -> optuna.Study:
    """That share a study in which another parameter might decide whose part a trial needs."""
    study = new_study(sampler=sampler(space=TINY_WIDE, independent_sampler=sampler()))
    study.optimize(objective, n_trials=2)
    return study


def _by_tpe() -> optuna.Study:
    study = new_study(sampler=TPESampler(seed=0))
    study.optimize(objective, n_trials=2)
    return study


def _with_both_parts() -> optuna.Study:
    study = new_study()
    study.optimize(lambda trial: _wide(trial) + objective(trial), n_trials=2)
    return study


def _with_added_trials() -> optuna.Study:
    study, wide = new_study(), new_study(sampler=RandomSampler(seed=0))
    study.optimize(objective, n_trials=2)
    wide.optimize(_wide, n_trials=1)
    study.add_trials(wide.trials)
    return study


def _with_enqueued_trials() -> optuna.Study:
    study = new_study()
    study.enqueue_trial(dict.fromkeys(NAMES, "conv"))
    study.tell(study.ask(), state=TrialState.FAIL)
    study.enqueue_trial(dict.fromkeys(NAMES, "conv"))
    return study


@pytest.mark.parametrize(
    "made", [_two_samplers, _by_tpe, _with_both_parts, _with_added_trials, _with_enqueued_trials]
)
@pytest.mark.filterwarnings("ignore:trial . finished without")
def test_what_else_a_study_holds_is_no_change_of_space(made: Callable[[], optuna.Study]) -> None:
    study = made()
    study.sampler = sampler(space=TINY_WIDE)
    study.optimize(_wide, n_trials=2)
    assert len([trial for trial in study.trials if trial.value == 3.0]) >= 2


def test_an_objective_that_never_takes_its_architecture_is_told() -> None:
    study = new_study()
    with pytest.warns(
        UserWarning, match=r"trial 0 finished without.*\['layer_0', 'layer_1'\] are none of"
    ) as caught:
        study.optimize(lambda trial: len(str(TINY_WIDE.suggest(trial))), n_trials=4)
    assert len([w for w in caught if "finished without" in str(w.message)]) == 1
    with pytest.raises(ValueError, match="no complete trial with the parameters of EdgeCell"):
        report(study, SPACE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": spaces.nas_bench_201}, "space=<function.*is no SearchSpace: give one"),
        ({"space": "nas_bench_201"}, "space='nas_bench_201' is no"),
        ({"config": {"n_startup": 4}}, "config=.*is no AGNetConfig"),
        ({"generator": "gen.pt"}, "generator='gen.pt' is no Generator"),
        ({"independent_sampler": TPESampler}, "independent_sampler=.*is no BaseSampler"),
        ({"known_constraints": [len]}, "known_constraints=.*is no Mapping"),
    ],
)
def test_arguments_of_another_type(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        AGNetSampler(**{"space": SPACE, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": "0"}, "seed='0' must be an integer"),
        ({"seed": 0.5}, "seed=0.5 must be an integer"),
        (
            {"config": AGNetConfig(device="cuda:99")},
            "device='cuda:99' is not available.*'cpu' always is",
        ),
    ],
)
def test_values_that_no_search_can_use(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AGNetSampler(SPACE, **arguments)  # type: ignore[arg-type]


def test_a_parameter_of_the_same_name_is_named() -> None:
    def clash(trial: optuna.Trial) -> float:
        trial.suggest_categorical(NAMES[0], ["adam", "sgd"])
        return objective(trial)

    with pytest.raises(ValueError, match=rf"'{NAMES[0]}' of EdgeCell.*rename that one"):
        new_study(sampler=RandomSampler()).optimize(clash, n_trials=1)


def test_other_order_of_choices_in_the_objective() -> None:
    def wrong(trial: optuna.Trial) -> float:
        trial.suggest_categorical(NAMES[0], SPACE.decisions[0].choices[::-1])
        return 0.0

    study = new_study()
    with pytest.warns(UserWarning, match=r"space\.suggest\(trial\)"):
        study.optimize(wrong, n_trials=2, catch=ValueError)


def test_several_objectives_are_searched() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler())
    study.optimize(lambda trial: (objective(trial), trial.number), n_trials=24)
    assert {trial.system_attrs["agnet:source"] for trial in study.trials[16:]} <= {
        "generator",
        "neighbors",
    }


def test_independent_architecture_parameters_warn_once_a_name() -> None:
    study = new_study()
    trial = study._storage.get_trial(study.ask()._trial_id)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in (NAMES[0], NAMES[0], NAMES[1]):
            study.sampler.sample_independent(study, trial, name, SPACE.distributions()[name])
    assert len([w for w in caught if "sampled independently" in str(w.message)]) == 2


def test_an_objective_that_takes_some_of_its_architecture_is_told_what_is_missing() -> None:
    """Only the layers that exist, for a depth that is a parameter beside the architecture."""
    space = spaces.Chain([("a", "b", "c")] * 6)
    study = new_study(sampler=sampler(space=space))

    def varying(trial: optuna.Trial) -> float:
        depth = trial.suggest_int("depth", 2, 5)
        ops = [trial.suggest_categorical(d.name, d.choices) for d in space.decisions[:depth]]
        return ops.count("a")

    with pytest.warns(
        UserWarning,
        match=r"finished without \d of the 6 parameters of Chain.*layer_5.*suggest\(trial\)",
    ) as caught:
        study.optimize(varying, n_trials=8)
    assert len([w for w in caught if "finished without" in str(w.message)]) == 1


def test_imported_trials_that_lack_parameters_are_told_too() -> None:
    study = new_study()
    params = dict.fromkeys(NAMES[:-1], SPACE.decisions[0].choices[0])
    distributions = {name: SPACE.distributions()[name] for name in params}
    study.add_trial(create_trial(params=params, distributions=distributions, value=1.0))
    with pytest.warns(UserWarning, match=rf"without 1 of the 6 parameters.*{NAMES[-1]}\."):
        study.optimize(objective, n_trials=1)
