"""A study's scores: computed once for all workers and restarts."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Thread

import numpy as np
import optuna
import pytest

from optuna_agnet import AGNetConfig, AGNetSampler, Architecture, report, spaces
from optuna_agnet.search.scores import PIECE, PIECES, architectures_of
from optuna_agnet.spaces.hyperparameters import Hyperparameters
from optuna_agnet.study.storage_view import StudyState
from optuna_agnet.study.stored_scores import StoredScores, scores_of

SPACE = spaces.nas_bench_201()


class Counted:
    """A score that knows how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, architecture: Architecture) -> float:
        self.calls += 1
        return float(str(architecture).count("nor_conv_3x3"))


def objective(trial: optuna.Trial) -> float:
    return float(str(SPACE.suggest(trial)).count("nor_conv_3x3"))


def study_of(storage: str | None, score: Counted | None, seed: int = 0) -> optuna.Study:
    scores = None if score is None else {"convs": score}
    return optuna.create_study(
        direction="maximize",
        storage=storage,
        study_name="study",
        load_if_exists=True,
        sampler=AGNetSampler(SPACE, seed=seed, scores=scores),
    )


def test_a_restart_and_a_second_worker_compute_nothing_again(tmp_path: Path) -> None:
    storage, first, second = f"sqlite:///{tmp_path}/study.db", Counted(), Counted()
    study_of(storage, first).optimize(objective, n_trials=3)
    assert first.calls == len(architectures_of(SPACE))
    study_of(storage, second).optimize(objective, n_trials=3)
    assert second.calls == 0
    whole = study_of(None, Counted())
    whole.optimize(objective, n_trials=6)
    resumed = study_of(storage, None)
    assert [t.params for t in whole.trials] == [t.params for t in resumed.trials]
    assert max(t.value or 0 for t in whole.trials) >= 5


def test_workers_that_begin_together_share_the_scores_and_no_architecture(tmp_path: Path) -> None:
    storage, scores = f"sqlite:///{tmp_path}/study.db", [Counted() for _ in range(3)]
    studies = [study_of(storage, score, seed) for seed, score in enumerate(scores)]
    workers = [Thread(target=study.optimize, args=(objective, 3)) for study in studies]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    table = scores_of(studies[0], SPACE)
    assert not np.isnan(table.values).any()
    assert len(table.x) <= sum(score.calls for score in scores) <= len(scores) * len(table.x)
    trials = studies[0].trials
    assert len({SPACE.from_params(trial.params).key for trial in trials}) == len(trials) == 9
    assert max(trial.value or 0 for trial in trials) >= 4  # what the score speaks for


def test_one_sampler_keeps_the_scores_of_its_studies_apart() -> None:
    score = Counted()
    sampler = AGNetSampler(SPACE, seed=0, scores={"convs": score})
    for count in (1, 2):
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=1)
        assert score.calls == count * len(architectures_of(SPACE))


def test_scores_can_be_read_from_the_study_alone() -> None:
    study, score = study_of(None, Counted()), Counted()
    study.optimize(objective, n_trials=1)
    table = scores_of(study, SPACE)
    assert table.names == ("convs",)
    expected = [score(architecture) for architecture in SPACE.architectures(table.x)]
    assert table.values[:, 0].tolist() == expected
    assert not len(scores_of(optuna.create_study(), SPACE))


def test_scores_are_checked_at_the_door() -> None:
    with pytest.raises(TypeError, match="scores"):
        AGNetSampler(SPACE, scores=["convs"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scores need surrogate='gp'"):
        AGNetSampler(SPACE, scores={"convs": Counted()}, config=AGNetConfig.paper())
    with pytest.raises(ValueError, match="score_time_limit_s"):
        AGNetSampler(SPACE, scores={"convs": Counted()}, score_time_limit_s=0)
    with pytest.raises(ValueError, match="scores compare architectures, and NoArchitecture"):
        AGNetSampler(scores={"convs": Counted()})


def test_the_report_says_how_far_scores_are_followed() -> None:
    def constant(_: Architecture) -> float:
        return 1.0

    scores = {"convs": Counted(), "constant": constant}
    sampler = AGNetSampler(SPACE, seed=0, scores=scores)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    with pytest.warns(UserWarning, match="'constant' gave the same number"):
        study.optimize(objective, n_trials=4)
    text = report(study, SPACE).markdown
    section = text.partition("## Scores")[2].partition("##")[0]
    assert re.search(r"\| convs \| 256 of 256 \| \+[01]\.\d\d \| [+-]0\.\d\d \|", section)
    assert "Of no use: constant." in section
    study = study_of(None, None)
    study.optimize(objective, n_trials=2)
    assert "## Scores" not in report(study, SPACE).markdown


def weights_in(text: str) -> dict[str, str]:
    """Of each score, what the report's section says of how far it is followed."""
    section = text.partition("## Scores")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if " of 256 " in line]
    return {row[0]: row[3] for row in rows}


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "with hyperparameters"])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_the_report_has_the_weights_of_the_search(beside: bool, warm: bool) -> None:
    def noisy(trial: optuna.Trial) -> float:
        far = abs(trial.suggest_float("lr", -4.0, 0.0) + 2) if beside else 0.0
        return objective(trial) - 3 * far

    def few(architecture: Architecture) -> float:
        return float(str(architecture).count("none"))

    sources = []
    if warm:
        sources = [optuna.create_study(direction="maximize", sampler=AGNetSampler(SPACE, seed=1))]
        sources[0].optimize(noisy, n_trials=10)
    config = AGNetConfig(candidate_sources=("neighbors", "random"), pool_size=64)
    scores = {"convs": Counted(), "none": few}
    sampler = AGNetSampler(SPACE, seed=0, config=config, scores=scores, source_studies=sources)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(noisy, n_trials=10)
    space = {name: d for name, d in study.trials[0].distributions.items() if name == "lr"}
    search = sampler.new_search(("maximize",), study, Hyperparameters.of(space))
    state = StudyState(SPACE, study, max_failures=2, config=config, writes=False)
    known = state.read(study, -1, search.hyperparameters).observations
    expected = search.score_weights(known)[0]
    assert np.abs(expected).max() > 0.1
    assert weights_in(report(study, SPACE).markdown) == {
        name: f"{weight:+.2f}" for name, weight in zip(("convs", "none"), expected, strict=True)
    }


@pytest.mark.parametrize(
    "value", [None, "text", [1.0] * (PIECE + 1), ["1.0"], [True], {"a": 1}, [[1.0]]]
)
def test_what_is_no_piece_is_as_good_as_absent(value: object) -> None:
    study = study_of(None, Counted())
    study._storage.set_study_system_attr(study._study_id, "agnet:score:convs:1", value)
    assert len(StoredScores(study)) == 0
    study.optimize(objective, n_trials=1)
    assert len(StoredScores(study)) == PIECES
    assert not np.isnan(scores_of(study, SPACE).values).any()
