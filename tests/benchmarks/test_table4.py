"""Table 4's way from scores to a trained network."""

from functools import partial
from pathlib import Path

import pytest

from benchmarks import table4
from benchmarks.table4 import RANDOM, SEARCHES, Job


def row(search: str, seed: int, accuracy: float) -> dict:
    said = {} if search == RANDOM else {"queries": 208, "scores": [12.34, 56.0]}
    return {"search": search, "seed": seed, "accuracy": accuracy, **said}


def test_the_page_has_a_line_a_search_in_their_order() -> None:
    rows = [row(search, seed, 90.0 + seed) for search in (RANDOM, *SEARCHES) for seed in (1, 0)]
    lines = table4.report(rows).splitlines()[6:]
    expected = [f"| {search} | 208 | 12.3 | 56 | 90.00, 91.00 | 90.50 |" for search in SEARCHES]
    assert lines == [*expected, "| random |  |  |  | 90.00, 91.00 | 90.50 |"]


@pytest.mark.slow
@pytest.mark.parametrize("search", [*SEARCHES, RANDOM])
def test_a_search_is_gone_to_its_end(
    search: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table4, "QUERIES", 4)
    monkeypatch.setattr(table4, "EPOCHS", 2)
    found = partial(table4.run, folder=tmp_path)(Job(search, 0))
    assert found.get("queries") == (None if search == RANDOM else 4)
    if search == "one after the other":
        assert found["trial"] >= 2
    assert found["accuracy"] > 50  # after one epoch it may still be at chance
    assert table4.found(Job(search, 0), tmp_path)[0].key  # it goes on, and has nothing left to do
