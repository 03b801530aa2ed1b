"""What a reader follows to understand a proposal does not grow unnoticed."""

from __future__ import annotations

from benchmarks.moves import moves


def test_a_proposal_goes_from_file_to_file_less_than_a_hundred_times() -> None:
    """194 once; a new feature that needs more has its objects in the wrong place."""
    found = moves()
    assert 20 < found.total() < 100
    assert max(found.values()) <= 10, "one call a batch, not one an element"
