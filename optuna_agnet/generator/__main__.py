"""``python -m optuna_agnet.generator SPACE``: what the generator of a space can do, beside the paper's Table 12."""

from __future__ import annotations

import argparse
from pathlib import Path

from optuna_agnet.generator.network import Generator, GeneratorConfig
from optuna_agnet.generator.pretraining import (
    WEIGHTS,
    GeneratorReport,
    generator_report,
    load_generator,
    pretrain,
    save_generator,
)
from optuna_agnet.spaces import presets

_SPACES = {
    "darts": presets.darts,
    "fbnet": presets.fbnet,
    "nas_bench_101": presets.nas_bench_101,
    "nas_bench_201": presets.nas_bench_201,
}
_FORMS = {"fast": GeneratorConfig(), "paper": GeneratorConfig.paper()}
_STEPS = 2000
_PAPER = {  # Table 12, quoted; its DARTS generator makes one cell, ours both
    "darts": (42.27, 100, 100),
    "nas_bench_101": (71.69, 97.92, 62.30),
    "nas_bench_201": (99.97, 73.61, 10.03),
}


def _table(space: str, report: GeneratorReport) -> str:
    novelty = "unknown" if report.novelty is None else f"{report.novelty:.2%}"
    paper = [f"{share:.2f}%" for share in _PAPER.get(space, ())] or ["-"] * 3
    rows = [
        ("", "this generator", "paper, Table 12"),
        ("validity", f"{report.validity:.2%}", paper[0]),
        ("uniqueness", f"{report.uniqueness:.2%}", paper[1]),
        ("  up to isomorphism", f"{report.unique_graphs:.2%}", ""),
        ("novelty", novelty, paper[2]),
    ]
    return "\n".join(f"{name:<20}{ours:>16}{theirs:>18}" for name, ours, theirs in rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m optuna_agnet.generator", description=__doc__)
    parser.add_argument("space", choices=sorted(_SPACES))
    parser.add_argument(
        "--form", choices=sorted(_FORMS), help="shape (default: fast, or what --weights holds)"
    )
    parser.add_argument(
        "--samples", type=int, default=10_000, help="graphs to draw (default: %(default)s)"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--weights", type=Path, help="a file of save_generator instead of the bundled one"
    )
    source.add_argument(
        "--pretrain",
        type=int,
        nargs="?",
        const=_STEPS,
        metavar="STEPS",
        help="train anew instead of loading weights (default: %(const)s steps)",
    )
    parser.add_argument(
        "--save", action="store_true", help="with --pretrain: replace the bundled weights"
    )
    return parser


def _generator(chosen: argparse.Namespace) -> Generator:
    space = _SPACES[chosen.space]()
    if chosen.weights is not None:
        return load_generator(space, chosen.weights, config=_FORMS.get(chosen.form))
    form = chosen.form or "fast"
    if chosen.pretrain is None:
        return load_generator(space, config=_FORMS[form])
    generator = pretrain(space, config=_FORMS[form], steps=chosen.pretrain)
    if chosen.save:
        save_generator(generator, WEIGHTS / f"{chosen.space}-{form}.safetensors")
    return generator


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.samples < 1 or (chosen.pretrain is not None and chosen.pretrain < 1):
        parser.error("--samples and --pretrain must be at least 1")
    if chosen.save and chosen.pretrain is None:
        parser.error("--save goes with --pretrain")
    try:
        generator = _generator(chosen)
    except ValueError as error:
        parser.error(str(error))
    form = "paper" if generator.config.layers else "fast"
    print(f"{chosen.space}, {form} form, {chosen.samples:,} samples of z ~ N(0, 1)")
    print(_table(chosen.space, generator_report(generator, chosen.samples)))
    print(
        "Novelty: share of valid samples that pretraining never saw. The paper trained on 90% of all cells."
    )


if __name__ == "__main__":
    main()
