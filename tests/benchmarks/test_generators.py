"""The table of bundled generators is what they do."""

from benchmarks import generators
from optuna_agnet.generator.files import WEIGHTS


def test_the_page_has_the_row_of_the_papers_form() -> None:
    row = generators.row(generators.GENERATORS[1])
    assert f"| {' | '.join(row)} |" in generators.PAGE.read_text()


def test_every_bundled_file_has_a_row() -> None:
    page = generators.PAGE.read_text()
    assert all(f"| {one.name} | {one.samples:,} |" in page for one in generators.GENERATORS)
    assert len(generators.GENERATORS) == len(set(WEIGHTS.glob("*.safetensors")))
