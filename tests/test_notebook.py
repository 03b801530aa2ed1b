"""The notebook runs from top to bottom, shows what it should, and is kept without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[1] / "examples" / "start.ipynb"
PLOTLY = "application/vnd.plotly.v1+json"


def test_it_is_kept_without_outputs() -> None:
    cells = json.loads(FILE.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 6
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert FILE.stat().st_size < 20_000


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Outputs of each cell, by its id."""
    for needed in ("ipykernel", "plotly", "sklearn"):
        pytest.importorskip(needed, reason="the notebook needs it")
    nbclient = pytest.importorskip("nbclient", reason="runs the notebook")
    import nbformat

    notebook = nbformat.read(FILE, as_version=4)
    folder = str(tmp_path_factory.mktemp("notebook"))
    nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": folder}}
    ).execute()
    return {cell.id: cell.get("outputs", []) for cell in notebook.cells}


def shown(outputs: list[dict[str, Any]], form: str) -> list[Any]:
    return [output["data"][form] for output in outputs if form in output.get("data", {})]


@pytest.mark.slow
def test_values_show_themselves(outputs: dict[str, list[dict[str, Any]]]) -> None:
    for cell in ("space", "search"):
        (table,) = shown(outputs[cell], "text/html")
        assert "op_0_1 ... op_2_3 (6)" in table
    for cell in ("arch", "optimize", "limit"):
        (picture,) = shown(outputs[cell], "text/html")
        assert "<svg" in picture


@pytest.mark.slow
def test_a_report_is_small_and_its_figures_are_plotlys_own(
    outputs: dict[str, list[dict[str, Any]]],
) -> None:
    pages = [page for page in shown(outputs["report"], "text/html") if "<h1>" in page]
    assert len(pages) == 1
    figures = shown(outputs["report"], PLOTLY)
    assert len(figures) >= 4
    assert sum(len(json.dumps(part)) for part in [*pages, *figures]) < 1_000_000


@pytest.mark.slow
def test_nothing_is_written_to_standard_error(outputs: dict[str, list[dict[str, Any]]]) -> None:
    later = [
        cell for name, cell in outputs.items() if name != "space"
    ]  # imports: tqdm asks for ipywidgets
    streams = [output for cell in later for output in cell if "name" in output]
    assert {stream["name"] for stream in streams} == {"stdout"}
