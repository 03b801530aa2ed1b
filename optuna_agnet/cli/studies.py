"""``report`` and ``export``: what a study did, and the architecture it found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_agnet.cli.inputs import (
    ImportedType,
    OutputType,
    generator_option,
    given_generator,
    load_study,
    space_of,
    space_option,
    study_option,
)
from optuna_agnet.spaces import SearchSpace

if TYPE_CHECKING:
    import optuna
    import torch
    from optuna.trial import FrozenTrial

    from optuna_agnet.core.architecture import Architecture


@click.command()
@click.argument("storage")
@study_option
@space_option
@click.option(
    "--output", "-o", type=OutputType(".html", ".md"), metavar="FILE", help="A .html or .md file."
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
@generator_option
def report(
    storage: str,
    name: str | None,
    space: SearchSpace | None,
    output: Path | None,
    seed: int,
    paper: bool,
    generator_file: Path | None,
) -> None:
    """Report what a study did.

    Best architecture, where architectures came from, surrogate, generator, duplicates, time; figures in HTML. STORAGE
    is a URL such as sqlite:///nas.db, or a journal file. Without --output the report is printed as Markdown. Seed,
    config and generator only matter for the rounds of training, which are done again for the report.
    """
    from optuna_agnet import AGNet, AGNetConfig
    from optuna_agnet.analysis.history import search_history
    from optuna_agnet.analysis.report import report as report_of
    from optuna_agnet.study.trials import directions_of

    study = load_study(storage, name)
    space = space or space_of(study)
    config = AGNetConfig.paper() if paper else None
    generator = given_generator(space, generator_file)
    search = AGNet(space, directions_of(study), seed=seed, config=config, generator=generator)
    result = report_of(study, space, history=search_history(study, space, search))
    if output is None:
        click.echo(str(result))
    else:
        result.save(output)
        click.echo(f"written to {output}")


@click.command(
    epilog="Example: optuna-agnet export sqlite:///nas.db --study digits --to onnx -o best.onnx"
)
@click.argument("storage", required=False)
@study_option
@click.option(
    "--trial", type=click.IntRange(0), metavar="N", help="Number. Default: the best feasible one."
)
@click.option("--architecture", help="Its text, instead of a study's; needs --space.")
@space_option
@click.option(
    "--to",
    "form",
    type=click.Choice(["genotype", "pytorch", "onnx"]),
    default="genotype",
    show_default=True,
)
@click.option("--output", "-o", type=OutputType(), metavar="FILE", help="File to write.")
@click.option("--classes", type=click.IntRange(1), metavar="N", help="Default: 10.")
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
@click.option(
    "--ops", type=ImportedType(), help="Your operations, FILE.py:NAME: a dict of builders."
)
@click.option(
    "--build",
    type=ImportedType(),
    help="Your network, FILE.py:NAME: a function of an architecture; sizes are up to it.",
)
@click.option(
    "--weights",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Of a training: what torch.save(model.state_dict(), FILE) wrote, or .safetensors.",
)
def export(
    storage: str | None,
    name: str | None,
    trial: int | None,
    architecture: str | None,
    space: SearchSpace | None,
    form: str,
    output: Path | None,
    classes: int | None,
    image: tuple[int, int, int],
    channels: int | None,
    cells: int | None,
    stages: int | None,
    ops: object,
    build: object,
    weights: Path | None,
) -> None:
    """Write an architecture as text, PyTorch or ONNX.

    STORAGE is a URL such as sqlite:///nas.db, or a journal file. PyTorch means a program that torch.export.load reads
    (.pt2). Networks are built in the benchmark's skeleton, or by --build, and carry PyTorch's initial weights where no
    --weights are given. Give the sizes of the training as well, such as --channels.
    """
    space, arch = _chosen(storage, name, trial, architecture, space)
    if form == "genotype":
        if weights or ops or build:
            raise click.UsageError("--weights, --ops and --build go with --to pytorch or onnx")
        _write(f"{arch}\n", output)
        return
    if output is None:
        raise click.UsageError(f"--to {form} needs --output")
    from optuna_agnet.modules.export import export_onnx, export_pytorch, load_weights

    sizes = {"channels": channels, "cells_per_stage": cells, "stages": stages}
    model = _network(space, arch, build, image[0], {"num_classes": classes, "ops": ops, **sizes})
    if weights is not None:
        load_weights(model, weights)
    (export_onnx if form == "onnx" else export_pytorch)(model, output, image)
    click.echo(f"{arch}\nwritten to {output}")


def _chosen(
    storage: str | None,
    name: str | None,
    trial: int | None,
    architecture: str | None,
    space: SearchSpace | None,
) -> tuple[SearchSpace, Architecture]:
    """The architecture that the options name, and its space."""
    if (storage is None) == (architecture is None):
        raise click.UsageError("give either STORAGE or --architecture")
    if architecture is None:
        return _from_study(str(storage), name, trial, space)
    if space is None:
        raise click.UsageError("--architecture needs --space")
    return space, space.parse(architecture)


def _network(
    space: SearchSpace, arch: Architecture, build: object, channels: int, given: Mapping[str, Any]
) -> torch.nn.Module:
    """The user's own network, or one in the skeleton of the space with what is given of its sizes and operations."""
    if build is None:
        return _skeleton_network(space, arch, {"in_channels": channels, **given})
    if any(value is not None for value in given.values()):
        raise click.UsageError(
            "--build makes the whole network: leave out --ops, --classes and sizes"
        )
    return _own_network(build, arch)


def _skeleton_network(
    space: SearchSpace, arch: Architecture, given: Mapping[str, Any]
) -> torch.nn.Module:
    from optuna_agnet import build_model

    try:
        return build_model(space, arch, **given)
    except ValueError as error:
        raise ValueError(
            f"{error}. On the command line, --ops names your operations, and --build FILE.py:NAME a function of an"
            " architecture that makes your whole network"
        ) from error


def _own_network(build: object, arch: Architecture) -> torch.nn.Module:
    """What a function of one's own makes of an architecture."""
    from torch import nn

    model = build(arch) if callable(build) else None
    if not isinstance(model, nn.Module):
        raise ValueError(f"--build {build!r} is no function that makes a torch.nn.Module of it")
    return model


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _from_study(
    storage: str, name: str | None, number: int | None, space: SearchSpace | None
) -> tuple[SearchSpace, Architecture]:
    study = load_study(storage, name)
    space = space or space_of(study)
    trial = _trial(study, number, space)
    if not space.is_complete(trial.params):
        raise ValueError(
            f"trial {trial.number} ({trial.state.name.lower()}) has no architecture of {space!r}: give another --trial,"
            " or the --space that the study searched"
        )
    return space, space.from_params(trial.params)


def _trial(study: optuna.Study, number: int | None, space: SearchSpace) -> FrozenTrial:
    from optuna_agnet.study.trials import best_architectures, best_trials

    if number is not None:
        if number >= len(study.trials):
            raise ValueError(
                f"trial {number} does not exist: the study '{study.study_name}' has {len(study.trials)}, from 0"
            )
        return study.trials[number]
    best = best_architectures(study, space) or best_trials(study)
    if not best:
        raise ValueError(
            f"the study '{study.study_name}' has no complete, feasible trial yet; --trial takes any other"
        )
    return best[0]
