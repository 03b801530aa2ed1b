"""``pretrain`` and ``generator-report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from optuna_agnet.cli.inputs import OutputType, SpaceType
from optuna_agnet.spaces import SearchSpace

if TYPE_CHECKING:
    from optuna_agnet.generator import Generator, GeneratorReport

PAPER = {
    "darts": (42.27, 100, 100),  # one cell; ours makes both
    "nas_bench_101": (71.69, 97.92, 62.30),
    "nas_bench_201": (99.97, 73.61, 10.03),
    "nas_bench_nlp": (57.95, 100, 100),  # at most 12 nodes
}  # validity, uniqueness, novelty in per cent: Table 12, quoted


@click.command()
@click.argument("space", type=SpaceType())
@click.argument("output", type=OutputType())
@click.option("--steps", type=click.IntRange(1), metavar="N", default=2000, show_default=True)
@click.option("--seed", type=click.IntRange(0), metavar="N", default=0, show_default=True)
@click.option("--paper", is_flag=True, help="The paper's generator; slower.")
def pretrain(space: SearchSpace, output: Path, steps: int, seed: int, paper: bool) -> None:
    """Pretrain a generator for a space.

    No evaluation is spent on it. It is saved to OUTPUT (.safetensors), which optuna_agnet.load_generator(space, path)
    reads. SPACE is a preset or your own as FILE.py:NAME or MODULE:NAME.
    """
    from optuna_agnet.generator import GeneratorConfig, generator_report, pretrain, save_generator

    config = GeneratorConfig.paper() if paper else None
    generator = pretrain(space, config=config, steps=steps, seed=seed)
    save_generator(generator, output)
    click.echo(f"{output}: {generator_report(generator, 2000)}")


@click.command("generator-report")
@click.argument("space", type=SpaceType())
@click.option(
    "--weights",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file of 'pretrain' instead of the bundled weights.",
)
@click.option("--paper", is_flag=True, help="The bundled generator in the paper's form.")
@click.option("--samples", type=click.IntRange(1), metavar="N", default=10_000, show_default=True)
def generator_report(space: SearchSpace, weights: Path | None, paper: bool, samples: int) -> None:
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
        "Novelty: share of valid samples that pretraining never saw. The paper trained on 90% of all cells, and counts"
        " graphs as drawn: nodes that lead nowhere and the order of nodes make another graph of it."
    )


def _form(generator: Generator) -> str:
    return "paper" if generator.config.layers else "fast"


def _table(space: str, report: GeneratorReport) -> str:
    paper = [f"{value:.2f}%" for value in PAPER.get(space, ())] or ["-"] * 3
    rows = [
        ("", "this generator", "paper, Table 12"),
        ("validity", _share(report.validity), paper[0]),
        ("uniqueness as drawn", _share(report.unique_drawings), paper[1]),
        ("  of architectures", _share(report.uniqueness), ""),
        ("  up to isomorphism", _share(report.unique_graphs), ""),
        ("novelty as drawn", _share(report.new_drawings), paper[2]),
        ("  up to isomorphism", _share(report.novelty), ""),
    ]
    return "\n".join(f"{name:<20}{ours:>16}{theirs:>18}" for name, ours, theirs in rows)


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2%}"
