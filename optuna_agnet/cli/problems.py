"""``search``: a first search on a built-in problem."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import optuna

    from optuna_agnet.architecture import Architecture


@click.command()
@click.argument("problem", type=click.Choice(["digits"]))
@click.option("--trials", type=click.IntRange(1), metavar="N", default=30, show_default=True)
@click.option("--seed", type=click.IntRange(0), metavar="N", default=0, show_default=True)
@click.option(
    "--epochs", type=click.IntRange(1), metavar="N", default=5, show_default=True, help="Per cell."
)
@click.option(
    "--max-parameters",
    type=click.IntRange(1),
    metavar="N",
    help="Propose smaller networks only; costs no trial.",
)
@click.option("--paper", is_flag=True, help="The paper's algorithm instead of the default.")
@click.option("--storage", help="Keep the study here, e.g. sqlite:///nas.db; run again to go on.")
@click.option("--study", "name", default="digits", show_default=True, help="Name in the storage.")
def search(
    problem: str,
    trials: int,
    seed: int,
    epochs: int,
    max_parameters: int | None,
    paper: bool,
    storage: str | None,
    name: str,
) -> None:
    """Search on a built-in problem.

    digits: cells of NAS-Bench-201, trained on scikit-learn's 8x8 images of digits; about a second a trial.
    """
    import optuna

    from optuna_agnet import AGNetConfig, AGNetSampler, digits
    from optuna_agnet.hardware import count_parameters

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    limits: dict[str, Callable[[Architecture], float]] = {}
    if max_parameters is not None:
        limits["parameters"] = lambda arch: count_parameters(digits.network(arch)) - max_parameters
    config = AGNetConfig.paper() if paper else None
    sampler = AGNetSampler(digits.SPACE, seed=seed, config=config, known_constraints=limits)
    study = optuna.create_study(
        storage=storage, study_name=name, direction="maximize", sampler=sampler, load_if_exists=True
    )
    with warnings.catch_warnings():  # metric names are experimental
        warnings.simplefilter("ignore")
        study.set_metric_names(["validation accuracy"])
    if study.trials:
        click.echo(f"Going on with the study '{name}', {len(study.trials)} trials so far.")

    def objective(trial: optuna.Trial) -> float:
        arch = digits.SPACE.suggest(trial)
        if any(limit(arch) > 0 for limit in limits.values()):  # nothing smaller was found
            raise optuna.TrialPruned
        return digits.validation_accuracy(arch, epochs)

    study.optimize(objective, trials, show_progress_bar=True)
    if not study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)):
        raise ValueError(f"no network of at most {max_parameters:,} parameters was found")
    arch = digits.SPACE.from_params(study.best_params)
    click.echo(f"trials                {len(study.trials)}")
    click.echo(f"best cell             {arch}")
    click.echo(f"parameters            {count_parameters(digits.network(arch)):,}")
    click.echo(f"validation accuracy   {study.best_value:.2%}")
    click.echo(f"test accuracy         {digits.held_out_accuracy(arch, epochs):.2%}, trained again")
    if storage:
        click.echo(f"\nNext: optuna-agnet report {storage} --study {name} -o report.html")
