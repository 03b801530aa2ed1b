"""What a reader follows to understand a proposal does not grow unnoticed."""

from __future__ import annotations

from benchmarks.moves import moves


def test_a_proposal_goes_from_file_to_file_at_most_sixty_one_times() -> None:
    """194 once; a new feature that needs more has its objects in the wrong place."""
    found = moves()
    assert 20 < found.total() <= 61
    assert max(found.values()) <= 10, "one call a batch, not one an element"
