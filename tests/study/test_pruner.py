"""AGNetPruner: what it stops and what it never stops, that a study alone decides, and what it refuses."""

import math
import pickle
import threading
import time
import warnings
from itertools import product

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from optuna_agnet import AGNetPruner, AGNetSampler, spaces
from optuna_agnet.spaces import Network
from optuna_agnet.spaces.no_architecture import NoArchitecture
from optuna_agnet.study.attributes import foretold_to_fail, stopped_because
from optuna_agnet.study.study_curves import StudyCurves

SPACE = spaces.nas_bench_201()
EPOCHS = 20


def quality(params):
    """Between 0 and 1; depends on the cell."""
    row = SPACE.params_to_row(params)
    return float(np.square(row / 4 - 0.6).mean() * 2)


def curve(params, sign=1.0):
    """Values after each epoch; rises to the quality."""
    return {e: sign * quality(params) * (1 - 0.9 * 0.7**e) for e in range(1, EPOCHS + 1)}


def trial(params, reported, value=None, space=SPACE, **attrs):
    return optuna.create_trial(
        params=params,
        distributions={n: d for n, d in space.distributions().items() if n in params},
        value=value,
        state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
        intermediate_values=reported,
        system_attrs=attrs,
    )


def cells(n, seed=0):
    return [SPACE.row_to_params(row) for row in SPACE.sample(n, np.random.default_rng(seed))]


def study_of(n, direction="maximize", seed=0, pruner=None, space=SPACE, storage=None):
    """A study with n whole trainings of random cells."""
    study = optuna.create_study(
        direction=direction,
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=pruner or AGNetPruner(space),
        storage=storage,
    )
    sign = 1.0 if direction == "maximize" else -1.0
    for params in cells(n, seed):
        reported = curve(params, sign)
        study.add_trial(trial(params, reported, reported[EPOCHS]))
    return study


def watch(study, params, reported):
    """The step at which a trial with these reports is stopped; 0 for never."""
    study.enqueue_trial(params)
    running = study.ask(SPACE.distributions())
    for step, value in reported.items():
        running.report(value, step)
        if running.should_prune():
            study.tell(running, state=TrialState.PRUNED)
            return step
    study.tell(running, value if not math.isnan(value) else 0.0)
    return 0


def best_and_worst(seed=1):
    found = sorted(cells(300, seed), key=quality)
    return found[-1], found[0]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_hopeless_trainings_are_stopped_early_and_the_best_one_never(direction):
    sign = 1.0 if direction == "maximize" else -1.0
    best, worst = best_and_worst()
    assert 0 < watch(study_of(20, direction), worst, curve(worst, sign)) < EPOCHS // 2
    assert watch(study_of(20, direction), best, curve(best, sign)) == 0


def test_directions_are_mirror_images():
    for params in cells(10, seed=3):
        steps = [
            watch(study_of(15, direction), params, curve(params, sign))
            for direction, sign in (("maximize", 1.0), ("minimize", -1.0))
        ]
        assert steps[0] == steps[1]


def test_nothing_is_stopped_before_enough_whole_trainings_are_known():
    _, worst = best_and_worst()
    for whole, stopped in ((6, False), (7, True)):
        study = study_of(whole, pruner=AGNetPruner(SPACE, n_warmup_curves=7))
        for params in cells(10, seed=5):  # stopped ones don't count
            study.add_trial(trial(params, {1: 0.5}))
        assert (watch(study, worst, curve(worst)) > 0) == stopped


def test_nothing_is_stopped_before_the_first_step():
    _, worst = best_and_worst()
    step = watch(study_of(20, pruner=AGNetPruner(SPACE, n_warmup_steps=9)), worst, curve(worst))
    assert 9 <= step < EPOCHS


def test_a_smaller_chance_and_a_larger_top_stop_less():
    some = cells(15, seed=7)

    def stopped(**settings):
        study = study_of(20, pruner=AGNetPruner(SPACE, **settings))
        copies = [watch(pickle.loads(pickle.dumps(study)), p, curve(p)) for p in some]
        return sum(step > 0 for step in copies)

    assert stopped(min_chance=0.01) <= stopped(min_chance=1) <= stopped(min_chance=10)
    assert stopped(top=10) < stopped(top=1)


@pytest.mark.parametrize(("step", "wait"), [(1, 2), (3, 4), (7, 8), (15, 5)])
def test_the_least_chance_is_in_proportion_to_the_steps_until_the_next_look(step, wait):
    params = cells(1, seed=8)[0]

    def stopped_at(min_chance):
        study = study_of(9, pruner=AGNetPruner(SPACE, min_chance=min_chance, n_warmup_steps=step))
        return watch(study, params, curve(params)), stopped_because(study.trials[-1])

    found, because = stopped_at(1e9)
    assert found == because.step == step
    equal = because.chance * (9 + 1) / (wait / (2 * 4 * 8 * 5) ** (1 / 4))
    assert stopped_at(equal * 1.001)[0] == step
    assert stopped_at(equal * 0.999)[0] != step


def test_what_follows_the_last_report_counts_as_what_was_before_it():
    """Where the objective is not the last report, it comes nobody knows how many steps after it."""
    params, *others = cells(10, seed=8)

    def stopped_at(min_chance):
        pruner = AGNetPruner(SPACE, min_chance=min_chance, n_warmup_steps=15)
        study = optuna.create_study(direction="maximize", pruner=pruner)
        for other in others:
            reported = {e: v for e, v in curve(other).items() if e <= 15}
            study.add_trial(trial(other, reported, quality(other)))
        reported = {e: v for e, v in curve(params).items() if e <= 15}
        return watch(study, params, reported), stopped_because(study.trials[-1])

    equal = stopped_at(1e9)[1].chance * (9 + 1) / (8 / (2 * 4 * 8 * 8) ** (1 / 4))
    assert stopped_at(equal * 1.001)[0] == 15
    assert stopped_at(equal * 0.999)[0] == 0


def test_where_there_is_one_rung_it_asks_for_the_whole_chance():
    params, *others = cells(10, seed=8)

    def stopped_at(min_chance):
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=AGNetPruner(SPACE, min_chance=min_chance),
        )
        for other in others:
            study.add_trial(trial(other, {1: curve(other)[1]}, curve(other)[EPOCHS]))
        return watch(study, params, {1: curve(params)[1]}), stopped_because(study.trials[-1])

    equal = stopped_at(1e9)[1].chance * (9 + 1)
    assert stopped_at(equal * 1.001)[0] == 1
    assert stopped_at(equal * 0.999)[0] == 0


def test_the_architecture_counts():
    """Curves that begin alike and end apart: what is trained tells from the first step, the curve does not."""
    space = Network(kind=("good", "bad"), other=tuple("abcdefgh"))

    def reported(kind, level):
        end = {"good": 1.0, "bad": 0.5}[kind]
        return {e: level * (0.1 + end * max(0, e - 10) / 10) for e in range(1, EPOCHS + 1)}

    chances = {}
    for known in (space, Network(other=tuple("abcdefgh"))):  # the second does not tell the kind
        study = optuna.create_study(direction="maximize", pruner=AGNetPruner(known))
        rng = np.random.default_rng(0)
        for k in range(16):
            kind, params = ("good", "bad")[k % 2], {"other": "abcdefgh"[k // 2]}
            found = reported(kind, 1 + 0.05 * rng.normal())
            told = {"kind": kind, **params} if known is space else params
            study.add_trial(trial(told, found, found[EPOCHS], known))
        study.enqueue_trial({"kind": "bad", "other": "c"} if known is space else {"other": "c"})
        running = study.ask(known.distributions())
        running.report(reported("bad", 1.02)[1], 1)
        running.should_prune()
        reason = stopped_because(study.trials[-1])
        chances[known is space] = 1.0 if reason is None else reason.chance
    assert chances[True] < 0.1 * chances[False]


def test_hyperparameters_count_with_any_sampler():
    """As with architectures: curves begin alike, and the learning rate says where they end."""
    rates = optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)
    study = optuna.create_study(
        direction="maximize", pruner=AGNetPruner(optuna.samplers.RandomSampler())
    )

    def reported(rate):
        end = 1 - abs(math.log10(rate) + 2.5) / 1.5
        return {e: 0.1 + end * max(0, e - 10) / 10 for e in range(1, EPOCHS + 1)}

    for rate in np.geomspace(1e-4, 1e-1, 16):
        study.add_trial(
            optuna.create_trial(
                params={"lr": rate},
                distributions={"lr": rates},
                value=reported(rate)[EPOCHS],
                intermediate_values=reported(rate),
            )
        )
    stopped = {}
    for rate in (1.2e-4, 10**-2.5):
        study.enqueue_trial({"lr": rate})
        running = study.ask({"lr": rates})
        running.report(0.1, 1)
        stopped[rate] = running.should_prune()
    assert stopped == {1.2e-4: True, 10**-2.5: False}


def test_with_the_sampler_architecture_and_hyperparameters_count_together():
    """Curves begin alike. A rate is good for half of the architectures, so either alone tells nothing."""
    space = Network(kind=("small", "large"), other=tuple("abcd"))
    sampler = AGNetSampler(space, seed=0)
    pruner = AGNetPruner(sampler, min_chance=1e9)  # stops all, and says how good each chance was
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    distributions = {
        **space.distributions(),
        "lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
    }

    def reported(kind, rate):
        end = 1 - abs(math.log10(rate) + (3.5 if kind == "large" else 1.5)) / 3
        return {e: 0.1 + end * max(0, e - 10) / 10 for e in range(1, EPOCHS + 1)}

    for k, rate in enumerate(np.geomspace(1e-4, 1e-1, 12)):
        for kind in ("small", "large"):
            study.add_trial(
                optuna.create_trial(
                    params={"kind": kind, "other": "abcd"[k % 4], "lr": rate},
                    distributions=distributions,
                    value=reported(kind, rate)[EPOCHS],
                    intermediate_values=reported(kind, rate),
                )
            )
    chances = {}
    for kind, rate in product(("small", "large"), (10**-3.5, 10**-1.5)):
        study.enqueue_trial({"kind": kind, "other": "a", "lr": rate})
        running = study.ask(distributions)
        running.report(0.1, 1)
        assert running.should_prune()
        chances[kind, rate] = stopped_because(study.trials[-1]).chance
    bad = max(chances["small", 10**-3.5], chances["large", 10**-1.5])
    assert min(chances["small", 10**-1.5], chances["large", 10**-3.5]) > 10 * bad


def test_a_sampler_that_has_never_seen_the_study_is_as_good_as_its_space():
    """Nothing but the storage counts: no proposal has to come before the first decision."""
    _, worst = best_and_worst()
    steps = [
        watch(study_of(12, pruner=AGNetPruner(of)), worst, curve(worst))
        for of in (SPACE, AGNetSampler(SPACE, seed=0), AGNetSampler(SPACE, seed=1))
    ]
    assert 0 < steps[0] == steps[1] == steps[2]


def test_a_study_alone_decides(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    study = study_of(12, storage=storage)
    _, worst = best_and_worst()
    copies = [study, pickle.loads(pickle.dumps(study))]
    copies.append(
        optuna.load_study(study_name=study.study_name, storage=storage, pruner=AGNetPruner(SPACE))
    )
    study.enqueue_trial(worst)
    number = study.ask(SPACE.distributions()).number
    for step, value in curve(worst).items():
        live = optuna.trial.Trial(study, study.trials[number]._trial_id)
        live.report(value, step)
        decided = [
            copy.pruner.prune(copy, copy.get_trials(deepcopy=False)[number]) for copy in copies
        ]
        assert len(set(decided)) == 1
    assert stopped_because(study.trials[number]) is not None


def test_running_trials_of_other_workers_change_nothing():
    _, worst = best_and_worst()
    alone, beside = study_of(12), study_of(12)
    for params in cells(4, seed=9):
        beside.enqueue_trial(params)
        beside.ask(SPACE.distributions()).report(0.99, 1)
    assert watch(alone, worst, curve(worst)) == watch(beside, worst, curve(worst)) > 0


def test_decisions_are_taken_at_rungs_alone():
    study = study_of(20, pruner=AGNetPruner(SPACE, min_chance=20))
    best, _ = best_and_worst()
    assert watch(study, best, {2: 0.05}) == 0  # behind the rung at 1, before the one at 3
    assert watch(study, best, {5: 0.05}) == 0  # no first rung to begin from
    assert watch(study, best, {1: 0.05}) == 1


def test_between_rungs_nothing_is_decided_whatever_was_learned_meanwhile():
    study = study_of(20, pruner=AGNetPruner(SPACE, min_chance=1e-9))
    best, _ = best_and_worst()
    study.enqueue_trial(best)
    running, stopped = study.ask(SPACE.distributions()), []
    for step in (1, 2, 3):
        running.report(curve(best)[step], step)
        stopped.append(running.should_prune())
        study.pruner = AGNetPruner(SPACE, min_chance=1e6)  # no chance is enough any more
    assert stopped == [False, False, True]


@pytest.mark.parametrize(
    "reported",
    [
        lambda c: {e: v for e, v in c.items() if e % 3 == 1},
        lambda c: {e: v for e, v in c.items() if e not in (2, 3, 4, 5)},
        lambda c: dict(sorted(c.items(), reverse=True)),
        lambda c: {e: math.nan if e in (2, 9) else v for e, v in c.items()},
        lambda c: {e: math.inf if e == 4 else v for e, v in c.items()},
        lambda c: {e: v for e, v in c.items() if e <= 2},
        lambda c: {},
    ],
    ids=["uneven", "missing", "backwards", "nan", "inf", "short", "none"],
)
def test_odd_reports_are_no_error(reported):
    study = study_of(10)
    for params in cells(5, seed=11):
        found = reported(curve(params))
        study.add_trial(trial(params, found, quality(params)))
        study.add_trial(trial(params, found))
    _, worst = best_and_worst()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert watch(study, worst, curve(worst)) > 0
        if found := reported(curve(worst)):
            watch(study, worst, found)


@pytest.mark.parametrize("order", [(7, 3, 1), (3, 1, 7), (7, 1, 3)])
def test_steps_that_go_back_are_sorted_and_the_furthest_one_counts(order):
    """Whoever reports 7, then 3 and 1, is where one is who reports 1, 3 and 7."""
    _, worst = best_and_worst()
    found = []
    for steps in (sorted(order), order):
        study = study_of(20, pruner=AGNetPruner(SPACE, min_chance=20))
        study.enqueue_trial(worst)
        running = study.ask(SPACE.distributions())
        for step in steps:
            running.report(curve(worst)[step], step)
        assert running.should_prune()
        found.append(stopped_because(study.trials[-1]))
    assert found[0] == found[1]
    assert found[0].step == 7


def test_a_step_before_the_furthest_one_decides_nothing_new():
    """Between the rungs at 3 and 7 nothing is decided, nor where 4 and 2 are reported behind 6."""
    study = study_of(20, pruner=AGNetPruner(SPACE, min_chance=1e9, n_warmup_steps=5))
    best, _ = best_and_worst()
    study.enqueue_trial(best)
    running = study.ask(SPACE.distributions())
    for step in (1, 3, 5, 6, 4, 2):
        running.report(curve(best)[step], step)
        assert not running.should_prune()


@pytest.mark.parametrize("kept", [True, False], ids=["with its reports", "without"])
def test_a_training_that_is_resumed_from_a_checkpoint(kept):
    """With what it had reported (a retry that inherits intermediate values) it is judged as if it had run at once;
    without, nothing is known of its beginning, and it is left alone.
    """
    _, worst = best_and_worst()
    reported = curve(worst)
    at_once, resumed = (study_of(20, pruner=AGNetPruner(SPACE, n_warmup_steps=7)) for _ in "ab")
    assert watch(at_once, worst, reported) == 7
    resumed.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=worst,
            distributions=SPACE.distributions(),
            intermediate_values={step: reported[step] for step in (1, 2, 3, 4) if kept},
        )
    )
    running = resumed.ask(SPACE.distributions())
    stopped = []
    for step in range(5, EPOCHS + 1):
        running.report(reported[step], step)
        if running.should_prune():
            stopped.append(step)
    assert stopped[:1] == ([7] if kept else [])
    if kept:
        assert stopped_because(at_once.trials[-1]).step == 7


def test_a_training_that_diverges_is_stopped():
    best, _ = best_and_worst()
    reported = {e: math.nan if e > 2 else v for e, v in curve(best).items()}
    assert watch(study_of(12), best, reported) == 3


def test_reports_that_say_nothing_do_not_stop_a_study_for_ever():
    """Half of 200 trials with random reports may be stopped, but whole ones go on coming."""
    study = study_of(0, pruner=AGNetPruner(SPACE, n_warmup_curves=5))
    rng = np.random.default_rng(0)
    whole = []
    for params in cells(80, seed=15):
        noise = dict(zip(range(1, EPOCHS), rng.normal(size=EPOCHS - 1), strict=True))
        whole.append(watch(study, params, {**noise, EPOCHS: quality(params)}) == 0)
    assert all(whole[:5])
    assert sum(whole[40:]) >= 2


@pytest.mark.parametrize("space", [SPACE, NoArchitecture()], ids=["cells", "nothing known"])
@pytest.mark.parametrize(
    "reported", [lambda _: 0.5, float, lambda _: math.nan], ids=["constant", "epoch", "nan"]
)
def test_reports_that_are_the_same_in_all_trainings_stop_none(space, reported):
    study = study_of(0, pruner=AGNetPruner(space))
    curves = {e: reported(e) for e in range(1, EPOCHS + 1)}
    for number, params in enumerate(cells(12, seed=16)):
        study.enqueue_trial(params)
        running = study.ask(SPACE.distributions())
        for step, value in curves.items():
            running.report(value, step)
            assert not running.should_prune(), (number, step)
        study.tell(running, quality(params))


def test_where_curves_begin_alike_and_nothing_is_known_nobody_is_stopped_before_they_part():
    study = study_of(0, pruner=AGNetPruner(NoArchitecture(), min_chance=1e9))
    for end in (1.0, 2.0, 3.0, 4.0, 5.0):
        reported = {e: end * max(0, e - 10) for e in range(1, EPOCHS + 1)}
        study.add_trial(trial({}, reported, reported[EPOCHS]))
    assert watch(study, {}, {e: max(0, e - 10) for e in range(1, EPOCHS + 1)}) == 15


def test_a_report_of_nan_is_worse_than_those_of_others_alone():
    """Optuna's pruners stop at it at once. Here it is a bad value, and one that all have tells nothing."""
    study = study_of(12)
    for params in cells(4, seed=17):
        study.add_trial(trial(params, {1: math.nan}))
    best, _ = best_and_worst()
    assert watch(study, best, dict.fromkeys(range(1, EPOCHS + 1), math.nan)) > 0


def test_the_objective_may_be_another_quantity():
    """Losses are reported, accuracies are maximized."""
    study = optuna.create_study(direction="maximize", pruner=AGNetPruner(SPACE))
    for params in cells(20):
        losses = {e: 1 - value for e, value in curve(params).items()}
        study.add_trial(trial(params, losses, quality(params)))
    best, worst = best_and_worst()
    assert watch(study, worst, {e: 1 - v for e, v in curve(worst).items()}) > 0
    found = {e: 1 - v for e, v in curve(best).items()}
    study.enqueue_trial(best)
    running = study.ask(SPACE.distributions())
    for step, value in found.items():
        running.report(value, step)
        assert not running.should_prune()


def test_infeasible_trials_set_no_goal():
    """A study whose best trials broke their constraint still lets feasible ones go on."""
    best, _ = best_and_worst()
    study = study_of(20)
    for params in cells(3, seed=13):
        reported = {e: 5.0 * v for e, v in curve(best).items()}
        study.add_trial(trial(params, reported, 5.0, constraints=[1.0]))
    assert watch(study, best, curve(best)) == 0


def test_infinite_results_set_no_goal():
    best, _ = best_and_worst()
    study = study_of(20)
    study.add_trial(trial(cells(1, seed=14)[0], curve(best), math.inf))
    assert watch(study, best, curve(best)) == 0


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_a_training_that_ended_at_infinity_changes_nothing_for_those_that_are_over(value):
    """Its last report is its objective, as in the others: nobody is stopped after the last epoch."""
    found = []
    for end in (value, -1e9):
        study = study_of(12)
        params = cells(1, seed=14)[0]
        reported = {e: end if e > 15 else v for e, v in curve(params).items()}
        study.add_trial(trial(params, reported, end))
        found.append(study.pruner._curves.learn(study).steps.tolist())
    assert found[0] == found[1] == [1, 3, 7, 15]


def test_workers_may_share_one():
    study = study_of(12)
    _, worst = best_and_worst()
    steps = []
    threads = [
        threading.Thread(target=lambda: steps.append(watch(study, worst, curve(worst))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(steps) == 4
    assert all(0 < step < EPOCHS for step in steps)


def test_workers_that_share_one_are_judged_one_by_one(monkeypatch):
    """Features of what is trained are made in memory that the next decision uses again."""
    study, inside, most = study_of(12), [], []
    forecast = StudyCurves.forecast

    def watched(self, learned, running):
        inside.append(running.number)
        time.sleep(0.05)
        most.append(len(inside))
        found = forecast(self, learned, running)
        inside.remove(running.number)
        return found

    monkeypatch.setattr(StudyCurves, "forecast", watched)
    _, worst = best_and_worst()
    threads = [threading.Thread(target=watch, args=(study, worst, {1: 0.0})) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_workers_with_pruners_of_their_own_share_a_journal(tmp_path):
    """Each stop follows from what all have stored: what had to be beaten is the value of a trial that has ended."""

    def storage():
        journal = optuna.storages.journal.JournalFileBackend(str(tmp_path / "study.log"))
        return optuna.storages.JournalStorage(journal)

    optuna.create_study(storage=storage(), direction="maximize", study_name="s")

    def objective(running):
        SPACE.suggest(running)
        for step in (1, 5, EPOCHS):
            running.report(curve(running.params)[step], step)
            if running.should_prune():
                raise optuna.TrialPruned
        return quality(running.params)

    def work(seed):
        sampler = optuna.samplers.RandomSampler(seed=seed)
        study = optuna.load_study(
            study_name="s", storage=storage(), sampler=sampler, pruner=AGNetPruner(SPACE)
        )
        study.optimize(objective, n_trials=8)

    threads = [threading.Thread(target=work, args=[seed]) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trials = optuna.load_study(study_name="s", storage=storage()).trials
    ended = [t.value for t in trials if t.state == TrialState.COMPLETE]
    stopped = [t for t in trials if t.state == TrialState.PRUNED]
    assert len(trials) == 24 == len(ended) + len(stopped)
    assert stopped
    assert all(stopped_because(t).step == t.last_step for t in stopped)
    assert all(reason.goal in ended for reason in foretold_to_fail(stopped).values())


def test_a_long_study_is_learned_from_in_part(monkeypatch):
    monkeypatch.setattr("optuna_agnet.study.study_curves._MOST", 15)
    study = study_of(30)
    for params in cells(30, seed=5):
        study.add_trial(trial(params, {1: 0.5}))
    _, worst = best_and_worst()
    watch(study, worst, curve(worst))
    assert len(study.pruner._curves.learn(study).shown) == 15 + 15


def test_a_model_that_fails_stops_nothing(monkeypatch):
    def fail(*_):
        raise np.linalg.LinAlgError("no convergence")

    monkeypatch.setattr("optuna_agnet.study.study_curves.CurveModel", fail)
    _, worst = best_and_worst()
    with pytest.warns(UserWarning, match="no convergence") as caught:
        assert watch(study_of(12), worst, curve(worst)) == 0
    assert len(caught) == 1


def test_with_the_sampler_it_is_made_for():
    sampler = AGNetSampler(SPACE, seed=0)

    def objective(running):
        SPACE.suggest(running)
        for step, value in curve(running.params).items():
            running.report(value, step)
            if running.should_prune():
                raise optuna.TrialPruned
        return value

    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=AGNetPruner(sampler))
    study.optimize(objective, n_trials=30)
    pruned = [t for t in study.trials if t.state == TrialState.PRUNED]
    assert pruned
    assert foretold_to_fail(pruned)
    for stopped in pruned:
        assert stopped_because(stopped).step == stopped.last_step
    for reason in foretold_to_fail(pruned).values():
        assert reason.chance < 1 / 6
        assert reason.goal <= study.best_value


# -- refused ---------------------------------------------------------------------------------------------------------


def test_several_objectives_are_refused():
    study = optuna.create_study(directions=["maximize", "minimize"])
    running = study.ask()
    with pytest.raises(ValueError, match="one objective, and this study has 2"):
        AGNetPruner(SPACE).prune(study, study.trials[running.number])


def test_a_study_without_a_direction_is_refused():
    storage = optuna.storages.InMemoryStorage()
    storage.create_new_study([optuna.study.StudyDirection.NOT_SET], "undirected")
    study = optuna.load_study(study_name="undirected", storage=storage, pruner=AGNetPruner(SPACE))
    running = study.ask()
    running.report(1.0, 1)
    with pytest.raises(ValueError, match="direction is not set"):
        running.should_prune()
    with pytest.raises(ValueError, match="direction is not set"):
        study.pruner.continue_stopped(study)


def test_a_sampler_of_another_space_is_refused():
    pruner = AGNetPruner(AGNetSampler(SPACE, seed=0))
    study = optuna.create_study(sampler=AGNetSampler(spaces.darts(), seed=0), pruner=pruner)
    running = study.ask()
    running.report(1.0, 1)
    with pytest.raises(ValueError, match="sampler searches Stack"):
        running.should_prune()


def test_other_choices_under_the_same_names_are_refused():
    study = study_of(6)
    running = study.ask()
    name, other = next(iter(SPACE.distributions().items()))
    running.suggest_categorical(name, other.choices[::-1])
    running.report(1.0, 1)
    with pytest.raises(ValueError, match=f"recorded the parameter '{name}'"):
        running.should_prune()


def test_trials_without_an_architecture_are_named_once():
    study = study_of(12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            running = study.ask()
            running.suggest_float("lr", 0, 1)
            running.report(0.01, 1)
            running.should_prune()
    assert ["has no architecture of" in str(warning.message) for warning in caught] == [True]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"n_warmup_curves": 1}, "n_warmup_curves=1"),
        ({"n_warmup_steps": -1}, "n_warmup_steps=-1"),
        ({"top": 0}, "top=0"),
        ({"min_chance": 0}, "min_chance=0"),
        ({"min_chance": math.inf}, "min_chance=inf"),
        ({"min_chance": math.nan}, "min_chance=nan"),
    ],
)
def test_arguments_out_of_range_are_refused(settings, error):
    with pytest.raises(ValueError, match=error):
        AGNetPruner(SPACE, **settings)


def test_something_else_than_a_sampler_is_refused():
    with pytest.raises(TypeError, match="neither a sampler nor a search space"):
        AGNetPruner("agnet")


def test_wrapped_samplers_are_seen_through():
    sampler = AGNetSampler(SPACE, seed=0)
    fixed = optuna.samplers.PartialFixedSampler({}, sampler)
    assert AGNetPruner(fixed)._space == SPACE
    assert isinstance(AGNetPruner(optuna.samplers.RandomSampler())._space, NoArchitecture)
