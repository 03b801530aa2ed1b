"""What the bundled generators can do (Table 12): ``python -m benchmarks.generators --write``, five minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.markdown import markdown, write_or_print
from optuna_agnet import load_generator, spaces
from optuna_agnet.cli.generators import PAPER
from optuna_agnet.generator import GeneratorConfig, generator_report
from optuna_agnet.spaces import SearchSpace

PAGE = Path(__file__).parents[1] / "docs" / "spaces.md"
HEAD = (
    *("in percent", "samples", "valid", "unique as drawn", "as architectures"),
    *("new as drawn", "as architectures, up to isomorphism"),
)


class Bundled(NamedTuple):
    """A generator that comes with the package, and which row of the paper is to stand beside it."""

    name: str
    space: Callable[[], SearchSpace]
    config: GeneratorConfig = GeneratorConfig()
    samples: int = 10_000
    published: str = ""


PAPERS_FORM = GeneratorConfig.paper()
GENERATORS = (
    Bundled("`nas_bench_101`", spaces.nas_bench_101),
    Bundled("the paper's form", spaces.nas_bench_101, PAPERS_FORM, published="nas_bench_101"),
    Bundled("`nas_bench_201`", spaces.nas_bench_201),
    Bundled("the paper's form", spaces.nas_bench_201, PAPERS_FORM, published="nas_bench_201"),
    Bundled("`darts`, both cells (one)", spaces.darts, samples=2000, published="darts"),
    Bundled("`fbnet`", spaces.fbnet, samples=2000),
    Bundled("`nas_bench_nlp(12)`", lambda: spaces.nas_bench_nlp(12), published="nas_bench_nlp"),
    Bundled("`nas_bench_nlp`", spaces.nas_bench_nlp, samples=2000),
)


def row(bundled: Bundled) -> list[str]:
    """Shares in percent, the paper's in brackets."""
    generator = load_generator(bundled.space(), config=bundled.config)
    report = generator_report(generator, bundled.samples)
    valid = unique = new = ""
    if bundled.published:
        valid, unique, new = (f" ({value:g})" for value in PAPER[bundled.published])
    return [
        bundled.name,
        f"{bundled.samples:,}",
        f"{100 * report.validity:.1f}{valid}",
        f"{100 * report.unique_drawings:.1f}{unique}",
        f"{100 * report.uniqueness:.1f}",
        f"{100 * (report.new_drawings or 0):.1f}{new}",
        f"{100 * (report.novelty or 0):.1f}",
    ]


def table() -> Iterator[str]:
    yield from markdown(HEAD, [row(one) for one in GENERATORS])


def main() -> None:
    write_or_print(table(), PAGE, "generators", __doc__)


if __name__ == "__main__":
    main()
