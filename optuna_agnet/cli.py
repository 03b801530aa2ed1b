"""The command line: ``optuna-agnet`` and ``python -m optuna_agnet``.

What needs torch or Optuna is imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import optuna_agnet
from optuna_agnet.spaces import CellSpace, presets

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from optuna_agnet.architecture import Architecture
    from optuna_agnet.generator import Generator, GeneratorReport

PRESETS: dict[str, Callable[[], CellSpace]] = {
    name: make
    for name, make in vars(presets).items()
    if callable(make) and getattr(make, "__module__", "") == presets.__name__ and name[0] != "_"
}
_PAPER = {
    "darts": (42.27, 100, 100),  # one cell; ours makes both
    "nas_bench_101": (71.69, 97.92, 62.30),
    "nas_bench_201": (99.97, 73.61, 10.03),
    "nas_bench_nlp": (57.95, 100, 100),  # at most 12 nodes
}  # validity, uniqueness, novelty in per cent: Table 12, quoted


class _Commands(click.Group):
    """Errors of the input become one line and exit code 1; ``--traceback`` shows where they come from."""

    def invoke(self, ctx: click.Context) -> Any:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return super().invoke(ctx)
        except (ValueError, ImportError, OSError, SQLAlchemyError) as error:
            if ctx.params["traceback"]:
                raise
            raise click.ClickException(str(error).splitlines()[0]) from None


class _Space(click.ParamType[CellSpace]):
    name = "space"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> CellSpace:
        if isinstance(value, CellSpace):
            return value
        if value in PRESETS:
            return PRESETS[value]()
        home, colon, attribute = value.rpartition(":")
        if not colon:
            self.fail(
                f"'{value}' is neither one of {', '.join(sorted(PRESETS))} nor FILE.py:NAME or MODULE:NAME"
            )
        found = getattr(_module(home), attribute, None)
        found = found() if callable(found) else found
        if not isinstance(found, CellSpace):
            self.fail(
                f"'{attribute}' in '{home}' is no search space, nor a function that returns one"
            )
        return found


def _module(home: str) -> Any:
    if not home.endswith(".py"):
        sys.path.insert(0, os.getcwd())
        return importlib.import_module(home)
    if not Path(home).is_file():
        raise ValueError(f"the file '{home}' does not exist")
    spec = importlib.util.spec_from_file_location(Path(home).stem, home)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_SPACE_HELP = f"A preset ({', '.join(sorted(PRESETS))}) or your own as FILE.py:NAME or MODULE:NAME."
_space_option = click.option(
    "--space", type=_Space(), help=f"{_SPACE_HELP} Default: the preset whose parameters it has."
)
_study_option = click.option("--study", "name", help="Name; may be left out if it is the only one.")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(optuna_agnet.__version__, prog_name="optuna-agnet")
@click.option("--traceback", is_flag=True, help="Show a full traceback on errors.")
def main(traceback: bool) -> None:
    """Neural architecture search with AG-Net and Optuna.

    Exit codes: 0 done, 1 the input can't be used (no such database, study, ...), 2 wrong usage.
    """


# -- search ------------------------------------------------------------------------------------------------------------


@main.command()
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


# -- generators --------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("space", type=_Space())
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--steps", type=click.IntRange(1), metavar="N", default=2000, show_default=True)
@click.option("--seed", type=click.IntRange(0), metavar="N", default=0, show_default=True)
@click.option("--paper", is_flag=True, help="The paper's generator; slower.")
def pretrain(space: CellSpace, output: Path, steps: int, seed: int, paper: bool) -> None:
    """Pretrain a generator for a space.

    No evaluation is spent on it. It is saved to OUTPUT (.safetensors), which optuna_agnet.load_generator(space, path)
    reads. SPACE is a preset or your own as FILE.py:NAME or MODULE:NAME.
    """
    from optuna_agnet.generator import (
        GeneratorConfig,
        generator_report,
        pretrain,
        save_generator,
    )

    config = GeneratorConfig.paper() if paper else None
    generator = pretrain(space, config=config, steps=steps, seed=seed)
    save_generator(generator, output)
    click.echo(f"{output}: {generator_report(generator, 2000)}")


@main.command("generator-report")
@click.argument("space", type=_Space())
@click.option(
    "--weights",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file of 'pretrain' instead of the bundled weights.",
)
@click.option("--paper", is_flag=True, help="The bundled generator in the paper's form.")
@click.option("--samples", type=click.IntRange(1), metavar="N", default=10_000, show_default=True)
def generator_report(space: CellSpace, weights: Path | None, paper: bool, samples: int) -> None:
    """Show what a generator can do.

    Validity, uniqueness and novelty of its samples, beside the paper's Table 12. SPACE is a preset or your own as
    FILE.py:NAME or MODULE:NAME.
    """
    from optuna_agnet.generator import GeneratorConfig, generator_report, load_generator

    if weights is not None and paper:
        raise click.UsageError(
            "--paper chooses among the bundled weights; leave it out with --weights"
        )
    config = GeneratorConfig.paper() if paper else None
    generator = load_generator(space, weights, config=config)
    click.echo(f"{space.name}, {_form(generator)} form, {samples:,} samples of z ~ N(0, 1)")
    click.echo(_table(space.name, generator_report(generator, samples)))
    click.echo(
        "Novelty: share of valid samples that pretraining never saw. The paper trained on 90% of all cells."
    )


def _form(generator: Generator) -> str:
    return "paper" if generator.config.layers else "fast"


def _table(space: str, report: GeneratorReport) -> str:
    paper = [f"{value:.2f}%" for value in _PAPER.get(space, ())] or ["-"] * 3
    novelty = "unknown" if report.novelty is None else f"{report.novelty:.2%}"
    rows = [
        ("", "this generator", "paper, Table 12"),
        ("validity", f"{report.validity:.2%}", paper[0]),
        ("uniqueness", f"{report.uniqueness:.2%}", paper[1]),
        ("  up to isomorphism", f"{report.unique_graphs:.2%}", ""),
        ("novelty", novelty, paper[2]),
    ]
    return "\n".join(f"{name:<20}{ours:>16}{theirs:>18}" for name, ours, theirs in rows)


# -- studies -----------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("storage")
@_study_option
@_space_option
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A .html or .md file."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    default=0,
    show_default=True,
    help="That the search had.",
)
@click.option("--paper", is_flag=True, help="The search had the paper's config.")
def report(
    storage: str,
    name: str | None,
    space: CellSpace | None,
    output: Path | None,
    seed: int,
    paper: bool,
) -> None:
    """Report what a study did.

    Best architecture, where architectures came from, surrogate, generator, duplicates, time; figures in HTML. STORAGE
    is a URL such as sqlite:///nas.db, or a journal file. Without --output the report is printed as Markdown. Seed and
    config only matter for the generator's rounds, which are trained again for the report.
    """
    from optuna_agnet import AGNet, AGNetConfig
    from optuna_agnet.history import search_history
    from optuna_agnet.study_report import report as report_of
    from optuna_agnet.study_state import directions_of

    study = load_study(storage, name)
    space = space or space_of(study)
    config = AGNetConfig.paper() if paper else None
    search = AGNet(space, directions_of(study), seed=seed, config=config)
    result = report_of(study, space, history=search_history(study, space, search))
    if output is None:
        click.echo(str(result))
    else:
        result.save(output)
        click.echo(f"written to {output}")


@main.command(
    epilog="Example: optuna-agnet export sqlite:///nas.db --study digits --to onnx -o best.onnx"
)
@click.argument("storage", required=False)
@_study_option
@click.option(
    "--trial", type=click.IntRange(0), metavar="N", help="Number. Default: the best feasible one."
)
@click.option("--architecture", help="Its text, instead of a study's; needs --space.")
@_space_option
@click.option(
    "--to",
    "form",
    type=click.Choice(["genotype", "pytorch", "onnx"]),
    default="genotype",
    show_default=True,
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)
@click.option("--classes", type=click.IntRange(1), metavar="N", default=10, show_default=True)
@click.option(
    "--image",
    type=(click.IntRange(1), click.IntRange(1), click.IntRange(1)),
    metavar="N N N",
    default=(3, 32, 32),
    show_default=True,
    help="Channels, height and width.",
)
@click.option(
    "--channels",
    type=click.IntRange(1),
    metavar="N",
    help="After the stem. Default: the benchmark's.",
)
@click.option(
    "--cells", type=click.IntRange(1), metavar="N", help="A stage. Default: the benchmark's."
)
@click.option("--stages", type=click.IntRange(1), metavar="N", help="Default: the benchmark's.")
def export(
    storage: str | None,
    name: str | None,
    trial: int | None,
    architecture: str | None,
    space: CellSpace | None,
    form: str,
    output: Path | None,
    classes: int,
    image: tuple[int, int, int],
    channels: int | None,
    cells: int | None,
    stages: int | None,
) -> None:
    """Write an architecture as text, PyTorch or ONNX.

    STORAGE is a URL such as sqlite:///nas.db, or a journal file. PyTorch means a program that torch.export.load reads
    (.pt2). Networks are built in the benchmark's skeleton and carry PyTorch's initial weights: train them.
    """
    if (storage is None) == (architecture is None):
        raise click.UsageError("give either STORAGE or --architecture")
    if architecture is not None:
        if space is None:
            raise click.UsageError("--architecture needs --space")
        arch = space.parse(architecture)
    else:
        space, arch = _from_study(str(storage), name, trial, space)
    if form == "genotype":
        _write(f"{arch}\n", output)
        return
    if output is None:
        raise click.UsageError(f"--to {form} needs --output")
    from optuna_agnet import build_model
    from optuna_agnet.export import export_onnx, export_pytorch

    model = build_model(
        space,
        arch,
        num_classes=classes,
        in_channels=image[0],
        channels=channels,
        cells_per_stage=cells,
        stages=stages,
    )
    (export_onnx if form == "onnx" else export_pytorch)(model, output, image)
    click.echo(f"{arch}\nwritten to {output}")


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _from_study(
    storage: str, name: str | None, number: int | None, space: CellSpace | None
) -> tuple[CellSpace, Architecture]:
    study = load_study(storage, name)
    space = space or space_of(study)
    return space, space.from_params(_trial(study, number).params)


def _trial(study: optuna.Study, number: int | None) -> FrozenTrial:
    from optuna_agnet.study_state import best_trials

    if number is not None:
        if number >= len(study.trials):
            raise ValueError(
                f"trial {number} does not exist: the study '{study.study_name}' has {len(study.trials)}, from 0"
            )
        return study.trials[number]
    best = best_trials(study)
    if not best:
        raise ValueError(
            f"the study '{study.study_name}' has no complete, feasible trial yet; --trial takes any other"
        )
    return best[0]


def load_study(storage: str, name: str | None) -> optuna.Study:
    """A study of a storage, the only one if no name is given; nothing is created.

    Raises:
        ValueError: There is no such database or study; the message lists the studies that there are.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    opened = _open(storage)
    names = sorted(optuna.get_all_study_names(opened))
    if not names:
        raise ValueError(f"{storage} holds no study")
    known = ", ".join(f"'{known}'" for known in names)
    if name is None and len(names) > 1:
        raise ValueError(f"{storage} holds {len(names)} studies, choose one with --study: {known}")
    if name is not None and name not in names:
        raise ValueError(f"{storage} has no study '{name}'; it has {known}")
    return optuna.load_study(study_name=name or names[0], storage=opened)


def _open(storage: str) -> Any:
    """A URL as it is, or a journal file; a file must be there already, as Optuna would make it."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy import create_engine, inspect, make_url

    if "://" not in storage:
        if not Path(storage).is_file():
            raise ValueError(
                f"the file '{storage}' does not exist; a database is given as URL, such as sqlite:///nas.db"
            )
        return JournalStorage(JournalFileBackend(storage))
    url = make_url(storage)
    if url.get_backend_name() == "sqlite":
        if not Path(url.database or "").is_file():
            raise ValueError(f"the database {storage} does not exist")
        if not inspect(create_engine(url)).has_table("studies"):
            raise ValueError(f"{storage} is no database of Optuna")
    return storage


def space_of(study: optuna.Study) -> CellSpace:
    """The preset whose parameters a study's trials have.

    Raises:
        ValueError: There is none.
    """
    recorded: dict[str, Any] = {}
    for trial in study.get_trials(deepcopy=False):
        recorded.update(trial.distributions)
    for make in PRESETS.values():
        space = make()
        if space.distributions().items() <= recorded.items():
            return space
    raise ValueError(
        f"the parameters of the study '{study.study_name}' ({', '.join(sorted(recorded)[:4]) or 'none yet'}) are no"
        " preset's: give its space with --space FILE.py:NAME"
    )
